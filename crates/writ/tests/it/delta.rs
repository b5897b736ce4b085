//! Following users and groups by delta: a mirror that applies what it is told has in the end what is there, whatever
//! happened while it read, and is told nothing twice.

use crate::house::{ANA, BEN, CARLA, Client, DANA, EVE, House, SECURITY, user};
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};
use writ_core::command::Command;
use writ_core::ids::PrincipalId;

/// What a client that applies what it is told has.
#[derive(Default)]
struct Mirror {
    objects: BTreeMap<String, Json>,
    members: BTreeSet<(String, String)>,
    /// Rows told: objects and memberships.
    told: usize,
    link: String,
}

fn local(link: &Json) -> String {
    link.as_str().expect("a link").trim_start_matches("http://localhost").to_owned()
}

impl Mirror {
    fn at(path: &str) -> Mirror {
        Mirror { link: path.to_owned(), ..Mirror::default() }
    }

    /// Reads one page; false when it was the last of the round.
    async fn page(&mut self, client: &Client) -> bool {
        let page = client.get(&self.link).await.is(200);
        for row in page["value"].as_array().expect("a list") {
            self.told += 1;
            let id = row["id"].as_str().expect("an id").to_owned();
            if row["@removed"].is_object() {
                self.objects.remove(&id);
                self.members.retain(|(group, _)| *group != id);
                continue;
            }
            for member in row["members@delta"].as_array().into_iter().flatten() {
                self.told += 1;
                let key = (id.clone(), member["id"].as_str().expect("an id").to_owned());
                if member["@removed"].is_object() {
                    self.members.remove(&key)
                } else {
                    self.members.insert(key)
                };
            }
            self.objects.insert(id, row["displayName"].clone());
        }
        let more = page["@odata.nextLink"].is_string();
        self.link = local(&page[if more { "@odata.nextLink" } else { "@odata.deltaLink" }]);
        assert!(page["@odata.nextLink"].is_string() != page["@odata.deltaLink"].is_string(), "{page}");
        more
    }

    async fn round(&mut self, client: &Client) -> usize {
        let before = self.told;
        let mut pages = 0;
        while self.page(client).await {
            pages += 1;
            assert!(pages < 200, "a round ends");
        }
        self.told - before
    }
}

/// What is there: names by id, of users or of groups.
fn there(house: &House, users: bool) -> BTreeMap<String, Json> {
    let state = house.engine.state();
    let of = state.principals.values().filter(|p| if users { p.user().is_some() } else { p.group().is_some() });
    of.map(|p| (p.id.to_string(), json!(p.name.shown()))).collect()
}

fn memberships(house: &House) -> BTreeSet<(String, String)> {
    let state = house.engine.state();
    let groups = state.principals.values().filter_map(|p| p.group().map(|g| (p.id, g)));
    groups.flat_map(|(id, g)| g.members.iter().map(move |m| (id.to_string(), m.to_string()))).collect()
}

fn person(n: u128) -> PrincipalId {
    PrincipalId::from_u128(0x1000 + n)
}

async fn add(house: &House, n: u128) {
    let new = user(person(n), &format!("Person {n}"), &format!("p{n}@northwind.example"));
    house.does(DANA, Command::CreateUser(new)).await;
}

async fn rename(house: &House, id: PrincipalId, name: &str) {
    let name = Some(name.to_owned());
    house.does(DANA, Command::UpdateUser { user: id, name, upn: None, enabled: None, person: None }).await;
}

#[tokio::test]
async fn a_mirror_that_follows_users_misses_nothing_and_is_told_nothing_twice() {
    let house = House::new().await;
    let dana = house.signed_in(DANA).await;
    for n in 0..20 {
        add(&house, n).await;
    }
    house.does(DANA, Command::DeletePrincipal { principal: person(19) }).await;
    let mut mirror = Mirror::at("/v1.0/users/delta?$top=4&$select=displayName");
    // Between pages: a change to somebody told already, one to somebody not told yet, a removal of each, a newcomer.
    mirror.page(&dana).await;
    let told = PrincipalId(mirror.objects.keys().next().unwrap().parse().unwrap());
    assert!(told != DANA);
    mirror.page(&dana).await;
    rename(&house, person(1), "Told And Renamed").await;
    rename(&house, person(17), "Renamed Before Told").await;
    house.does(DANA, Command::DeletePrincipal { principal: person(0) }).await;
    house.does(DANA, Command::DeletePrincipal { principal: person(18) }).await;
    add(&house, 30).await;
    mirror.round(&dana).await;
    assert_eq!(mirror.objects, there(&house, true));
    assert!(!mirror.objects.contains_key(&person(19).to_string()));

    // Nothing happened: nothing is told, and the link stands as before.
    assert_eq!(mirror.round(&dana).await, 0);
    // What is no change of a user is none here.
    house.eligible(EVE, crate::house::ROOT).await;
    assert_eq!(mirror.round(&dana).await, 0);
    rename(&house, person(2), "Once").await;
    rename(&house, person(2), "Twice").await;
    house.does(DANA, Command::DeletePrincipal { principal: person(3) }).await;
    assert_eq!(mirror.round(&dana).await, 2);
    assert_eq!(mirror.objects, there(&house, true));
}

