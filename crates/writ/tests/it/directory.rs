//! The directory over HTTP: who is in what, names and keys in the path, what a new user is made of, and what Graph
//! answers only with a header.

use crate::house::{ANA, BEN, CARLA, DANA, EVE, FINANCE, House, ROOT, SECURITY};
use serde_json::{Value as Json, json};
use writ::http::graph::applications::COMMAND_LINE;
use writ_core::command::{Command, Expiration, Sort, Terms};
use writ_core::ids::PrincipalId;
use writ_core::role::GLOBAL_ADMINISTRATOR;
use writ_core::scope::{Scope, Target};
use writ_core::time::Span;

const TEAM: PrincipalId = PrincipalId::from_u128(0x51);
const ROBOT: PrincipalId = PrincipalId::from_u128(0x60);
const APP: &str = "00000000-0000-0000-0000-0000000000a9";

/// The house with a group that Security is in, which is in a unit, and a program that owns it.
async fn nested() -> House {
    let house = House::new().await;
    let service = Command::CreateService { service: ROBOT, name: "Robot".into(), app: APP.parse().expect("a GUID") };
    house.does(DANA, service).await;
    let team = Command::CreateGroup {
        group: TEAM,
        name: "Everybody who protects".into(),
        description: String::new(),
        role_assignable: false,
        owners: vec![ROBOT],
        members: vec![SECURITY, EVE],
    };
    house.does(DANA, team).await;
    house.does(DANA, Command::AddToUnit { unit: FINANCE, object: BEN.0 }).await;
    house
}

fn ids(rows: &[Json]) -> Vec<String> {
    let mut ids: Vec<String> = rows.iter().map(|r| r["id"].as_str().unwrap_or_default().to_owned()).collect();
    ids.sort_unstable();
    ids
}

fn sorted(ids: &[&dyn std::fmt::Display]) -> Vec<String> {
    let mut ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    ids.sort_unstable();
    ids
}

#[tokio::test]
async fn membership_is_told_directly_and_through_groups() {
    let house = nested().await;
    let dana = house.signed_in(DANA).await;
    let list = async |path: String| ids(&dana.get(&path).await.list());
    assert_eq!(list(format!("/v1.0/groups/{TEAM}/members")).await, sorted(&[&SECURITY, &EVE]));
    assert_eq!(list(format!("/v1.0/groups/{TEAM}/transitiveMembers")).await, sorted(&[&SECURITY, &EVE, &BEN, &CARLA]));
    assert_eq!(list(format!("/v1.0/groups/{TEAM}/members/microsoft.graph.user")).await, sorted(&[&EVE]));
    assert_eq!(list(format!("/v1.0/groups/{TEAM}/transitiveMembers/graph.group")).await, sorted(&[&SECURITY]));
    assert_eq!(list(format!("/v1.0/groups/{TEAM}/owners")).await, sorted(&[&ROBOT]));
    assert_eq!(list(format!("/v1.0/servicePrincipals/{ROBOT}/ownedObjects")).await, sorted(&[&TEAM]));
    assert_eq!(list(format!("/v1.0/groups/{SECURITY}/memberOf")).await, sorted(&[&TEAM]));
    assert_eq!(list(format!("/v1.0/users/{BEN}/memberOf")).await, sorted(&[&SECURITY, &FINANCE]));
    assert_eq!(list(format!("/v1.0/users/{BEN}/transitiveMemberOf")).await, sorted(&[&SECURITY, &TEAM, &FINANCE]));
    assert_eq!(
        list(format!("/v1.0/users/{BEN}/transitiveMemberOf/microsoft.graph.group")).await,
        sorted(&[&SECURITY, &TEAM])
    );

    // A cast is of one type: its rows need not say so, and have that type's own properties to filter by.
    let filtered =
        format!("/v1.0/groups/{TEAM}/transitiveMembers/microsoft.graph.user?$filter=startswith(displayName,'B')");
    let users = dana.get(&filtered).await.list();
    assert_eq!((ids(&users), &users[0]["@odata.type"]), (sorted(&[&BEN]), &Json::Null));
    assert_eq!(
        dana.eventual().get(&format!("/v1.0/groups/{TEAM}/transitiveMembers/graph.user/$count")).await.text,
        "3"
    );

    let one = dana.get(&format!("/v1.0/groups/{TEAM}/members/{EVE}")).await.is(200);
    assert_eq!((&one["id"], &one["@odata.type"]), (&json!(EVE), &json!("#microsoft.graph.user")));
    dana.get(&format!("/v1.0/groups/{TEAM}/members/{BEN}")).await.is(404);

    let references = dana.get(&format!("/v1.0/groups/{TEAM}/members/$ref?$top=1")).await.is(200);
    assert_eq!(references["value"], json!([{"@odata.id": format!("http://localhost/v1.0/directoryObjects/{EVE}")}]));
    assert!(references["@odata.nextLink"].is_string());
    let odd = dana.get(&format!("/v1.0/users/{BEN}/microsoft.graph.group")).await.refused();
    assert!(odd.contains("microsoft.graph.group"), "{odd}");
}

