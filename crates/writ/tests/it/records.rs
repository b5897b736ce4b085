//! What is on record, as Graph's audit logs show it: sign-ins, and what a change was.

use crate::house::{ANA, DANA, EVE, House};
use serde_json::json;
use writ::identity::sign_in::For;
use writ_core::command::{Command, SignIn, SignInNote, Via};

#[tokio::test]
async fn sign_ins_are_told_to_readers_of_the_audit_log() {
    let house = House::new().await;
    let (dana, eve) = (house.signed_in(DANA).await, house.signed_in(EVE).await);
    let origin = writ::identity::Origin {
        address: Some([192, 0, 2, 7].into()),
        agent: "stories".into(),
        via: Via::Page,
        correlation: None,
    };
    for name in ["ana@northwind.example", "nobody@northwind.example"] {
        let wrong = house.app.identity.with_password(name, "wrong".to_owned().into(), "000000", For::Page, &origin);
        assert!(wrong.await.is_err());
    }
    let path = "/v1.0/auditLogs/signIns";
    let mut rows = Vec::new();
    for _ in 0..200 {
        // Failures are put on record a moment after they are answered.
        rows = dana.get(path).await.list();
        if rows.len() >= 2 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let mut codes: Vec<String> =
        rows.iter().map(|r| format!("{} {}", r["userPrincipalName"], r["status"]["errorCode"])).collect();
    codes.sort_unstable();
    assert_eq!(codes, ["\"\" 50034", "\"ana@northwind.example\" 50126"]);
    let told = "Error validating credentials due to invalid username or password.";
    assert!(rows.iter().any(|r| r["status"]["failureReason"] == told), "{rows:?}");
    let hers = dana
        .get(&format!(
            "{path}?$filter=userId eq '{ANA}' and status/errorCode ne 0 and createdDateTime ge 2026-01-01T00:00:00Z"
        ))
        .await
        .list();
    assert_eq!(hers.len(), 1);
    let one = dana.get(&format!("{path}/{}", hers[0]["id"].as_str().unwrap())).await.is(200);
    assert_eq!(one["userDisplayName"], "Ana Silva");
    let page = dana.get(&format!("{path}?$top=1&$orderby=createdDateTime desc")).await.is(200);
    let next = page["@odata.nextLink"].as_str().unwrap().trim_start_matches("http://localhost").to_owned();
    let next = dana.get(&next).await.list();
    assert!(next.len() == 1 && next[0]["id"] != page["value"][0]["id"]);
    assert_eq!(dana.get(&format!("{path}/$count")).await.text, "2");
    assert_eq!(eve.get(path).await.status, 403);
    assert!(dana.get(&format!("{path}?$orderby=userId")).await.refused().starts_with("400 Request_UnsupportedQuery"));
}

#[tokio::test]
async fn a_sign_in_for_a_program_names_it() {
    let house = House::new().await;
    let dana = house.signed_in(DANA).await;
    let tools = "14d82eec-204b-4c2f-b7e8-296a70dab67e";
    for app in [tools, "0f2b3a4c-1111-4222-8333-444455556666"] {
        let note = SignInNote {
            principal: Some(ANA),
            outcome: SignIn::Succeeded,
            wrong: None,
            methods: Vec::new(),
            count: 1,
            client: None,
            app: app.parse().ok(),
            from: Vec::new(),
        };
        house.does(ANA, Command::NoteSignIn(note)).await;
        let row = dana.get("/v1.0/auditLogs/signIns?$top=1").await.list().remove(0);
        let name = if app == tools { json!("Microsoft Graph Command Line Tools") } else { json!(null) };
        assert_eq!((&row["appId"], &row["appDisplayName"]), (&json!(app), &name));
        assert_eq!((&row["userId"], &row["status"]["errorCode"]), (&json!(ANA), &json!(0)));
    }
}

#[tokio::test]
async fn the_record_of_a_change_says_what_was_and_what_is() {
    let house = House::new().await;
    let dana = house.signed_in(DANA).await;
    let before = dana.get(&format!("/v1.0/users/{EVE}")).await.is(200)["displayName"].clone();
    dana.patch(&format!("/v1.0/users/{EVE}"), json!({"displayName": "Eve Adams"})).await.is(204);
    dana.patch(&format!("/v1.0/users/{EVE}"), json!({"accountEnabled": false})).await.is(204);
    for (activity, name, old, new) in [
        ("Update user", "DisplayName", json!([before]).to_string(), r#"["Eve Adams"]"#),
        ("Disable account", "AccountEnabled", "[true]".to_owned(), "[false]"),
    ] {
        let path = format!("/v1.0/auditLogs/directoryAudits?$filter=activityDisplayName eq '{activity}'");
        let record = dana.get(&path).await.list().remove(0);
        // As Entra's own records have it.
        let wanted = json!([
            {"displayName": name, "oldValue": old, "newValue": new},
            {"displayName": "Included Updated Properties", "oldValue": null, "newValue": format!("\"{name}\"")},
            {"displayName": "TargetId.UserType", "oldValue": null, "newValue": "\"Member\""},
        ]);
        assert_eq!(record["targetResources"][0]["modifiedProperties"], wanted, "{activity}");
        assert_eq!(record["additionalDetails"], json!([{"key": "UserType", "value": "Member"}]));
    }
}