#[tokio::test]
async fn groups_are_followed_down_to_the_single_member() {
    let house = House::new().await;
    let dana = house.signed_in(DANA).await;
    for n in 0..12 {
        add(&house, n).await;
    }
    let big = PrincipalId::from_u128(0x70);
    let create = |group, members| Command::CreateGroup {
        group,
        name: "Big".into(),
        description: String::new(),
        role_assignable: false,
        owners: vec![DANA],
        members,
    };
    house.does(DANA, create(big, (0..10).map(person).collect())).await;
    let mut mirror = Mirror::at("/v1.0/groups/delta?$select=displayName,members&$top=3");
    mirror.page(&dana).await;
    house.does(DANA, Command::RemoveMember { group: big, member: person(0) }).await;
    house.does(DANA, Command::RemoveMember { group: big, member: person(9) }).await;
    house.does(DANA, Command::AddMember { group: big, member: person(11) }).await;
    mirror.round(&dana).await;
    assert_eq!((&mirror.objects, &mirror.members), (&there(&house, false), &memberships(&house)));

    house.does(DANA, Command::AddMember { group: SECURITY, member: EVE }).await;
    house.does(DANA, Command::DeletePrincipal { principal: person(5) }).await;
    let reply = dana.get(&mirror.link).await.is(200);
    let security = reply["value"].as_array().unwrap().iter().find(|g| g["id"] == json!(SECURITY)).unwrap();
    assert_eq!(security["members@delta"], json!([{"@odata.type": "#microsoft.graph.user", "id": EVE}]));
    // A page of three rows: one added, one who left with the account; each group with its name again.
    assert_eq!(mirror.round(&dana).await, 4);
    assert_eq!((&mirror.objects, &mirror.members), (&there(&house, false), &memberships(&house)));

    house.does(DANA, Command::DeletePrincipal { principal: big }).await;
    assert_eq!(mirror.round(&dana).await, 1);
    assert_eq!((&mirror.objects, &mirror.members), (&there(&house, false), &memberships(&house)));

    // Members come along when nothing is selected; not when something else is.
    let all = dana.get("/v1.0/groups/delta()").await.list();
    assert_eq!(all[0]["members@delta"].as_array().unwrap().len(), 3);
    let names = dana.get("/v1.0/groups/microsoft.graph.delta()?$select=displayName").await.list();
    assert_eq!(names[0], json!({"id": SECURITY, "displayName": "Security"}));
    let owners = dana.get("/v1.0/groups/delta?$select=owners").await.list();
    assert_eq!(owners[0]["owners@delta"][0]["id"], json!(DANA));
}