#[tokio::test]
async fn a_directory_role_shows_in_member_of_to_whoever_may_see_who_holds_it() {
    let house = House::new().await;
    let roles = |rows: Vec<Json>| -> Vec<Json> {
        rows.into_iter().filter(|r| r["@odata.type"] == "#microsoft.graph.directoryRole").collect()
    };
    let own = roles(house.signed_in(DANA).await.get("/v1.0/me/memberOf").await.list());
    assert_eq!((own.len(), &own[0]["roleTemplateId"]), (1, &json!(GLOBAL_ADMINISTRATOR)));
    let eve = house.signed_in(EVE).await;
    assert!(roles(eve.get(&format!("/v1.0/users/{DANA}/memberOf")).await.list()).is_empty());
    let narrow = house.signed_in_with(DANA, &["User.Read"], true).await;
    assert!(roles(narrow.get("/v1.0/me/memberOf").await.list()).is_empty());
}

#[tokio::test]
async fn the_four_functions_answer_who_is_in_what() {
    let house = nested().await;
    let dana = house.signed_in(DANA).await;
    let ben = house.signed_in_with(BEN, &["User.Read"], true).await;
    let values = |reply: Json| -> Vec<String> {
        reply["value"].as_array().unwrap().iter().map(|v| v.as_str().unwrap().to_owned()).collect()
    };
    let asked = json!({"groupIds": [TEAM, SECURITY, FINANCE, EVE]});
    for path in [
        format!("/v1.0/users/{BEN}"),
        "/v1.0/users/ben@northwind.example".into(),
        format!("/v1.0/directoryObjects/{BEN}"),
    ] {
        let checked = dana.post(&format!("{path}/checkMemberGroups"), asked.clone()).await.is(200);
        assert_eq!(values(checked), sorted(&[&TEAM, &SECURITY]), "{path}");
    }
    let checked = ben.post("/v1.0/me/checkMemberObjects", json!({"ids": [TEAM, FINANCE, EVE]})).await.is(200);
    assert_eq!(values(checked), sorted(&[&TEAM, &FINANCE]));
    let got =
        dana.post("/v1.0/me/microsoft.graph.getMemberObjects()", json!({"securityEnabledOnly": false})).await.is(200);
    assert_eq!(values(got), sorted(&[&GLOBAL_ADMINISTRATOR]));
    let got =
        dana.post(&format!("/v1.0/groups/{SECURITY}/getMemberGroups"), json!({"securityEnabledOnly": true})).await;
    assert_eq!(values(got.is(200)), sorted(&[&TEAM]));
    let many: Vec<u32> = (0..21).collect();
    let many = json!({"groupIds": many.iter().map(u32::to_string).collect::<Vec<_>>()});
    dana.post("/v1.0/me/checkMemberGroups", many).await.is(400);
    dana.post("/v1.0/me/getMemberGroups", json!({})).await.is(400);
    // Ben's token is for himself only.
    assert_eq!(
        ben.post(&format!("/v1.0/users/{EVE}/getMemberGroups"), json!({"securityEnabledOnly": false})).await.status,
        403
    );
}

