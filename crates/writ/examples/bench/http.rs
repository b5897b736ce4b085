//! Graph over HTTP with a real token, in a large organisation: single reads beside a handler that only checks the
//! token, filtered first pages, deep pages, activations, audit records.
//!
//! Always: the client is in this process and takes its share of the machine, of both the figure and its limit.

use crate::client::{Ask, Client, encoded, get, post, rate, request};
use crate::limits;
use crate::population::{EACH, Population};
use crate::report::{Failed, Report, Times, count, middle, span};
use crate::world::World;
use serde_json::{Value as Json, json};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use writ::clock::Clock;
use writ::http::graph::ids;
use writ_core::ids::{PrincipalId, RoleId};
use writ_core::role;
use writ_core::rules::RuleChange;
use writ_core::scope::Scope;
use writ_core::time::{Span, Time};

pub(crate) const PEOPLE: u32 = 100_000;
const ROUNDS: usize = 3;
const ROUND: Duration = Duration::from_millis(700);
/// How many ask single reads at the same time.
const CALLERS: usize = 16;
const PAGE_TARGET: Duration = Duration::from_millis(10);
const SHARE_TARGET: f64 = 0.5;
/// After everything in the population happened, and before anything of this run.
const LATELY: &str = "2026-11-20T00:00:00Z";
/// On how many connections, and for how long on each, a first and a deep page are asked one after the other. A connection
/// is on one core or on two for as long as it lasts, which makes more of a difference than what is compared: so both are
/// asked on the same ones.
const CONNECTIONS: usize = 30;
const TURN: Duration = Duration::from_millis(80);
/// How far into a list a deep page lies, in pages.
pub(crate) const DEEP: usize = 200;

pub(crate) fn run(report: &mut Report) -> Result<(), Failed> {
    let folder = limits::folder()?;
    let runtime = Runtime::new()?;
    runtime.block_on(async {
        let world = World::open(folder.path(), PEOPLE, Clock::system()).await?;
        let token = world.token(world.administrator).await?;
        let made = activations(report, &world).await?;
        singles(report, &world, &token, &made).await?;
        pages(report, &world, &token).await?;
        walks(report, &world, &token).await?;
        deep(report, &world, &token).await?;
        audit(report, &world, &token).await?;
        world.close().await;
        Ok(())
    })
}

fn met(yes: bool) -> String {
    if yes { "met" } else { "**missed**" }.to_owned()
}

/// Numbers in no order.
fn anyone(n: u32) -> u32 {
    n.wrapping_mul(2_654_435_761) % PEOPLE
}

const ROLES: &str = "/v1.0/roleManagement/directory";

async fn singles(report: &mut Report, world: &World, token: &str, request: &str) -> Result<(), Failed> {
    let title = format!("Single reads: {} people, {} eligibilities, {CALLERS} callers", PEOPLE, PEOPLE * EACH);
    report.section(&title, &["what", "a second", "p99", "of a handler that only checks the token", "target", ""]);
    let mut asks = single_reads(world);
    let request = request.to_owned();
    asks.insert(3, ("request", Arc::new(move |_| format!("{ROLES}/roleAssignmentScheduleRequests/{request}"))));
    let nothing: Ask = Arc::new(|_| "/trivial".to_owned());
    for (what, ask) in asks {
        let (mut rates, mut limits, mut all) = (Vec::new(), Vec::new(), Times::default());
        for _ in 0..ROUNDS {
            limits.push(rate(world.trivial, token, &nothing, CALLERS, ROUND).await?.0);
            let (rate, times) = rate(world.server, token, &ask, CALLERS, ROUND).await?;
            rates.push(rate);
            all.join(times);
        }
        let (rate, limit) = (middle(rates), middle(limits));
        report.row(&[
            what.to_owned(),
            count(rate),
            span(all.within(0.99)),
            format!("{:.2} × {}", rate / limit, count(limit)),
            format!("{SHARE_TARGET} ×"),
            met(rate / limit >= SHARE_TARGET),
        ]);
    }
    Ok(())
}

