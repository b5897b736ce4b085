//! Lists of more rows than are looked at where requests are answered, and a very large group.

use crate::elevation::activation;
use crate::house::*;
use crate::lists::{built_in, gives, id, ids, tries, walk};
use serde_json::{Value as Json, json};
use writ_core::command::{Command, Sort};
use writ_core::ids::PrincipalId;
use writ_core::scope::{Scope, Target};

const REQUESTS: &str = "/v1.0/roleManagement/directory/roleAssignmentScheduleRequests";
const ELIGIBILITY_REQUESTS: &str = "/v1.0/roleManagement/directory/roleEligibilityScheduleRequests";

/// A group of these members.
fn everybody(group: PrincipalId, members: Vec<PrincipalId>) -> Command {
    let (name, description) = ("Everybody".to_owned(), String::new());
    Command::CreateGroup { group, name, description, role_assignable: false, owners: vec![], members }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_that_looks_far_is_whole_and_a_very_large_group_is_read_page_by_page() {
    const MANY: u128 = 6_100;
    let house = House::unmetered().await;
    let group = PrincipalId::from_u128(0x9100);
    let members: Vec<PrincipalId> = (0..MANY).map(|n| PrincipalId::from_u128(0x10_0000 + n * 0x1_0001)).collect();
    for (n, member) in members.iter().enumerate() {
        let made =
            user(*member, &format!("Zz {n}"), &format!("many{n}@{}.example", if n == 7 { "one" } else { "most" }));
        assert!(tries(&house, Command::CreateUser(made)).await);
    }
    assert!(tries(&house, everybody(group, Vec::new())).await);
    for member in &members {
        assert!(tries(&house, Command::AddMember { group, member: *member }).await);
    }
    let dana = house.signed_in(DANA).await.eventual();

    // No index finds these, and there are more than are looked at where requests are answered.
    let (found, _) = walk(&dana, "/v1.0/users", "$filter=endswith(userPrincipalName,'@one.example')").await;
    assert_eq!(ids(&found), [members[7].to_string()]);
    let (found, count) =
        walk(&dana, "/v1.0/users", "$top=999&$count=true&$filter=endswith(mail,'@most.example')").await;
    assert_eq!((found.len() as u128, count), (MANY - 1, Some(MANY as u64 - 1)));

    // Of records, as many are looked through; every page counts all of them and none is shown twice.
    let audits = "/v1.0/auditLogs/directoryAudits";
    let added = "$filter=activityDisplayName eq 'Add user' and targetResources/any(t:startswith(t/displayName,'zz '))";
    for order in ["", "&$orderby=activityDateTime", "&$orderby=activityDateTime desc"] {
        let (found, count) = walk(&dana, audits, &format!("$top=1000&$count=true{order}&{added}")).await;
        assert_eq!((found.len() as u128, count), (MANY, Some(MANY as u64)), "{order}");
        let (skipped, count) = walk(&dana, audits, &format!("$top=900&$skip=250&$count=true{order}&{added}")).await;
        assert_eq!((&found[250..], count), (&skipped[..], Some(MANY as u64)), "{order}");
        let (uncounted, _) = walk(&dana, audits, &format!("$top=700{order}&{added}")).await;
        assert_eq!(found, uncounted, "{order}");
    }
    assert_eq!(dana.get(&format!("{audits}/$count?{added}")).await.text, MANY.to_string());
    let one = "$filter=targetResources/any(t:t/displayName eq 'zz 5') and category eq 'UserManagement'";
    assert_eq!(walk(&dana, audits, one).await.0.len(), 1);

    let all: Vec<String> = members.iter().map(ToString::to_string).collect();
    for link in ["members", "transitiveMembers"] {
        let path = format!("/v1.0/groups/{group}/{link}");
        let (found, count) = walk(&dana, &path, "$top=700&$count=true").await;
        assert_eq!((ids(&found), count), (all.clone(), Some(MANY as u64)), "{link}");
        assert_eq!(found.iter().map(id).collect::<Vec<_>>(), all, "{link}: in the order of their ids");
        assert_eq!(dana.get(&format!("{path}/$count")).await.text, MANY.to_string());
        let one = dana.get(&format!("{path}/{}", members[6_000])).await.is(200);
        assert_eq!(one["displayName"], "Zz 6000");
        dana.get(&format!("{path}/{DANA}")).await.is(404);
        let (found, _) = walk(&dana, &format!("{path}/microsoft.graph.user"), "$filter=displayName eq 'zz 6099'").await;
        assert_eq!(ids(&found), [members[6_099].to_string()]);
        let (found, _) = walk(&dana, &format!("{path}/microsoft.graph.group"), "").await;
        assert!(found.is_empty(), "there is no group in it");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_expanded_in_what_is_expanded_never_grows_without_bound() {
    const MANY: u128 = 300;
    let house = House::unmetered().await;
    let group = PrincipalId::from_u128(0x9200);
    let members: Vec<PrincipalId> = (0..MANY).map(|n| PrincipalId::from_u128(0x20_0000 + n)).collect();
    for (n, member) in members.iter().enumerate() {
        let made = user(*member, &format!("Yy {n}"), &format!("all{n}@all.example"));
        assert!(tries(&house, Command::CreateUser(made)).await);
    }
    assert!(tries(&house, everybody(group, members)).await);
    let dana = house.signed_in(DANA).await;
    let one = format!("/v1.0/groups/{group}");
    let expand = "$expand=members($expand=memberOf($expand=members($expand=memberOf)))";
    for path in [format!("{one}?{expand}"), format!("/v1.0/groups?$filter=id eq '{group}'&{expand}")] {
        let refused = dana.get(&path).await.refused();
        assert!(refused.starts_with("400 Request_UnsupportedQuery: "), "{path}: {refused}");
        assert!(refused.contains("would be larger than"), "{path}: {refused}");
    }
    // What has to be looked through far is still whole.
    let expand = "$expand=members($select=id;$expand=memberOf($select=id;$expand=members($select=id)))";
    let whole = dana.get(&format!("{one}?{expand}")).await.is(200);
    let inner = &whole["members"][299]["memberOf"][0]["members"];
    assert_eq!(inner.as_array().map(Vec::len), Some(300));
    // So is what is asked with POST and changes nothing.
    let found = dana.post(&format!("/v1.0/directoryObjects/getByIds?{expand}"), json!({"ids": [group]})).await.list();
    assert_eq!(found[0]["members"], whole["members"]);
}

#[tokio::test]
async fn requests_that_ended_unusually_or_asked_for_something_rare_are_all_found() {
    let house = House::new().await;
    let (ana, ben, dana) = (house.signed_in(ANA).await, house.signed_in(BEN).await, house.signed_in(DANA).await);
    let asked = |reply: Json| reply["id"].as_str().expect("an id").to_owned();
    let canceled = asked(ana.post(REQUESTS, activation("PT1H")).await.is(201));
    ana.send("POST", &format!("{REQUESTS}/{canceled}/cancel"), String::new()).await.is(204);
    let denied = asked(ana.post(REQUESTS, activation("PT1H")).await.is(201));
    let step = format!("/beta/roleManagement/directory/roleAssignmentApprovals/{denied}/steps/{denied}");
    ben.patch(&step, json!({"reviewResult": "Deny", "justification": "not tonight"})).await.is(204);
    let waits = asked(ana.post(REQUESTS, activation("PT1H")).await.is(201));
    for (filter, wanted) in [
        ("status eq 'Canceled'", vec![&canceled]),
        ("status eq 'denied'", vec![&denied]),
        ("status in ('Denied','Canceled')", vec![&canceled, &denied]),
        ("status in ('Denied','PendingApproval')", vec![&denied, &waits]),
        ("status eq 'Canceled' and action eq 'selfActivate'", vec![&canceled]),
        ("status eq 'Failed'", vec![]),
        ("status eq 'Nonsense'", vec![]),
        ("action eq 'selfRenew'", vec![]),
        ("action eq 'adminAssign' and status eq 'Canceled'", vec![]),
        ("action eq 'adminUpdate' or action eq 'adminRemove'", vec![]),
    ] {
        let path = format!("{REQUESTS}?$filter={}", filter.replace(' ', "%20").replace('\'', "%27"));
        let mut found: Vec<String> = dana.get(&path).await.list().iter().map(|r| asked(r.clone())).collect();
        found.sort_unstable();
        let mut wanted: Vec<String> = wanted.into_iter().cloned().collect();
        wanted.sort_unstable();
        assert_eq!(found, wanted, "{filter}");
    }
    // A request that is open is found as such, and no longer once it has ended.
    ana.send("POST", &format!("{REQUESTS}/{waits}/cancel"), String::new()).await.is(204);
    assert_eq!(dana.get(&format!("{REQUESTS}?$filter=status%20eq%20%27Canceled%27")).await.list().len(), 2);
}

#[tokio::test]
async fn requests_that_somebody_made_are_all_found_whether_for_themselves_or_for_others() {
    let house = House::new().await;
    let (ana, dana) = (house.signed_in(ANA).await, house.signed_in(DANA).await);
    let mine = |reply: &[Json]| -> Vec<String> {
        let mut ids: Vec<String> = reply.iter().map(|r| r["id"].as_str().expect("an id").to_owned()).collect();
        ids.sort_unstable();
        ids
    };
    let by = |who: PrincipalId| move |r: &&Json| r["createdBy"]["user"]["id"] == json!(who);
    ana.post(REQUESTS, activation("PT1H")).await.is(201);
    let target = Target::role(built_in("Reports Reader"), Scope::Tenant);
    for sort in [Sort::Eligibility, Sort::Assignment] {
        for who in [BEN, DANA] {
            assert!(tries(&house, gives(sort, who, target, None)).await);
        }
    }
    let mut found = 0;
    for path in [REQUESTS, ELIGIBILITY_REQUESTS] {
        let all = dana.get(path).await.list().to_vec();
        for (asker, who) in [(&ana, ANA), (&dana, DANA)] {
            let wanted: Vec<Json> = all.iter().filter(by(who)).cloned().collect();
            let made = asker.get(&format!("{path}/filterByCurrentUser(on='createdBy')")).await.list().to_vec();
            assert_eq!(mine(&made), mine(&wanted), "{path}");
            found += made.len();
        }
    }
    assert!(found >= 5, "there are some of both: {found}");
}