#[tokio::test]
async fn names_and_keys_in_the_path_are_read_in_every_spelling() {
    let house = nested().await;
    let dana = house.signed_in(DANA).await;
    for path in [
        "/v1.0/users/ana@northwind.example",
        "/v1.0/users/ANA%40northwind.example",
        "/v1.0/users('ana@northwind.example')",
        "/v1.0/users(%27ana%40northwind.example%27)",
    ] {
        assert_eq!(dana.get(path).await.is(200)["id"], json!(ANA), "{path}");
    }
    let in_groups = dana.get(&format!("/v1.0/users('{BEN}')/memberOf")).await.list();
    assert_eq!(in_groups.len(), 2);
    for path in [format!("/v1.0/servicePrincipals(appId='{APP}')"), format!("/v1.0/servicePrincipals/{ROBOT}")] {
        let robot = dana.get(&path).await.is(200);
        assert_eq!((&robot["id"], &robot["appId"]), (&json!(ROBOT), &json!(APP)), "{path}");
    }
    let app = dana.get(&format!("/v1.0/applications(appId='{APP}')")).await.is(200);
    assert_eq!(app["displayName"], "Robot");
    let all = dana.get("/v1.0/applications?$filter=isFallbackPublicClient eq true").await.list();
    assert!(all.iter().any(|a| a["appId"] == json!(COMMAND_LINE.app)), "{all:?}");
    let mut fixed: Vec<(&str, &str)> =
        all.iter().filter_map(|a| Some((a["appId"].as_str()?, a["displayName"].as_str()?))).collect();
    fixed.sort_unstable();
    assert_eq!(
        fixed,
        [
            ("04b07795-8ddb-461a-bbee-02f9e1bf7b46", "Microsoft Azure CLI"),
            ("14d82eec-204b-4c2f-b7e8-296a70dab67e", "Microsoft Graph Command Line Tools"),
            ("5772a17e-0000-4000-8000-000000000001", "Writ pages"),
            ("5772a17e-0000-4000-8000-000000000002", "Writ command line"),
        ]
    );
    // None of them is a principal, so none can hold a role.
    for (app, _) in fixed {
        dana.get(&format!("/v1.0/servicePrincipals(appId='{app}')")).await.is(404);
    }
    dana.get(&format!("/v1.0/servicePrincipals(appId='{ANA}')")).await.is(404);
    dana.get(&format!("/v1.0/servicePrincipals/{ANA}")).await.is(404);
}

#[tokio::test]
async fn a_new_user_is_what_was_asked_and_what_is_not_kept_is_said() {
    let house = House::new().await;
    let dana = house.signed_in(DANA).await;
    let body = json!({
        "accountEnabled": false, "displayName": "Fred New", "mailNickname": "fred", "jobTitle": "Clerk",
        "userPrincipalName": "fred@northwind.example",
        "passwordProfile": {"password": "Tr0ub4dor&3", "forceChangePasswordNextSignIn": true},
    });
    let made = dana.post("/v1.0/users", body).await.is(201);
    let notice = made["@writ.notice"].as_str().unwrap();
    assert!(notice.starts_with("Not kept: jobTitle, passwordProfile. The password in it opens nothing"), "{notice}");
    assert!(!notice.contains("Tr0ub4dor"));
    let fred = format!("/v1.0/users/{}?$select=accountEnabled,mailNickname", made["id"].as_str().unwrap());
    let shown = dana.get(&fred).await.is(200);
    assert_eq!((&shown["accountEnabled"], &shown["mailNickname"]), (&json!(false), &json!("fred")));

    let plain = json!({"accountEnabled": true, "displayName": "Gina", "userPrincipalName": "gina@northwind.example"});
    assert_eq!(dana.post("/v1.0/users", plain.clone()).await.is(201)["@writ.notice"], Json::Null);
    let taken = dana.post("/v1.0/users", plain).await.refused();
    assert!(taken.starts_with("400 Request_BadRequest: Another object with the same value for property"), "{taken}");
    let password = json!({"passwordProfile": {"password": "x"}});
    let refused = dana.patch("/v1.0/users/gina@northwind.example", password).await.refused();
    assert!(refused.contains("writ user code"), "{refused}");
    let managed = json!({
        "displayName": "Hal", "userPrincipalName": "hal@northwind.example",
        "manager@odata.bind": format!("https://graph.microsoft.com/v1.0/users/{ANA}"),
    });
    let made = dana.post("/v1.0/users", managed).await.is(201);
    assert_eq!(made["@writ.notice"], "Not kept: manager@odata.bind.");
}