/// The reads of one resource each that need nothing made before.
pub(crate) fn single_reads(world: &World) -> Vec<(&'static str, Ask)> {
    let population = Arc::new(Population::of(PEOPLE));
    let of = |f: fn(&Population, u32) -> String| -> Ask {
        let population = Arc::clone(&population);
        Arc::new(move |n| f(&population, anyone(n)))
    };
    let tenant = world.tenant;
    let roles = population.roles.clone();
    let policy: Ask = Arc::new(move |n| {
        let role = roles[n as usize % roles.len()];
        let id = ids::policy("DirectoryRole", tenant, role);
        format!("/v1.0/policies/roleManagementPolicies/{id}?$expand=rules")
    });
    vec![
        ("user", of(|p, n| format!("/v1.0/users/{}", p.person(n)))),
        ("role definition", of(|p, n| format!("{ROLES}/roleDefinitions/{}", p.roles[n as usize % p.roles.len()]))),
        (
            "eligibility in force",
            of(|p, n| {
                let id = ids::eligibility(p.person(n), p.target(n, n % EACH));
                format!("{ROLES}/roleEligibilityScheduleInstances/{id}")
            }),
        ),
        ("policy with its 17 rules", policy),
        ("/me", Arc::new(|_| "/v1.0/me".to_owned())),
    ]
}

