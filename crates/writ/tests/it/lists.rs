//! Lists, page by page, through every index: a filter gives what a naive reading of the unfiltered list gives, in every
//! order; rows that are there throughout come exactly once while others come and go; numbers are the lengths.
//!
//! Always: what is right is worked out here from the rows of the plain list, never by the server's own filter.

use crate::house::*;
use proptest::prelude::*;
use serde_json::Value as Json;
use std::collections::BTreeMap;
use writ::engine::fresh_id;
use writ_core::command::{Caller, Command, Expiration, Proof, Sort, Terms, TicketGiven, Via};
use writ_core::ids::{PrincipalId, RoleId, UnitId};
use writ_core::role;
use writ_core::scope::{Scope, Target};
use writ_core::time::{Span, Time};

const CUSTOM: RoleId = RoleId::from_u128(0xc057);
const SALES: UnitId = UnitId::from_u128(0xf2);
const FIRST: &[&str] = &["Ana", "ana", "Ann", "Ben", "Zoë", "de Boer", "O'Hara"];
const LAST: &[&str] = &["Silva", "ANA", "de Boer", "(ext)", "Ng", "Zed-Ana"];

pub(crate) fn built_in(name: &str) -> RoleId {
    role::built_in().iter().find(|r| r.name == name).expect("a built-in role").id
}

fn roles() -> [RoleId; 4] {
    [built_in("User Administrator"), built_in("Groups Administrator"), built_in("Reports Reader"), CUSTOM]
}

fn somebody(n: u128) -> PrincipalId {
    PrincipalId::from_u128(0x1000 + n * 0x1_0001)
}

/// Does what is allowed, as Dana.
pub(crate) async fn tries(house: &House, command: Command) -> bool {
    let now = Some(house.engine.now());
    let proof = Proof { signed_in: now, mfa: now, ..Proof::default() };
    house.engine.submit(command, Caller::signed_in(fresh_id(), DANA, Via::Api, proof)).await.is_ok()
}

pub(crate) fn gives(sort: Sort, principal: PrincipalId, target: Target, start: Option<Time>) -> Command {
    let (reason, ticket) = (Some("lists".into()), TicketGiven::default());
    Command::Assign {
        sort,
        terms: Terms { principal, target, start, expiration: Expiration::For(Span::from_days(20)), reason, ticket },
    }
}

/// Forty people with names that begin alike, some disabled; three roles and one that is switched off; two units; held
/// now and later, directly and by a group.
async fn populated() -> House {
    let house = House::unmetered().await;
    let unit = Command::CreateUnit { unit: SALES, name: "Sales".into(), description: String::new() };
    assert!(tries(&house, unit).await);
    let custom = Command::CreateRole {
        role: CUSTOM,
        name: "Custom".into(),
        description: String::new(),
        actions: vec!["microsoft.directory/users/basic/update".into()],
        enabled: true,
        version: None,
    };
    assert!(tries(&house, custom).await);
    for n in 0..40u128 {
        let name = format!("{} {}", FIRST[n as usize % FIRST.len()], LAST[n as usize % LAST.len()]);
        let made = Command::CreateUser(user(somebody(n), &name, &format!("p{n}@northwind.example")));
        assert!(tries(&house, made).await);
    }
    for n in 0..6u128 {
        let group = Command::CreateGroup {
            group: PrincipalId::from_u128(0x9000 + n),
            name: format!("{} group", FIRST[n as usize]),
            description: String::new(),
            role_assignable: n % 2 == 0,
            owners: vec![],
            members: if n == 0 { vec![somebody(1), EVE] } else { vec![] },
        };
        assert!(tries(&house, group).await);
    }
    let later = Some(house.engine.now() + Span::from_hours(30));
    for n in 0..120u128 {
        let role = roles()[(n / 3 % 4) as usize];
        let scope = [Scope::Tenant, Scope::Unit(FINANCE), Scope::Unit(SALES)][(n % 3) as usize];
        let (who, start) = (somebody(n * 7 % 40), later.filter(|_| n % 9 == 0));
        let sort = if n % 5 == 0 { Sort::Assignment } else { Sort::Eligibility };
        tries(&house, gives(sort, who, Target::role(role, scope), start)).await;
    }
    for group in [0x9000, 0x9002] {
        let target = Target::role(built_in("Reports Reader"), Scope::Tenant);
        assert!(tries(&house, gives(Sort::Eligibility, PrincipalId::from_u128(group), target, None)).await);
    }
    for n in [3, 8, 21] {
        let (user, none) = (somebody(n), None);
        let off = Command::UpdateUser { user, name: None, upn: None, enabled: Some(false), person: none };
        assert!(tries(&house, off).await);
    }
    let off = Command::UpdateRole {
        role: CUSTOM,
        name: None,
        description: None,
        actions: None,
        enabled: Some(false),
        version: None,
    };
    assert!(tries(&house, off).await);
    house
}