#[tokio::test]
async fn a_change_of_nothing_that_is_kept_is_refused_and_names_what_is() {
    let house = House::new().await;
    let dana = house.signed_in(DANA).await;
    let head = house.engine.head();
    for (path, body, says) in [
        (format!("users/{EVE}"), json!({"jobTitle": "Clerk"}), "'jobTitle' is not kept here"),
        (format!("users/{EVE}"), json!({"manager@odata.bind": "x", "city": "Oslo"}), "'city, manager@odata.bind'"),
        (format!("groups/{SECURITY}"), json!({"visibility": "Private"}), "displayName, description"),
        (format!("directory/administrativeUnits/{FINANCE}"), json!({"visibility": "Public"}), "'visibility'"),
    ] {
        let said = dana.patch(&format!("/v1.0/{path}"), body).await.refused();
        assert!(said.starts_with("400 Request_BadRequest: ") && said.contains(says), "{path}: {said}");
    }
    assert_eq!(house.engine.head(), head);
    // Beside something that is kept it is left out, and so is an annotation; what is null asks for nothing.
    for body in [
        json!({"displayName": "Eve S", "jobTitle": "Clerk"}),
        json!({"@odata.type": "#microsoft.graph.user", "jobTitle": null}),
        json!({}),
    ] {
        dana.patch(&format!("/v1.0/users/{EVE}"), body).await.is(204);
    }
}

#[tokio::test]
async fn a_revoked_session_is_over_at_once() {
    let house = House::new().await;
    let (dana, ana, eve) = (house.signed_in(DANA).await, house.signed_in(ANA).await, house.signed_in(EVE).await);
    assert_eq!(eve.post(&format!("/v1.0/users/{ANA}/revokeSignInSessions"), json!({})).await.status, 403);
    ana.get("/v1.0/me").await.is(200);
    let path = "/v1.0/users/ana@northwind.example/microsoft.graph.revokeSignInSessions";
    assert_eq!(dana.send("POST", path, "").await.is(200)["value"], true);
    ana.get("/v1.0/me").await.is(401);
    assert_eq!(eve.send("POST", "/v1.0/me/revokeSignInSessions", "").await.is(200)["value"], true);
    eve.get("/v1.0/me").await.is(401);
    let records = dana
        .get(&format!("/v1.0/auditLogs/directoryAudits?$filter=targetResources/any(t:t/id eq '{ANA}')&$top=1"))
        .await
        .list();
    assert_eq!(records[0]["activityDisplayName"], "Update StsRefreshTokenValidFrom Timestamp");
}

#[tokio::test]
async fn searching_and_counting_the_directory_needs_graphs_header() {
    let house = House::new().await;
    let dana = house.signed_in(DANA).await;
    let refused = dana.get("/v1.0/users/$count").await.refused();
    insta::assert_snapshot!(refused, @"400 Request_UnsupportedQuery: Raw count (/$count) is not supported because the 'ConsistencyLevel:eventual' header is missing. Refer to https://aka.ms/graph-docs/advanced-queries for more information");
    let refused = dana.get("/v1.0/groups?$search=%22displayName:Secu%22").await.refused();
    insta::assert_snapshot!(refused, @"400 Request_UnsupportedQuery: Request with $search query parameter only works through MSGraph with a special request header: 'ConsistencyLevel: eventual'");
    assert_eq!(dana.eventual().get("/v1.0/users/$count").await.text, "7");
    let found = dana.eventual().get("/v1.0/groups?$search=%22displayName:Secu%22").await.list();
    assert_eq!(ids(&found), sorted(&[&SECURITY]));
    // What is not in the directory never needed it.
    assert_eq!(dana.get("/v1.0/roleManagement/directory/roleDefinitions/$count").await.text, "145");
    let requests = json!({"requests": [
        {"id": "1", "method": "GET", "url": "/users/$count", "headers": {"ConsistencyLevel": "eventual"}},
        {"id": "2", "method": "GET", "url": "/users/$count"},
    ]});
    let batch = dana.post("/v1.0/$batch", requests).await.is(200);
    let status = |n: usize| batch["responses"][n]["status"].clone();
    assert_eq!((status(0), status(1)), (json!(200), json!(400)));
}