async fn pages(report: &mut Report, world: &World, token: &str) -> Result<(), Failed> {
    report.section("Filtered first pages, one caller", &["what", "rows", "median", "p99", "target", ""]);
    let population = Arc::new(Population::of(PEOPLE));
    let with = |list: &'static str, f: fn(PrincipalId, RoleId, Scope, u32) -> String| -> Ask {
        let population = Arc::clone(&population);
        Arc::new(move |n| {
            let (person, nth) = (anyone(n), n % EACH);
            let target = population.target(person, nth);
            format!("{list}?{}", encoded(&f(population.person(person), target.role_id(), target.scope(), person)))
        })
    };
    const INSTANCES: &str = "/v1.0/roleManagement/directory/roleEligibilityScheduleInstances";
    const SCHEDULES: &str = "/v1.0/roleManagement/directory/roleEligibilitySchedules";
    const ACTIVE: &str = "/v1.0/roleManagement/directory/roleAssignmentScheduleInstances";
    const REQUESTS: &str = "/v1.0/roleManagement/directory/roleAssignmentScheduleRequests";
    const DEFINITIONS: &str = "/v1.0/roleManagement/directory/roleDefinitions";
    const USERS: &str = "/v1.0/users";
    let by_id = |f: fn(&Population, u32) -> String| -> Ask {
        let population = Arc::clone(&population);
        Arc::new(move |n| encoded(&f(&population, anyone(n))))
    };
    let schedule =
        by_id(|p, n| format!("{INSTANCES}?$filter=roleEligibilityScheduleId eq '{}'", p.eligibility(n, n % EACH)));
    let origin = by_id(|p, n| {
        let n = n - n % 3;
        format!("{ACTIVE}?$filter=roleAssignmentOriginId eq '{}'", ids::assignment(p.person(n), p.target(n, 0), false))
    });
    let target = by_id(|p, n| format!("{REQUESTS}?$filter=targetScheduleId eq '{}'", p.eligibility(n, n % EACH)));
    let members: Ask = Arc::new(|_| format!("/v1.0/groups/{}/members?$top=100", Population::everybody()));
    let asks: Vec<(&str, Ask)> = vec![
        ("eligible: no filter", with(INSTANCES, |_, _, _, _| "$top=100".to_owned())),
        ("eligible: principalId eq", with(INSTANCES, |p, _, _, _| format!("$filter=principalId eq '{p}'"))),
        ("eligible: roleDefinitionId eq", with(INSTANCES, |_, r, _, _| format!("$filter=roleDefinitionId eq '{r}'"))),
        ("eligible: directoryScopeId eq", with(INSTANCES, |_, _, s, _| format!("$filter=directoryScopeId eq '{s}'"))),
        (
            "eligible: role and scope",
            with(INSTANCES, |_, r, s, _| format!("$filter=roleDefinitionId eq '{r}' and directoryScopeId eq '{s}'")),
        ),
        (
            "eligible: principal, role and scope, expanded",
            with(INSTANCES, |p, r, s, _| {
                format!(
                    "$filter=principalId eq '{p}' and roleDefinitionId eq '{r}' and directoryScopeId eq '{s}'\
                     &$expand=principal,roleDefinition($select=displayName)"
                )
            }),
        ),
        (
            "eligible: role, newest first, $count",
            with(INSTANCES, |_, r, _, _| {
                format!("$filter=roleDefinitionId eq '{r}'&$orderby=startDateTime desc&$count=true")
            }),
        ),
        ("eligible: $count, no filter", with(INSTANCES, |_, _, _, _| "$count=true&$top=5".to_owned())),
        (
            "eligible: one role or another",
            with(INSTANCES, |_, r, _, _| {
                format!(
                    "$filter=roleDefinitionId eq '{r}' or roleDefinitionId eq '62e90394-69f5-4237-9190-012177145e10'"
                )
            }),
        ),
        ("eligible: memberType eq 'Direct'", with(INSTANCES, |_, _, _, _| "$filter=memberType eq 'Direct'".to_owned())),
        ("eligible: memberType eq 'Group'", with(INSTANCES, |_, _, _, _| "$filter=memberType eq 'Group'".to_owned())),
        ("eligible: appScopeId eq null", with(INSTANCES, |_, _, _, _| "$filter=appScopeId eq null".to_owned())),
        ("eligible: roleEligibilityScheduleId eq", schedule),
        ("eligible: principalId ne", with(INSTANCES, |p, _, _, _| format!("$filter=principalId ne '{p}'"))),
        ("eligible: roleDefinitionId ne", with(INSTANCES, |_, r, _, _| format!("$filter=roleDefinitionId ne '{r}'"))),
        (
            "eligible: ends within a month",
            with(INSTANCES, |_, _, _, _| "$filter=endDateTime le 2026-12-24T00:00:00Z".to_owned()),
        ),
        (
            "eligible schedules: made since yesterday",
            with(SCHEDULES, |_, _, _, _| format!("$filter=createdDateTime ge {LATELY}")),
        ),
        (
            "eligible schedules: made this year",
            with(SCHEDULES, |_, _, _, _| "$filter=createdDateTime ge 2026-01-01T00:00:00Z".to_owned()),
        ),
        ("eligible schedules: status ne", with(SCHEDULES, |_, _, _, _| "$filter=status ne 'Provisioned'".to_owned())),
        ("eligible schedules: status eq", with(SCHEDULES, |_, _, _, _| "$filter=status eq 'Provisioned'".to_owned())),
        ("eligible schedules: $count", with(SCHEDULES, |_, _, _, _| "$count=true&$top=5".to_owned())),
        ("active: principalId eq", with(ACTIVE, |p, _, _, _| format!("$filter=principalId eq '{p}'"))),
        ("active: roleDefinitionId eq", with(ACTIVE, |_, r, _, _| format!("$filter=roleDefinitionId eq '{r}'"))),
        ("active: directoryScopeId eq", with(ACTIVE, |_, _, s, _| format!("$filter=directoryScopeId eq '{s}'"))),
        (
            "active: assignmentType eq 'Activated'",
            with(ACTIVE, |_, _, _, _| "$filter=assignmentType eq 'Activated'".to_owned()),
        ),
        (
            "active: assignmentType eq 'Assigned'",
            with(ACTIVE, |_, _, _, _| "$filter=assignmentType eq 'Assigned'".to_owned()),
        ),
        (
            "active: assignmentType ne 'Activated'",
            with(ACTIVE, |_, _, _, _| "$filter=assignmentType ne 'Activated'".to_owned()),
        ),
        ("active: roleAssignmentOriginId eq", origin),
        ("requests: action eq, most", with(REQUESTS, |_, _, _, _| "$filter=action eq 'selfActivate'".to_owned())),
        ("requests: action eq, none", with(REQUESTS, |_, _, _, _| "$filter=action eq 'adminAssign'".to_owned())),
        ("requests: status eq, none", with(REQUESTS, |_, _, _, _| "$filter=status eq 'Denied'".to_owned())),
        ("requests: roleDefinitionId eq", with(REQUESTS, |_, r, _, _| format!("$filter=roleDefinitionId eq '{r}'"))),
        ("requests: directoryScopeId eq", with(REQUESTS, |_, _, s, _| format!("$filter=directoryScopeId eq '{s}'"))),
        ("requests: made since yesterday", with(REQUESTS, |_, _, _, _| format!("$filter=createdDateTime ge {LATELY}"))),
        ("requests: targetScheduleId eq", target),
        (
            "requests: made by the caller",
            with(
                "/v1.0/roleManagement/directory/roleAssignmentScheduleRequests/filterByCurrentUser(on='createdBy')",
                |_, _, _, _| String::new(),
            ),
        ),
        (
            "requests: for the caller to decide",
            with(
                "/v1.0/roleManagement/directory/roleAssignmentScheduleRequests/filterByCurrentUser(on='approver')",
                |_, _, _, _| String::new(),
            ),
        ),
        (
            "approvals: for the caller to decide",
            with(
                "/beta/roleManagement/directory/roleAssignmentApprovals/filterByCurrentUser(on='approver')",
                |_, _, _, _| String::new(),
            ),
        ),
        ("members of a group of everybody", members),
        ("requests: status eq, pending", with(REQUESTS, |_, _, _, _| "$filter=status eq 'PendingApproval'".to_owned())),
        ("requests: status eq, done", with(REQUESTS, |_, _, _, _| "$filter=status eq 'Provisioned'".to_owned())),
        ("requests: principalId eq", with(REQUESTS, |p, _, _, _| format!("$filter=principalId eq '{p}'"))),
        ("roles: displayName eq", with(DEFINITIONS, |_, _, _, _| "$filter=displayName eq 'Global Reader'".to_owned())),
        (
            "users: startswith displayName",
            with(USERS, |_, _, _, n| format!("$filter=startswith(displayName,'person {n}')")),
        ),
        (
            "users: userPrincipalName eq",
            with(USERS, |_, _, _, n| format!("$filter=userPrincipalName eq 'person.{n}@bench.example'")),
        ),
        ("users: $search, rare word", with(USERS, |_, _, _, n| format!("$search=\"displayName:{n}\""))),
        ("users: $search, everybody's word", with(USERS, |_, _, _, _| "$search=\"displayName:person\"".to_owned())),
        ("users: $orderby=displayName", with(USERS, |_, _, _, _| "$orderby=displayName".to_owned())),
        ("users: $count", with(USERS, |_, _, _, _| "$count=true&$top=10".to_owned())),
        ("groups: first page", with("/v1.0/groups", |_, _, _, _| "$top=10".to_owned())),
    ];
    for (what, ask) in asks {
        let rows = value(&get(world.server, token, &ask(1)).await?).len();
        let (_, mut times) = rate(world.server, token, &ask, 1, ROUND).await?;
        let p99 = times.within(0.99);
        report.row(&[
            what.to_owned(),
            rows.to_string(),
            span(times.within(0.5)),
            span(p99),
            format!("< {}", span(PAGE_TARGET)),
            met(p99 < PAGE_TARGET),
        ]);
    }
    Ok(())
}