struct List {
    path: &'static str,
    /// What may be filtered by with `eq`, `ne` and `in`.
    exact: &'static [&'static str],
    /// What may be filtered by with `startswith`.
    text: &'static [&'static str],
    /// What may be filtered by with `ge` and `le`.
    times: &'static [&'static str],
    orders: &'static [&'static str],
    searched: bool,
}

const HELD: [&str; 6] = ["id", "principalId", "roleDefinitionId", "directoryScopeId", "memberType", "appScopeId"];
const REQUESTED: &[&str] = &[
    "id",
    "principalId",
    "roleDefinitionId",
    "directoryScopeId",
    "status",
    "action",
    "targetScheduleId",
    "appScopeId",
    "isValidationOnly",
];

/// What everything held may be filtered by, and more.
macro_rules! held {
    ($($more:literal),+) => {
        &[HELD[0], HELD[1], HELD[2], HELD[3], HELD[4], HELD[5], $($more),+]
    };
}
const LISTS: &[List] = &[
    List {
        path: "/v1.0/users",
        exact: &["id", "displayName", "userPrincipalName", "mail"],
        text: &["displayName", "userPrincipalName"],
        times: &[],
        orders: &["displayName", "displayName desc", "userPrincipalName desc", "displayName,userPrincipalName desc"],
        searched: true,
    },
    List {
        path: "/v1.0/groups",
        exact: &["id", "displayName", "isAssignableToRole"],
        text: &["displayName"],
        times: &["createdDateTime"],
        orders: &["displayName", "createdDateTime desc,displayName"],
        searched: true,
    },
    List {
        path: "/v1.0/roleManagement/directory/roleEligibilityScheduleInstances",
        exact: held!["roleEligibilityScheduleId"],
        text: &[],
        times: &["startDateTime", "endDateTime"],
        orders: &["startDateTime desc", "roleDefinitionId,principalId desc", "roleDefinitionId"],
        searched: false,
    },
    List {
        path: "/v1.0/roleManagement/directory/roleEligibilitySchedules",
        exact: held!["status"],
        text: &["status"],
        times: &["createdDateTime"],
        orders: &["createdDateTime", "id", "roleDefinitionId,id"],
        searched: false,
    },
    List {
        path: "/v1.0/roleManagement/directory/roleAssignmentScheduleInstances",
        exact: held!["assignmentType", "roleAssignmentScheduleId", "roleAssignmentOriginId"],
        text: &["assignmentType"],
        times: &["startDateTime", "endDateTime"],
        orders: &["principalId", "endDateTime desc"],
        searched: false,
    },
    List {
        path: "/v1.0/roleManagement/directory/roleAssignmentSchedules",
        exact: held!["status", "assignmentType"],
        text: &["status"],
        times: &["createdDateTime"],
        orders: &["createdDateTime desc"],
        searched: false,
    },
    List {
        path: "/v1.0/roleManagement/directory/roleEligibilityScheduleRequests",
        exact: REQUESTED,
        text: &["status"],
        times: &["createdDateTime", "completedDateTime"],
        orders: &["createdDateTime desc", "status,createdDateTime"],
        searched: false,
    },
    List {
        path: "/v1.0/roleManagement/directory/roleAssignmentScheduleRequests",
        exact: REQUESTED,
        text: &["status"],
        times: &["createdDateTime"],
        orders: &["createdDateTime"],
        searched: false,
    },
];