#[tokio::test]
async fn beta_says_more_about_roles_and_custom_ones_are_made_as_asked() {
    let house = House::new().await;
    let dana = house.signed_in(DANA).await;
    let path = "roleManagement/directory/roleDefinitions";
    let old = dana.get(&format!("/v1.0/{path}/{ROOT}")).await.is(200);
    assert_eq!((&old["isPrivileged"], &old["allowedPrincipalTypes"]), (&Json::Null, &Json::Null));
    let new = dana
        .get(&format!("/beta/{path}/{ROOT}?$expand=inheritsPermissionsFrom($select=id,isPrivileged)"))
        .await
        .is(200);
    assert_eq!(
        (&new["isPrivileged"], &new["allowedPrincipalTypes"]),
        (&json!(true), &json!("user,servicePrincipal,group"))
    );
    assert!(new["inheritsPermissionsFrom"][0]["isPrivileged"].is_boolean(), "{new}");
    let privileged = dana.get(&format!("/beta/{path}?$filter=isPrivileged eq true")).await.list();
    assert!(privileged.len() > 20 && privileged.len() < 100, "{}", privileged.len());

    let body = json!({
        "displayName": "Log Reader", "isEnabled": false, "templateId": "00000000-0000-0000-0000-00000000beef",
        "rolePermissions": [{"allowedResourceActions": ["microsoft.directory/auditLogs/standard/read"]}],
    });
    let made = dana.post(&format!("/beta/{path}"), body.clone()).await.is(201);
    let told = |name: &str| made[name].clone();
    assert_eq!(
        (told("id"), told("templateId"), told("isEnabled"), told("isBuiltIn"), told("isPrivileged")),
        (
            json!("00000000-0000-0000-0000-00000000beef"),
            json!("00000000-0000-0000-0000-00000000beef"),
            json!(false),
            json!(false),
            json!(false)
        )
    );
    let again = dana.post(&format!("/v1.0/{path}"), body).await.refused();
    assert!(again.starts_with("400 Request_BadRequest"), "{again}");
    let odd = json!({"displayName": "Odd", "rolePermissions": [{"allowedResourceActions": ["microsoft.directory/*"]}]});
    assert!(dana.post(&format!("/v1.0/{path}"), odd).await.refused().contains("without wildcards"));
    dana.patch(&format!("/v1.0/{path}/00000000-0000-0000-0000-00000000beef"), json!({"isEnabled": true})).await.is(204);
    dana.delete(&format!("/v1.0/{path}/00000000-0000-0000-0000-00000000beef")).await.is(204);
    dana.get(&format!("/v1.0/{path}/00000000-0000-0000-0000-00000000beef")).await.is(404);
}

#[tokio::test]
async fn what_somebody_holds_is_told_through_groups_and_in_units() {
    let house = House::new().await;
    let (dana, eve) = (house.signed_in(DANA).await, house.signed_in(EVE).await);
    let crew = PrincipalId::from_u128(0x71);
    let group = Command::CreateGroup {
        group: crew,
        name: "Crew".into(),
        description: String::new(),
        role_assignable: true,
        owners: vec![],
        members: vec![EVE],
    };
    house.does(DANA, group).await;
    let give = |principal: PrincipalId, target: Target| Command::Assign {
        sort: Sort::Assignment,
        terms: Terms {
            reason: Some("night shift".into()),
            ..Terms::of(principal, target, Expiration::For(Span::from_hours(4)))
        },
    };
    let helpdesk = house.engine.state().roles.values().find(|r| r.is_called("Helpdesk Administrator")).map(|r| r.id);
    let helpdesk = helpdesk.expect("a role");
    let reader = house.engine.state().roles.values().find(|r| r.is_called("Reports Reader")).map(|r| r.id);
    let reader = reader.expect("a role");
    house.does(DANA, give(crew, Target::role(reader, Scope::Tenant))).await;
    house.does(DANA, give(EVE, Target::role(helpdesk, Scope::Unit(FINANCE)))).await;

    let path = "/beta/roleManagement/directory/transitiveRoleAssignments";
    let asked = format!("{path}?$count=true&$filter=principalId eq '{EVE}'");
    let all = dana.eventual().get(&asked).await.is(200);
    assert_eq!(all["@odata.count"], 2);
    let mut holders: Vec<&str> =
        all["value"].as_array().unwrap().iter().filter_map(|r| r["principalId"].as_str()).collect();
    holders.sort_unstable();
    assert_eq!(holders, sorted(&[&EVE, &crew]));
    let one = format!("{asked} and roleDefinitionId eq '{reader}'&$expand=roleDefinition($select=displayName)");
    let one = dana.eventual().get(&one).await.list();
    assert_eq!((one.len(), &one[0]["roleDefinition"]["displayName"]), (1, &json!("Reports Reader")));
    assert_eq!(dana.eventual().get(&format!("{path}/$count?$filter=principalId eq '{EVE}'")).await.text, "2");
    // Nobody is two people.
    assert!(dana.eventual().get(&format!("{asked} and principalId eq '{DANA}'")).await.list().is_empty());
    // Eve may see what she holds herself, and nothing of Dana's.
    assert_eq!(eve.eventual().get(&asked).await.list().len(), 2);
    assert!(eve.eventual().get(&asked.replace(&EVE.to_string(), &DANA.to_string())).await.list().is_empty());
    for odd in [dana.get(&asked).await, dana.eventual().get(&format!("{path}?$count=true")).await] {
        assert!(odd.refused().starts_with("400 Request_UnsupportedQuery"), "{}", odd.text);
    }
    assert_eq!(dana.get(&asked.replace("beta", "v1.0")).await.status, 400);

    let unit = format!("/v1.0/directory/administrativeUnits/{FINANCE}/scopedRoleMembers");
    let rows = dana.get(&unit).await.list();
    assert_eq!((&rows[0]["roleId"], &rows[0]["administrativeUnitId"]), (&json!(helpdesk), &json!(FINANCE)));
    assert_eq!(rows[0]["roleMemberInfo"], json!({"id": EVE, "displayName": "Eve Stranger"}));
    let one = dana.get(&format!("{unit}/{}", rows[0]["id"].as_str().unwrap())).await.is(200);
    assert_eq!(one["roleId"], json!(helpdesk));
    for path in
        [format!("/v1.0/users/{EVE}/scopedRoleMemberOf"), format!("/v1.0/directoryRoles/{helpdesk}/scopedMembers")]
    {
        assert_eq!(dana.get(&path).await.list(), rows, "{path}");
    }
    assert_eq!(eve.get("/v1.0/me/scopedRoleMemberOf").await.list(), rows);
    assert!(house.signed_in(ANA).await.get(&unit).await.list().is_empty());
}