#[tokio::test]
async fn a_story_of_a_user_and_a_group_is_told_one_change_at_a_time() {
    let house = House::new().await;
    let dana = house.signed_in(DANA).await;
    let latest = async |path: &str| local(&dana.get(path).await.is(200)["@odata.deltaLink"]);
    let mut users = latest("/v1.0/users/delta?$deltatoken=latest&$select=displayName,accountEnabled,department").await;
    let mut groups = latest("/v1.0/groups/delta?$deltaToken=latest&$select=displayName,members,owners").await;
    let mut told = Vec::new();
    for step in 0..9 {
        let who = person(1);
        let change = |name: Option<&str>, enabled| Command::UpdateUser {
            user: who,
            name: name.map(str::to_owned),
            upn: None,
            enabled,
            person: None,
        };
        let happens = match step {
            1 => Some(change(Some("Renamed"), None)),
            2 => Some(change(None, Some(false))),
            3 => Some(Command::AddMember { group: SECURITY, member: who }),
            4 => Some(Command::AddOwner { group: SECURITY, owner: EVE }),
            5 => Some(Command::RemoveOwner { group: SECURITY, owner: EVE }),
            6 => Some(Command::RemoveMember { group: SECURITY, member: who }),
            7 => Some(Command::DeletePrincipal { principal: who }),
            _ => None,
        };
        match happens {
            Some(command) => drop(house.does(DANA, command).await),
            None if step == 0 => add(&house, 1).await,
            None => {}
        }
        for (link, kind) in [(&mut users, "user"), (&mut groups, "group")] {
            let page = dana.get(link).await.is(200);
            *link = local(&page["@odata.deltaLink"]);
            let rows = page["value"].as_array().expect("rows").iter().map(|row| {
                let mut row = row.clone();
                let id = row.as_object_mut().and_then(|row| row.remove("id")).expect("an id");
                assert!(id == json!(who) || id == json!(SECURITY), "{id}");
                row.to_string().replace(&who.to_string(), "WHO").replace(&EVE.to_string(), "EVE")
            });
            told.extend(rows.map(|row| format!("{step} {kind} {row}")));
        }
    }
    insta::assert_snapshot!(told.join("\n"), @r##"
    0 user {"accountEnabled":true,"department":null,"displayName":"Person 1"}
    1 user {"accountEnabled":true,"department":null,"displayName":"Renamed"}
    2 user {"accountEnabled":false,"department":null,"displayName":"Renamed"}
    3 group {"displayName":"Security","members@delta":[{"@odata.type":"#microsoft.graph.user","id":"WHO"}]}
    4 group {"displayName":"Security","owners@delta":[{"@odata.type":"#microsoft.graph.user","id":"EVE"}]}
    5 group {"displayName":"Security","owners@delta":[{"@odata.type":"#microsoft.graph.user","@removed":{"reason":"deleted"},"id":"EVE"}]}
    6 group {"displayName":"Security","members@delta":[{"@odata.type":"#microsoft.graph.user","@removed":{"reason":"deleted"},"id":"WHO"}]}
    7 user {"@removed":{"reason":"deleted"}}
    "##);
}

#[tokio::test]
async fn a_delta_token_is_its_callers_and_for_its_query() {
    let house = House::new().await;
    let (dana, eve) = (house.signed_in(DANA).await, house.signed_in(EVE).await);
    let latest = dana.get("/v1.0/users/delta?$deltatoken=latest&$select=displayName").await.is(200);
    assert_eq!(latest["value"], json!([]));
    let link = local(&latest["@odata.deltaLink"]);
    rename(&house, ANA, "Ana Neu").await;
    assert_eq!(dana.get(&link).await.list(), [json!({"id": ANA, "displayName": "Ana Neu"})]);
    let refused = eve.get(&link).await.refused();
    assert!(refused.starts_with("400 BadRequest: Badly formed token"), "{refused}");
    for other in [
        link.replace("users", "groups"),
        link.replace("displayName", "id"),
        link.replace("deltatoken=W", "deltatoken=X"),
        format!("{link}x"),
    ] {
        assert!(dana.get(&other).await.refused().starts_with("400"), "{other}");
    }
    let only = format!("/v1.0/users/delta?$filter=id eq '{BEN}' or id eq '{CARLA}'");
    assert_eq!(dana.get(&only).await.list().len(), 2);
    for odd in [
        "$filter=displayName eq 'x'",
        "$filter=manager/id eq 'x'",
        "$orderby=displayName",
        "$filter=id eq 'x' and displayName eq 'x'",
        "$count=true",
        "$expand=memberOf",
    ] {
        let refused = dana.get(&format!("/v1.0/users/delta?{odd}")).await.refused();
        assert!(refused.starts_with("400 Request_UnsupportedQuery"), "{refused}");
    }
}

#[tokio::test]
async fn after_a_restore_to_an_older_log_a_token_of_the_newer_one_is_gone() {
    // The same house on two logs: the one that was lost was longer.
    let (lost, restored) = (House::new().await, House::new().await);
    let link = {
        rename(&lost, ANA, "Ana Neu").await;
        rename(&lost, ANA, "Ana Alt").await;
        let dana = lost.signed_in(DANA).await;
        let page = dana.get("/v1.0/users/delta?$deltatoken=latest").await.is(200);
        assert!(dana.get(&local(&page["@odata.deltaLink"])).await.list().is_empty());
        local(&page["@odata.deltaLink"])
    };
    let dana = restored.signed_in(DANA).await;
    let gone = dana.get(&link).await.refused();
    assert!(gone.starts_with("410 syncStateNotFound: "), "{gone}");
    // The restore goes on record, and the log grows past where the old one was: what the token has missed is not known.
    let console = writ_core::command::Caller::console(writ::engine::fresh_id());
    restored.engine.submit(Command::RaiseEpoch, console).await.expect("root at the console may");
    for n in 0..9 {
        rename(&restored, BEN, &format!("Ben {n}")).await;
    }
    let gone = dana.get(&link).await.refused();
    assert!(gone.starts_with("410 syncStateNotFound: "), "{gone}");
    let mut mirror = Mirror::at("/v1.0/users/delta");
    mirror.round(&dana).await;
    assert_eq!(mirror.objects, there(&restored, true), "beginning anew gives everything");
}