/// Lists that no index helps, and what somebody else notices of them: a single read beside two of them all the time.
async fn walks(report: &mut Report, world: &World, token: &str) -> Result<(), Failed> {
    let title = "Looked through row by row, one caller";
    report.section(title, &["what", "rows", "median", "p99", "a single read meanwhile, median", "p99"]);
    const INSTANCES: &str = "/v1.0/roleManagement/directory/roleEligibilityScheduleInstances";
    let group = Population::everybody();
    let asks = [
        ("a million eligible: startDateTime ge", format!("{INSTANCES}?$filter=startDateTime ge 2026-11-24T00:00:00Z")),
        (
            "a million eligible: not, or",
            format!("{INSTANCES}?$filter=not (startDateTime le 2026-11-24T00:00:00Z or endDateTime eq null)"),
        ),
        ("a million eligible: $orderby=startDateTime", format!("{INSTANCES}?$orderby=startDateTime desc")),
        ("100,000 users: endswith", "/v1.0/users?$filter=endswith(userPrincipalName,'.example.org')".to_owned()),
        ("100,000 users: ne", "/v1.0/users?$filter=accountEnabled ne true".to_owned()),
        ("100,000 members: $count", format!("/v1.0/groups/{group}/members/$count")),
        ("100,000 members: transitive", format!("/v1.0/groups/{group}/transitiveMembers?$top=100")),
    ];
    for (what, query) in asks {
        let ask: Ask = Arc::new(move |_| encoded(&query));
        let rows = match get(world.server, token, &ask(1)).await? {
            Json::Number(count) => count.to_string(),
            page => value(&page).len().to_string(),
        };
        let (_, mut alone) = rate(world.server, token, &ask, 1, ROUND).await?;
        let single: Ask = Arc::new(|_| "/v1.0/me".to_owned());
        let (walking, reading) =
            tokio::join!(rate(world.server, token, &ask, 2, ROUND), rate(world.server, token, &single, 1, ROUND));
        walking?;
        let mut meanwhile = reading?.1;
        report.row(&[
            what.to_owned(),
            rows,
            span(alone.within(0.5)),
            span(alone.within(0.99)),
            span(meanwhile.within(0.5)),
            span(meanwhile.within(0.99)),
        ]);
    }
    Ok(())
}