#[tokio::test]
async fn what_nothing_is_kept_of_is_empty_and_never_left_out_unsaid() {
    let house = nested().await;
    let dana = house.signed_in(DANA).await;
    let chosen = dana.get(&format!("/v1.0/users/{EVE}?$select=id,CITY,proxyAddresses,manager")).await.is(200);
    assert_eq!(chosen["id"], EVE.to_string());
    assert_eq!((&chosen["city"], &chosen["proxyAddresses"]), (&Json::Null, &json!([])));
    let members = format!("/v1.0/groups/{TEAM}/members?$select=id,department&$orderby=id");
    for row in dana.get(&members).await.list() {
        // A group has no department, in Graph as here.
        assert_eq!(row.get("department").is_some(), row["@odata.type"] == "#microsoft.graph.user", "{row}");
    }
    for path in
        ["directReports", "ownedDevices", "registeredDevices/graph.device", "appRoleAssignments", "ownedObjects"]
    {
        assert_eq!(dana.get(&format!("/v1.0/users/{EVE}/{path}")).await.list(), Vec::<Json>::new(), "{path}");
    }
    for path in ["members/graph.orgContact", "members/graph.application", "appRoleAssignments"] {
        assert_eq!(dana.get(&format!("/v1.0/groups/{TEAM}/{path}")).await.list(), Vec::<Json>::new(), "{path}");
    }
    assert!(dana.get(&format!("/v1.0/users/{EVE}/manager")).await.refused().starts_with("404 "));
    assert!(dana.get(&format!("/v1.0/users/{EVE}/manager/$ref")).await.refused().starts_with("404 "));
    assert_eq!(dana.get(&format!("/v1.0/users/{EVE}?$expand=manager")).await.is(200)["manager"], Json::Null);
}

