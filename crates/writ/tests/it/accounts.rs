//! How local accounts are named, over HTTP: who may say so, and what is no name.

use crate::house::{ANA, BEN, DANA, EVE, FINANCE, House};
use serde_json::json;
use writ_core::command::{Caller, Command, Place};
use writ_core::directory::Account;
use writ_core::ids::{CredentialId, DeviceId, Uuid};
use writ_core::plan::account_on;
use writ_core::time::Span;

const RULES: &str = "/writ/v1/accounts/rules";
pub(crate) const FIN: DeviceId = DeviceId::from_u128(0xf1f1);

/// A house with an enrolled host in Finance, which has these accounts.
pub(crate) async fn with_a_host(accounts: &[&str]) -> House {
    let house = House::new().await;
    let (code, expires) = (CredentialId::from_u128(1), house.engine.now() + Span::from_hours(1));
    house.does(DANA, Command::IssueHostCode { code, unit: Some(FINANCE), expires }).await;
    let host = Caller::host(Uuid::from_u128(5), FIN);
    let enrol = Command::EnrolHost { host: FIN, name: "fin-01".into(), key: "ab".repeat(32), code };
    house.engine.submit(enrol, host.clone()).await.expect("enrolled");
    let accounts = accounts.iter().zip(1001..).map(|(name, uid)| Account { name: (*name).into(), uid }).collect();
    house.engine.submit(Command::ReportHost { host: FIN, accounts, drift: vec![] }, host).await.expect("reported");
    house
}

#[tokio::test]
async fn a_rule_names_the_accounts_of_a_place_and_is_read_back() {
    let house = with_a_host(&["ana", "adm-ana", "x-ana"]).await;
    let dana = house.signed_in(DANA).await;
    assert_eq!(dana.get(RULES).await.is(200), json!([{"host": null, "unit": null, "rule": "{local}"}]));
    for (place, account) in [
        (json!({"rule": "x-{local}"}), "x-ana"),
        (json!({"unit": FINANCE, "rule": "adm-{local}"}), "adm-ana"),
        (json!({"host": FIN, "rule": "{local}"}), "ana"),
    ] {
        dana.post(RULES, place).await.is(204);
        assert_eq!(account_on(&house.engine.state(), ANA, FIN).as_deref(), Ok(account), "the narrowest counts");
    }
    let eve = house.signed_in(EVE).await;
    assert_eq!(
        eve.get(RULES).await.is(200),
        json!([
            {"host": null, "unit": null, "rule": "x-{local}"},
            {"host": null, "unit": {"id": FINANCE, "name": "Finance"}, "rule": "adm-{local}"},
            {"host": {"id": FIN, "name": "fin-01"}, "unit": null, "rule": "{local}"},
        ])
    );
    dana.post(RULES, json!({"host": FIN})).await.is(204);
    dana.post(RULES, json!({"unit": FINANCE, "rule": null})).await.is(204);
    assert_eq!(account_on(&house.engine.state(), ANA, FIN).as_deref(), Ok("x-ana"), "taken back, the wider one counts");
    let said = dana.post(RULES, json!({"host": FIN})).await.refused();
    assert!(said.contains("There is no account rule for this place"), "{said}");
}

#[tokio::test]
async fn hostile_rules_are_refused_and_change_nothing() {
    let house = with_a_host(&["ana"]).await;
    let dana = house.signed_in(DANA).await;
    let head = house.engine.head();
    let long = format!("{{local}}{}", "a".repeat(100_000));
    for rule in [
        "",
        "root",
        "ALL",
        "{local",
        "{LOCAL}",
        "{local}{local}",
        "{local} ALL=(ALL) ALL",
        "%{local}",
        "#{local}",
        "+{local}",
        "!{local}",
        "{local},root",
        "{local}\n",
        "{local}\u{0}",
        "{local}:",
        "../{local}",
        "{local}.x",
        "ADM-{local}",
        "-{local}",
        "1{local}",
        "\u{430}{local}",
        "{local}@host",
        "{upn}",
        long.as_str(),
    ] {
        let said = dana.post(RULES, json!({"unit": FINANCE, "rule": rule})).await.refused();
        assert!(said.starts_with("400 BadRequest: rule: a rule holds {local} once"), "{rule:?}: {said}");
    }
    for (body, says) in [
        (
            json!({"host": FIN, "unit": FINANCE, "rule": "{local}"}),
            "400 BadRequest: unit: name a host or a unit, not both",
        ),
        (json!({"host": "fin-01", "rule": "{local}"}), "404 Request_ResourceNotFound"),
        (json!({"unit": Uuid::from_u128(9), "rule": "{local}"}), "404 Request_ResourceNotFound"),
        (json!({"rule": 7}), "400 BadRequest: The body is not as it should be"),
        (json!({"rule": "{local}", "everywhere": true}), "400 BadRequest: The body is not as it should be"),
        (json!("{local}"), "400 BadRequest: The body is not as it should be"),
    ] {
        let said = dana.post(RULES, body).await.refused();
        assert!(said.starts_with(says), "{said}");
    }
    let said = house.signed_in(EVE).await.post(RULES, json!({"rule": "adm-{local}"})).await.refused();
    assert!(
        said.starts_with("403 Authorization_RequestDenied") && said.contains("may enrol and remove hosts"),
        "{said}"
    );
    assert!(house.engine.head() == head && house.engine.state().account_rules.is_empty());
}

#[tokio::test]
async fn a_rule_never_gives_two_people_one_account() {
    let house = with_a_host(&["ana", "adm-ana"]).await;
    let dana = house.signed_in(DANA).await;
    let person = house.engine.state().person_of(BEN).expect("a person");
    house.does(DANA, Command::MapAccount { person, place: Place::Everywhere, account: Some("adm-ana".into()) }).await;
    dana.post(RULES, json!({"rule": "adm-{local}"})).await.is(204);
    for who in [ANA, BEN] {
        let told = account_on(&house.engine.state(), who, FIN).expect_err("shared").told();
        assert!(told.contains("belongs to another person too"), "{told}");
    }
}