async fn deep(report: &mut Report, world: &World, token: &str) -> Result<(), Failed> {
    let title = format!("Page {DEEP} beside page 1, 100 rows each, one caller");
    report.section(&title, &["list", "page 1, median", "deep, median", "target", ""]);
    for (what, first) in deep_lists(world) {
        let mut at = first.clone();
        for _ in 1..DEEP {
            let page = get(world.server, token, &at).await?;
            at = next_of(&page)?;
        }
        let (mut ones, mut deeps) = (Times::default(), Times::default());
        let pages = [request(&first, token), request(&at, token)];
        for _ in 0..CONNECTIONS {
            let [one, deep] = tokio::spawn(in_turns(world.server, pages.clone())).await??;
            ones.join(one);
            deeps.join(deep);
        }
        let (one, deep) = (ones.within(0.5), deeps.within(0.5));
        // A tenth is within what the machine's other work does to two equal figures.
        let same = deep.as_secs_f64() <= one.as_secs_f64() * 1.1;
        report.row(&[what.to_owned(), span(one), span(deep), "≤ 1.1 × page 1".to_owned(), met(same)]);
    }
    Ok(())
}

/// Asks two requests one after the other on one connection, for a turn.
async fn in_turns(server: SocketAddr, requests: [Vec<u8>; 2]) -> Result<[Times; 2], Failed> {
    let (mut client, mut times) = (Client::connect(server).await?, [Times::default(), Times::default()]);
    let begun = Instant::now();
    while begun.elapsed() < TURN {
        for (request, times) in requests.iter().zip(&mut times) {
            let one = Instant::now();
            client.send(request, 200).await?;
            times.add(one.elapsed());
        }
    }
    Ok(times)
}

/// The lists whose first and deep pages are compared.
pub(crate) fn deep_lists(world: &World) -> Vec<(&'static str, String)> {
    let role = world.population.roles[0];
    vec![
        ("eligible", format!("{ROLES}/roleEligibilityScheduleInstances?$top=100")),
        ("eligible, in the tenant", filtered("roleEligibilityScheduleInstances", "directoryScopeId eq '/'", 100)),
        (
            "eligible, for a role, 20 rows",
            filtered("roleEligibilityScheduleInstances", &format!("roleDefinitionId eq '{role}'"), 20),
        ),
        ("active, for a scope, 1 row", filtered("roleAssignmentScheduleInstances", "directoryScopeId eq '/'", 1)),
        ("users", "/v1.0/users?$top=100".to_owned()),
        ("users by name", "/v1.0/users?$top=100&$orderby=displayName".to_owned()),
        ("members of a group", format!("/v1.0/groups/{}/members?$top=100", Population::everybody())),
        ("users whose name begins", format!("/v1.0/users?{}", encoded("$top=100&$filter=startswith(displayName,'p')"))),
    ]
}

/// Where the next page is, as a request line's target.
pub(crate) fn next_of(page: &Json) -> Result<String, Failed> {
    let next = page["@odata.nextLink"].as_str().ok_or("the list ended too soon")?;
    Ok(next.find("/v1.0").map(|from| next[from..].to_owned()).ok_or("an odd link")?)
}

fn filtered(list: &str, filter: &str, top: u32) -> String {
    format!("{ROLES}/{list}?{}", encoded(&format!("$top={top}&$filter={filter}")))
}