#[tokio::test]
async fn whatever_the_directory_shows_is_found_by_its_id() {
    let house = nested().await;
    let dana = house.signed_in(DANA).await;
    let by = async |body: Json| dana.post("/v1.0/directoryObjects/getByIds", body).await;
    let all = json!([EVE, TEAM, ROBOT, FINANCE, ROOT, APP, COMMAND_LINE.app, "00000000-0000-0000-0000-00000000dead"]);
    let found = by(json!({"ids": all})).await.list();
    let kinds: Vec<&str> = found.iter().filter_map(|row| row["@odata.type"].as_str()).collect();
    assert_eq!(ids(&found), sorted(&[&EVE, &TEAM, &ROBOT, &FINANCE, &ROOT, &APP, &COMMAND_LINE.app]));
    for kind in ["user", "group", "servicePrincipal", "administrativeUnit", "directoryRole", "application"] {
        assert!(kinds.contains(&format!("#microsoft.graph.{kind}").as_str()), "{kind}: {kinds:?}");
    }
    for row in &found {
        let one = dana.get(&format!("/v1.0/directoryObjects/{}", row["id"].as_str().expect("an id"))).await.is(200);
        assert_eq!((&one["id"], &one["@odata.type"]), (&row["id"], &row["@odata.type"]));
    }
    for (types, wanted) in [
        (json!(["USER"]), sorted(&[&EVE])),
        (json!(["group", "directoryRole"]), sorted(&[&TEAM, &ROOT])),
        (json!(["device", "orgContact"]), vec![]),
        (json!(["directoryObject"]), ids(&found)),
    ] {
        assert_eq!(ids(&by(json!({"ids": all, "types": types})).await.list()), wanted, "{types}");
    }
    let many: Vec<String> = (0..1001).map(|n| PrincipalId::from_u128(n).to_string()).collect();
    for (body, says) in [
        (json!({"ids": [EVE], "types": ["usr"]}), "Invalid resource type 'usr'"),
        (json!({"ids": ["eve"]}), "Invalid value specified for property 'ids' of resource 'DirectoryObject'."),
        (json!({"ids": many}), "At most 1000 ids"),
        (json!({"types": ["user"]}), "A value is required for property 'ids'."),
        (json!({"ids": EVE}), "it needs a list"),
    ] {
        let said = by(body).await.refused();
        assert!(said.starts_with("400 ") && said.contains(says), "{said}");
    }
    let unreadable = dana.post("/v1.0/me/checkMemberGroups", json!({"groupIds": ["security"]})).await.refused();
    assert!(unreadable.contains("Invalid value specified for property 'groupIds'"), "{unreadable}");
}

#[tokio::test]
async fn what_is_deleted_lies_in_no_bin() {
    let house = nested().await;
    let dana = house.signed_in(DANA).await;
    dana.delete(&format!("/v1.0/users/{EVE}")).await.is(204);
    for path in ["", "/microsoft.graph.user", "/graph.group?$count=true&$select=id,mail"] {
        assert_eq!(dana.get(&format!("/v1.0/directory/deletedItems{path}")).await.list(), Vec::<Json>::new(), "{path}");
    }
    assert!(dana.get(&format!("/v1.0/directory/deletedItems/{EVE}")).await.refused().starts_with("404 "));
    let restore = format!("/v1.0/directory/deletedItems/{EVE}/restore");
    assert!(dana.post(&restore, json!({})).await.refused().starts_with("404 "));
    let mistaken = dana.get("/v1.0/directory/deletedItems/graph.user?$filter=nope eq 1").await.refused();
    assert!(mistaken.contains("Could not find a property named 'nope'"), "{mistaken}");
}

#[tokio::test]
async fn one_of_what_a_link_leads_to_is_found_and_can_be_cast() {
    let house = nested().await;
    let dana = house.signed_in(DANA).await;
    let at = |path: &str| format!("/v1.0/{path}");
    let unit = format!("directory/administrativeUnits/{FINANCE}/members/{BEN}");
    for (path, id) in [
        (format!("groups/{TEAM}/members/{EVE}/graph.user"), EVE.to_string()),
        (unit.clone(), BEN.to_string()),
        (format!("{unit}/microsoft.graph.user"), BEN.to_string()),
        (format!("users/{BEN}/memberOf/{SECURITY}/graph.group"), SECURITY.to_string()),
    ] {
        assert_eq!(dana.get(&at(&path)).await.is(200)["id"], id, "{path}");
    }
    for path in [format!("{unit}/graph.group"), format!("groups/{TEAM}/members/{EVE}/graph.device")] {
        assert!(dana.get(&at(&path)).await.refused().starts_with("404 "), "{path}");
    }
    let inherited = format!("roleManagement/directory/roleDefinitions/{ROOT}/inheritsPermissionsFrom");
    for row in dana.get(&at(&inherited)).await.list() {
        let id = row["id"].as_str().expect("an id");
        assert_eq!(dana.get(&at(&format!("{inherited}/{id}"))).await.is(200)["id"], id);
    }
}