/// A condition, built beside what it means.
#[derive(Clone, Debug)]
enum Cond {
    Is(&'static str, Json, bool),
    In(&'static str, Vec<Json>),
    Starts(&'static str, String),
    /// At this moment or later; or at this moment or earlier.
    Since(&'static str, Json, bool),
    And(Box<Cond>, Box<Cond>),
    Or(Box<Cond>, Box<Cond>),
    Not(Box<Cond>),
}

/// Numbers to choose by.
struct Dice<'a>(std::slice::Iter<'a, u16>);

impl Dice<'_> {
    fn roll(&mut self, below: usize) -> usize {
        usize::from(self.0.next().copied().unwrap_or_default()) % below.max(1)
    }
}

impl Cond {
    fn roll(dice: &mut Dice, list: &List, rows: &[Json], deep: usize) -> Cond {
        let value = |dice: &mut Dice, property: &str| match dice.roll(8) {
            0 if !property.starts_with("is") && !property.ends_with("DateTime") => {
                Json::from("11111111-2222-3333-4444-555555555555")
            }
            _ if rows.is_empty() => Json::Null,
            _ => rows[dice.roll(rows.len())][property].clone(),
        };
        match if deep == 0 { dice.roll(6) } else { dice.roll(10) } {
            0..=2 => {
                let property = list.exact[dice.roll(list.exact.len())];
                Cond::Is(property, value(dice, property), dice.roll(6) > 0)
            }
            3 => {
                let property = list.exact[dice.roll(list.exact.len())];
                Cond::In(property, (0..1 + dice.roll(3)).map(|_| value(dice, property)).collect())
            }
            4 => {
                let property = list.text.get(dice.roll(list.text.len())).copied().unwrap_or("principalId");
                let text = value(dice, property).as_str().unwrap_or_default().to_owned();
                Cond::Starts(property, text.chars().take(1 + dice.roll(5)).collect())
            }
            5 => {
                let property = list.times.get(dice.roll(list.times.len())).copied().unwrap_or("id");
                match value(dice, property) {
                    at if list.times.is_empty() || at.is_null() => Cond::Is(property, at, true),
                    at => Cond::Since(property, at, dice.roll(2) == 0),
                }
            }
            6 | 7 => Cond::And(
                Box::new(Cond::roll(dice, list, rows, deep - 1)),
                Box::new(Cond::roll(dice, list, rows, deep - 1)),
            ),
            8 => Cond::Or(
                Box::new(Cond::roll(dice, list, rows, deep - 1)),
                Box::new(Cond::roll(dice, list, rows, deep - 1)),
            ),
            _ => Cond::Not(Box::new(Cond::roll(dice, list, rows, deep - 1))),
        }
    }

    fn text(&self) -> String {
        // GUIDs in upper case are the same GUIDs; a blank and a quote are escaped as clients do.
        let literal = |value: &Json| match value {
            Json::String(text) if text.len() == 36 && text.parse::<uuid::Uuid>().is_ok() => {
                format!("'{}'", text.to_uppercase())
            }
            Json::String(text) => format!("'{}'", text.replace('\'', "''")),
            other => other.to_string(),
        };
        match self {
            Cond::Is(property, value, true) => format!("{property} eq {}", literal(value)),
            Cond::Is(property, value, false) => format!("{property} ne {}", literal(value)),
            Cond::In(property, values) => {
                format!("{property} in ({})", values.iter().map(literal).collect::<Vec<_>>().join(","))
            }
            Cond::Starts(property, text) => format!("startswith({property},'{}')", text.replace('\'', "''")),
            Cond::Since(property, at, true) => format!("{property} ge {}", at.as_str().unwrap_or_default()),
            Cond::Since(property, at, false) => format!("{property} le {}", at.as_str().unwrap_or_default()),
            Cond::And(a, b) => format!("({}) and ({})", a.text(), b.text()),
            Cond::Or(a, b) => format!("({}) or ({})", a.text(), b.text()),
            Cond::Not(a) => format!("not ({})", a.text()),
        }
    }

    fn means(&self, row: &Json) -> bool {
        let lower = |value: &Json| match value {
            Json::String(text) => Json::from(text.to_lowercase()),
            other => other.clone(),
        };
        match self {
            Cond::Is(property, value, yes) => (lower(&row[*property]) == lower(value)) == *yes,
            Cond::In(property, values) => values.iter().any(|value| lower(&row[*property]) == lower(value)),
            Cond::Starts(property, text) => {
                row[*property].as_str().is_some_and(|v| v.to_lowercase().starts_with(&text.to_lowercase()))
            }
            // Both are written alike, so the earlier text is the earlier moment.
            Cond::Since(property, at, later) => match (row[*property].as_str(), at.as_str()) {
                (Some(own), Some(at)) => {
                    if *later {
                        own >= at
                    } else {
                        own <= at
                    }
                }
                _ => false,
            },
            Cond::And(a, b) => a.means(row) && b.means(row),
            Cond::Or(a, b) => a.means(row) || b.means(row),
            Cond::Not(a) => !a.means(row),
        }
    }
}

/// `$search`'s meaning: a word of the name begins so.
fn word_begins(name: &str, word: &str) -> bool {
    let name = name.to_lowercase();
    let starts =
        std::iter::once(0).chain(name.match_indices(|c: char| !c.is_alphanumeric()).map(|(at, c)| at + c.len()));
    starts.filter_map(|at| name.get(at..)).any(|rest| {
        rest.starts_with(&word.to_lowercase()) && (rest.len() == name.len() || rest.starts_with(char::is_alphanumeric))
    })
}

fn escaped(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// Every row, page by page, with the number that the first page told.
pub(crate) async fn walk(client: &Client, path: &str, options: &str) -> (Vec<Json>, Option<u64>) {
    let (mut rows, mut count, mut at) = (Vec::new(), None, format!("{path}?{options}"));
    for page in 0.. {
        assert!(page < 1_000, "{path}?{options} has no end");
        let answer = client.get(&at).await.is(200);
        count = count.or(answer["@odata.count"].as_u64());
        rows.extend(answer["value"].as_array().expect("a list").iter().cloned());
        let Some(next) = answer["@odata.nextLink"].as_str() else { break };
        at = next.strip_prefix("http://localhost").expect("an absolute link").to_owned();
    }
    (rows, count)
}

pub(crate) fn id(row: &Json) -> String {
    row["id"].as_str().expect("every row has an id").to_owned()
}

pub(crate) fn ids(rows: &[Json]) -> Vec<String> {
    let mut ids: Vec<String> = rows.iter().map(id).collect();
    ids.sort();
    ids
}

/// The rows' properties that an order names, nulls first and case aside, each after the one before.
fn is_ordered(rows: &[Json], order: &str) -> bool {
    let keys: Vec<(&str, bool)> =
        order.split(',').map(|key| key.strip_suffix(" desc").map_or((key, false), |key| (key, true))).collect();
    rows.windows(2).all(|two| {
        for (key, descending) in &keys {
            let text = |row: &Json| row[*key].as_str().map(str::to_lowercase);
            let ordering = text(&two[0]).cmp(&text(&two[1]));
            match if *descending { ordering.reverse() } else { ordering } {
                std::cmp::Ordering::Less => return true,
                std::cmp::Ordering::Equal => {}
                std::cmp::Ordering::Greater => return false,
            }
        }
        true
    })
}

#[test]
fn a_filter_gives_what_a_naive_reading_gives_through_every_index_and_in_every_order() {
    let runtime = tokio::runtime::Runtime::new().expect("threads");
    let (house, clients) = runtime.block_on(async {
        let house = populated().await;
        // Dana sees everything; Eve and another member of a group that may ask for a role see their own.
        let clients = [
            house.signed_in(DANA).await.eventual(),
            house.signed_in(EVE).await.eventual(),
            house.signed_in(somebody(1)).await.eventual(),
        ];
        (house, clients)
    });
    let mut plain: BTreeMap<(usize, &str), Vec<Json>> = BTreeMap::new();
    for (n, client) in clients.iter().enumerate() {
        for list in LISTS {
            plain.insert((n, list.path), runtime.block_on(walk(client, list.path, "$top=999")).0);
        }
    }
    for list in LISTS {
        assert!(plain[&(0, list.path)].len() > 4, "{}: a list with nothing in it proves nothing", list.path);
    }
    assert_eq!(plain[&(1, LISTS[2].path)].len(), 1, "Eve sees what her group may ask for");
    for list in &LISTS[2..6] {
        let own = [somebody(1), PrincipalId::from_u128(0x9000)].map(|id| id.to_string());
        let mut all = plain[&(0, list.path)].clone();
        all.retain(|row| own.iter().any(|id| row["principalId"] == **id));
        assert_eq!(ids(&plain[&(2, list.path)]), ids(&all), "{}: one's own, and one's groups'", list.path);
    }

    let config = ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(dice in proptest::collection::vec(any::<u16>(), 40), who in 0usize..3, at in 0..LISTS.len())| {
        let (list, mut dice) = (&LISTS[at], Dice(dice.iter()));
        let rows = &plain[&(who, list.path)];
        let mut options = format!("$top={}", 1 + dice.roll(9));
        let counted = dice.roll(3) == 0;
        if counted {
            options += "&$count=true";
        }
        let order = list.orders.get(dice.roll(list.orders.len() * 2)).copied();
        if let Some(order) = order {
            options += &format!("&%24orderby={}", escaped(order));
        }
        let mut wanted: Vec<Json> = rows.clone();
        if list.searched && dice.roll(3) == 0 {
            let word: String = LAST[dice.roll(LAST.len())].chars().filter(|c| *c != '(').take(1 + dice.roll(4)).collect();
            options += &format!("&$search={}", escaped(&format!("\"displayName:{word}\"")));
            wanted.retain(|row| word_begins(row["displayName"].as_str().unwrap_or_default(), &word));
        }
        if dice.roll(6) > 0 {
            let cond = Cond::roll(&mut dice, list, rows, 2);
            options += &format!("&$filter={}", escaped(&cond.text()));
            wanted.retain(|row| cond.means(row));
        }
        let (found, count) = runtime.block_on(walk(&clients[who], list.path, &options));
        prop_assert_eq!(ids(&found), ids(&wanted), "{}?{}", list.path, &options);
        prop_assert_eq!(count, counted.then_some(wanted.len() as u64), "{}?{}", list.path, &options);
        if let Some(order) = order {
            prop_assert!(is_ordered(&found, order), "{}?{}", list.path, &options);
        }
        // The bare number is the same, whichever page is asked for.
        if order.is_none() && !options.contains("$search") {
            let filter = options.split_once("&$filter=").map(|(_, f)| format!("?$filter={f}")).unwrap_or_default();
            let number = runtime.block_on(clients[who].get(&format!("{}/$count{filter}", list.path)));
            prop_assert_eq!(&number.text, &wanted.len().to_string(), "{}/$count{}", list.path, &filter);
        }
    });
    drop(house);
}

/// Every way a list is gone through: by each index, and by sorting.
const WAYS: &[(&str, &str)] = &[
    ("/v1.0/users", ""),
    ("/v1.0/users", "&$filter=startswith(displayName,'an')"),
    ("/v1.0/users", "&$search=\"displayName:ana\""),
    ("/v1.0/users", "&$orderby=userPrincipalName desc"),
    ("/v1.0/users", "&$orderby=displayName desc&$count=true"),
    ("/v1.0/roleManagement/directory/roleEligibilitySchedules", ""),
    ("/v1.0/roleManagement/directory/roleEligibilitySchedules", "&$filter=directoryScopeId eq '/'"),
    ("/v1.0/roleManagement/directory/roleEligibilityScheduleInstances", "&$filter=directoryScopeId eq '/'"),
    ("/v1.0/roleManagement/directory/roleEligibilitySchedules", "&$filter=roleDefinitionId eq 'ROLE'"),
    ("/v1.0/roleManagement/directory/roleEligibilityScheduleInstances", "&$filter=roleDefinitionId eq 'ROLE'"),
    (
        "/v1.0/roleManagement/directory/roleEligibilitySchedules",
        "&$filter=roleDefinitionId eq 'ROLE' and directoryScopeId eq '/'",
    ),
    ("/v1.0/roleManagement/directory/roleEligibilitySchedules", "&$orderby=principalId desc,createdDateTime"),
    (
        "/v1.0/roleManagement/directory/roleEligibilitySchedules",
        "&$filter=createdDateTime ge 2020-01-01T00:00:00Z and memberType eq 'Direct'",
    ),
    ("/v1.0/roleManagement/directory/roleEligibilityScheduleRequests", ""),
    (
        "/v1.0/roleManagement/directory/roleEligibilityScheduleRequests",
        "&$filter=createdDateTime ge 2020-01-01T00:00:00Z",
    ),
    ("/v1.0/roleManagement/directory/roleEligibilityScheduleRequests", "&$filter=status eq 'Provisioned'"),
    ("/v1.0/roleManagement/directory/roleEligibilityScheduleRequests", "&$orderby=createdDateTime desc"),
];

#[tokio::test]
async fn rows_that_are_there_throughout_come_exactly_once_while_others_come_and_go() {
    let house = populated().await;
    let dana = house.signed_in(DANA).await.eventual();
    let role = built_in("Groups Administrator");
    let mut n = 0u128;
    for (path, options) in WAYS {
        let options = options.replace("ROLE", &role.to_string());
        let encoded = options.replace('"', "%22");
        let before = ids(&walk(&dana, path, &format!("$top=999{encoded}")).await.0);
        let (mut seen, mut at) = (Vec::new(), format!("{path}?$top=3{encoded}"));
        loop {
            let page = dana.get(&at).await.is(200);
            seen.extend(page["value"].as_array().expect("a list").iter().map(id));
            let Some(next) = page["@odata.nextLink"].as_str() else { break };
            at = next.strip_prefix("http://localhost").expect("an absolute link").to_owned();
            assert!(seen.len() < 900, "{path}{options} has no end");
            // Then nobody comes any more: who adds rows faster than they are read never reaches the end.
            if seen.len() > 60 {
                continue;
            }
            // Somebody comes and is given a role; somebody else's is taken; the one before goes.
            n += 1;
            let (who, target) = (PrincipalId(fresh_id()), Target::role(role, Scope::Tenant));
            let made = user(who, &format!("Ana {n}"), &format!("new{n}@northwind.example"));
            assert!(tries(&house, Command::CreateUser(made)).await);
            assert!(tries(&house, gives(Sort::Eligibility, who, target, None)).await);
            if n.is_multiple_of(2) {
                assert!(tries(&house, Command::DeletePrincipal { principal: who }).await);
            }
            let (sort, when, reason) = (Sort::Eligibility, writ_core::command::Removal::Now, Some("lists".to_owned()));
            let principal = somebody(n * 7 % 40);
            tries(&house, Command::Remove { sort, principal, target, when, reason }).await;
        }
        let after = ids(&walk(&dana, path, &format!("$top=999{encoded}")).await.0);
        for row in before.iter().filter(|row| after.contains(row)) {
            assert_eq!(seen.iter().filter(|s| *s == row).count(), 1, "{path}{options}: {row}");
        }
        let mut once = seen.clone();
        once.sort();
        once.dedup();
        assert_eq!(once.len(), seen.len(), "{path}{options}: no row comes twice");
    }
}

#[tokio::test]
async fn a_next_link_is_good_for_its_caller_its_path_and_its_options_only() {
    let house = populated().await;
    let (dana, eve) = (house.signed_in(DANA).await.eventual(), house.signed_in(EVE).await.eventual());
    for (path, options) in WAYS {
        let options = options.replace("ROLE", &built_in("Groups Administrator").to_string()).replace('"', "%22");
        let page = dana.get(&format!("{path}?$top=2{options}")).await.is(200);
        let next = page["@odata.nextLink"].as_str().expect("more than two rows");
        let next = next.strip_prefix("http://localhost").expect("an absolute link");
        dana.get(next).await.is(200);
        let wrong = "400 BadRequest: The $skiptoken is not one that this server gave to this caller for this query; \
                     follow @odata.nextLink exactly as it was given.";
        assert_eq!(eve.get(next).await.refused(), wrong, "{next}");
        assert_eq!(dana.get(&next.replace("top=2", "top=3")).await.refused(), wrong, "{next}");
        assert_eq!(dana.get(&format!("{next}&$select=id")).await.refused(), wrong, "{next}");
        assert_eq!(dana.get(&next.replace("/v1.0/", "/beta/")).await.refused(), wrong, "{next}");
        let other = if *path == "/v1.0/users" { "/v1.0/groups" } else { "/v1.0/users" };
        let (_, token) = next.split_once("$skiptoken=").expect("a token");
        assert_eq!(dana.get(&format!("{other}?$top=2&$skiptoken={token}")).await.refused(), wrong, "{next}");
        let mut altered = token.to_owned();
        altered.replace_range(3..4, if token[3..4] == *"A" { "B" } else { "A" });
        assert_eq!(dana.get(&next.replace(token, &altered)).await.refused(), wrong, "{next}");
    }
}

#[tokio::test]
async fn filters_follow_links_in_every_spelling_clients_have() {
    let house = populated().await;
    let dana = house.signed_in(DANA).await.eventual();
    let list = "/v1.0/roleManagement/directory/roleEligibilitySchedules";
    let all = dana.get(&format!("{list}?$top=999&$expand=principal,roleDefinition")).await.list();
    let named = |row: &Json| row["principal"]["displayName"] == "O'Hara Silva";
    let (hara, of_role): (Vec<_>, Vec<_>) = (
        all.iter().filter(|r| named(r)).map(id).collect(),
        all.iter().filter(|r| r["roleDefinition"]["displayName"] == "Groups Administrator").map(id).collect(),
    );
    assert!(!hara.is_empty() && !of_role.is_empty());
    for (query, wanted) in [
        ("$filter=principal/displayName eq 'O''Hara Silva'", &hara),
        ("%24filter=principal%2FdisplayName+eq+%27o%27%27hara+silva%27", &hara),
        ("$filter=startswith(tolower(principal/displayName),'o''hara s')", &hara),
        ("$filter=Principal/microsoft.graph.user/DisplayName EQ 'O''Hara Silva'", &hara),
        ("$filter=roleDefinition/displayName in ('Groups Administrator')", &of_role),
        ("$filter=((not(not(roleDefinition/displayName eq 'GROUPS administrator'))))", &of_role),
    ] {
        let mut found: Vec<String> =
            dana.get(&format!("{list}?$top=999&{query}")).await.list().iter().map(id).collect();
        let mut wanted = wanted.clone();
        found.sort();
        wanted.sort();
        assert_eq!(found, wanted, "{query}");
    }
    for (query, why) in [
        (
            "$filter=principal/nope eq 'x'",
            "Could not find a property named 'nope' on type 'microsoft.graph.directoryObject'.",
        ),
        ("$filter=principal eq 'x'", "Syntax error"),
        ("$filter=principal/microsoft.graph.nothing/id eq 'x'", "Could not find a property named"),
        ("$top=1000", "Invalid page size specified: '1000'. Must be between 1 and 999 inclusive."),
    ] {
        let told = dana.get(&format!("{list}?{query}")).await.refused();
        assert!(told.starts_with("400 ") && told.contains(why), "{query}: {told}");
    }
    assert!(dana.get(&format!("{list}?$top=1000")).await.refused().starts_with("400 Request_UnsupportedQuery"));
    for deep in [format!("{}1{}", "(".repeat(4_000), ")".repeat(4_000)), "not ".repeat(1_900), "tolower(".repeat(900)] {
        assert!(dana.get(&format!("{list}?$filter={deep}")).await.refused().starts_with("400 BadRequest"));
    }
}