/// Activations as clients ask for them; gives the id of one request.
async fn activations(report: &mut Report, world: &World) -> Result<String, Failed> {
    report.section("selfActivate, answered when durable", &["callers", "a second", "median", "p99"]);
    let role = role::built_in().into_iter().find(|role| role.name == "Reports Reader").ok_or("no such role")?.id;
    let first = world.population.roles.iter().position(|one| *one == role).ok_or("no such role")? as u32;
    let step = world.population.roles.len() as u32;
    let changes = vec![RuleChange::ActivationEnablement { mfa: true, reason: true, ticket: true }];
    world.rules(role, changes).await?;
    // Whoever is a multiple of three holds their first role already.
    let eligible: Vec<u32> = (0..).map(|n| first + n * step).filter(|n| n % 3 != 0).take(64).collect();
    let mut made = String::new();
    for callers in [1, 64] {
        let mut tasks = tokio::task::JoinSet::new();
        let begun = Instant::now();
        for number in &eligible[..callers] {
            let person = world.population.person(*number);
            let (token, server) = (world.token(person).await?, world.server);
            tasks.spawn(async move { on_and_off(server, &token, person, role).await });
        }
        let mut all = Times::default();
        while let Some(done) = tasks.join_next().await {
            let (times, last) = done??;
            all.join(times);
            made = last;
        }
        let rate = all.count() as f64 / begun.elapsed().as_secs_f64();
        report.row(&[callers.to_string(), count(rate), span(all.within(0.5)), span(all.within(0.99))]);
    }
    Ok(made)
}

/// Activates and gives up in turns; only activating is timed, and both count in the rate.
async fn on_and_off(
    server: SocketAddr,
    token: &str,
    person: PrincipalId,
    role: RoleId,
) -> Result<(Times, String), Failed> {
    let list = format!("{ROLES}/roleAssignmentScheduleRequests");
    let body = |action: &str| {
        let mut body = json!({
            "action": action, "principalId": person, "roleDefinitionId": role, "directoryScopeId": "/",
            "justification": "replace the failed disk",
        });
        if action == "selfActivate" {
            body["scheduleInfo"] = json!({"expiration": {"type": "afterDuration", "duration": "PT1H"}});
            body["ticketInfo"] = json!({"ticketNumber": "CHG-417", "ticketSystem": "desk"});
        }
        body.to_string()
    };
    let (on, off) = (body("selfActivate"), body("selfDeactivate"));
    let (on, off) = (post(&list, token, &on), post(&list, token, &off));
    let mut client = Client::connect(server).await?;
    let (mut times, mut made, begun) = (Times::default(), String::new(), Instant::now());
    while begun.elapsed() < ROUND * 4 {
        let one = Instant::now();
        client.send(&on, 201).await?;
        times.add(one.elapsed());
        if made.is_empty() {
            let answer: Json = serde_json::from_slice(client.body())?;
            if answer["status"] != "Provisioned" {
                return Err(format!("not activated: {answer}").into());
            }
            made = answer["id"].as_str().unwrap_or_default().to_owned();
        }
        client.send(&off, 201).await?;
    }
    Ok((times, made))
}

async fn audit(report: &mut Report, world: &World, token: &str) -> Result<(), Failed> {
    report.section("Audit records, one caller", &["what", "rows", "median", "p99", "target", ""]);
    let since = Time::from_millis(world.now().millis() - Span::from_hours(24).millis());
    let asks = [
        ("the last 24 hours", format!("$filter=activityDateTime ge {since}")),
        (
            "the last 24 hours of one activity",
            format!(
                "$filter=activityDateTime ge {since} and activityDisplayName eq 'Add member to role completed (PIM activation)'"
            ),
        ),
        ("newest ten", "$top=10&$orderby=activityDateTime desc".to_owned()),
    ];
    for (what, query) in asks {
        let target = format!("/v1.0/auditLogs/directoryAudits?{}", encoded(&query));
        let rows = value(&get(world.server, token, &target).await?).len();
        let (_, mut times) = rate(world.server, token, &(Arc::new(move |_| target.clone()) as Ask), 1, ROUND).await?;
        let p99 = times.within(0.99);
        let target = format!("< {}", span(PAGE_TARGET));
        report.row(&[
            what.to_owned(),
            rows.to_string(),
            span(times.within(0.5)),
            span(p99),
            target,
            met(p99 < PAGE_TARGET),
        ]);
    }
    Ok(())
}

fn value(page: &Json) -> Vec<Json> {
    page["value"].as_array().cloned().unwrap_or_default()
}