#[tokio::test]
async fn a_property_has_an_address_of_its_own() {
    let house = House::new().await;
    let eve = house.signed_in(EVE).await;
    let told = eve.get("/v1.0/me/displayName").await.is(200);
    assert_eq!(told["@odata.context"], format!("http://localhost/v1.0/$metadata#users('{EVE}')/displayName"));
    assert_eq!(told["value"], eve.get("/v1.0/me").await.is(200)["displayName"]);
    assert_eq!(eve.get("/v1.0/me/accountEnabled").await.is(200)["value"], true);
    eve.get("/v1.0/me/jobTitle").await.is(204);
    for path in ["/v1.0/me/displayName/$count", "/v1.0/me/displayName/x", "/v1.0/me/displayName?$top=1"] {
        assert!(eve.get(path).await.refused().starts_with("400 "), "{path}");
    }
}

#[tokio::test]
async fn a_patch_that_adds_to_a_group_adds_all_or_nobody() {
    let house = nested().await;
    let dana = house.signed_in(DANA).await;
    let link = |id: PrincipalId| format!("https://graph.example/v1.0/directoryObjects/{id}");
    let path = format!("/v1.0/groups/{TEAM}");
    let members = || async { ids(&dana.get(&format!("{path}/members")).await.list()) };
    let before = (members().await, house.engine.head());
    // Carla is no member yet; Eve is.
    let some = json!({"displayName": "Renamed", "members@odata.bind": [link(CARLA), link(EVE)]});
    let refused = dana.patch(&path, some).await.refused();
    assert!(refused.starts_with("400 Request_BadRequest: "), "{refused}");
    assert!((members().await, house.engine.head()) == before, "nothing of it was made");
    let all = json!({"displayName": "Renamed", "members@odata.bind": [link(CARLA), link(ANA)], "owners@odata.bind": [link(EVE)]});
    dana.patch(&path, all).await.is(204);
    assert_eq!(members().await.len(), before.0.len() + 2);
    assert_eq!(dana.get(&path).await.is(200)["displayName"], "Renamed");
    let many = json!({"members@odata.bind": vec![link(BEN); 21]});
    assert!(dana.patch(&path, many).await.refused().contains("At most 20"));
}

#[tokio::test]
async fn a_version_is_read_in_every_spelling_that_scripts_have() {
    let house = House::new().await;
    let ana = house.signed_in(ANA).await;
    for root in ["/v1.0", "/V1.0", "//v1.0", "/beta", "/Beta", "/BETA", "//beta", "//Beta"] {
        assert_eq!(ana.get(&format!("{root}/me")).await.is(200)["id"], json!(ANA), "{root}");
        // Links lead to the one spelling.
        let first = ana.get(&format!("{root}/users?$top=1")).await.is(200);
        let version = root.trim_start_matches('/').to_ascii_lowercase();
        let next = first["@odata.nextLink"].as_str().expect("a link");
        assert!(next.starts_with(&format!("http://localhost/{version}/users?")), "{next}");
        assert_eq!(ana.get(next.strip_prefix("http://localhost").expect("here")).await.status, 200, "{next}");
    }
    assert_eq!(ana.get("/v2.0/me").await.status, 404);
    // A stranger learns nothing there either.
    assert_eq!(house.client(None).get("//Beta/me").await.status, 401);
}

#[tokio::test]
async fn the_organisation_has_the_domains_that_its_users_names_are_in() {
    let house = House::new().await;
    let dana = house.signed_in(DANA).await;
    let domains = async || -> Vec<String> {
        let found = dana.get("/v1.0/organization").await.list();
        let each = found[0]["verifiedDomains"].as_array().expect("a list");
        each.iter().map(|d| d["name"].as_str().expect("a name").to_owned()).collect()
    };
    assert_eq!(domains().await, ["northwind.example"]);
    let rename = async |upn: &str| {
        dana.patch(&format!("/v1.0/users/{EVE}"), json!({"userPrincipalName": upn})).await.is(204);
        domains().await
    };
    assert_eq!(rename("eve@Fabrikam.example").await, ["fabrikam.example", "northwind.example"]);
    assert_eq!(rename("eve2@fabrikam.example").await, ["fabrikam.example", "northwind.example"]);
    dana.patch(&format!("/v1.0/users/{BEN}"), json!({"userPrincipalName": "ben@fabrikam.example"})).await.is(204);
    assert_eq!(rename("eve@northwind.example").await, ["fabrikam.example", "northwind.example"]);
    dana.delete(&format!("/v1.0/users/{BEN}")).await.is(204);
    assert_eq!(domains().await, ["northwind.example"]);
}
