//! Hosts: what is planned for them, and whose account is whose.

use crate::command::*;
use crate::directory::{Account, Drift};
use crate::ids::*;
use crate::personal::Personal;
use crate::plan;
use crate::refusal::Refusal;
use crate::role::DEVICE_ADMINISTRATOR;
use crate::rules::{Approval, RuleChange, Stage};
use crate::scope::{Scope, Target};
use crate::story::*;
use crate::time::Span;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

const FIN: DeviceId = DeviceId::from_u128(0xf1);
const WEB: DeviceId = DeviceId::from_u128(0xf2);
const FINANCE: UnitId = UnitId::from_u128(0xa1);

fn with_hosts() -> Story {
    let mut s = Story::with_ana_eligible();
    let none = Approval {
        required: false,
        required_for_extension: false,
        asker_reason: true,
        stages: vec![Stage::one_of(vec![])],
    };
    s.by(
        "dana",
        Command::ChangeRules { role: DEVICE_ADMINISTRATOR, changes: vec![RuleChange::Approval(none)], seen: None },
    )
    .expect("set");
    s.by("dana", Command::CreateUnit { unit: FINANCE, name: "Finance".into(), description: "".into() }).expect("unit");
    for (n, host, unit) in [(1u128, FIN, Some(FINANCE)), (2, WEB, None)] {
        let code = CredentialId::from_u128(n);
        s.by("dana", Command::IssueHostCode { code, unit, expires: s.now + Span::from_hours(1) }).expect("code");
        let enrol = Command::EnrolHost { host, name: format!("host-{n}"), key: format!("{n:064x}"), code };
        s.run(Caller::host(Uuid::from_u128(5), host), enrol.clone()).expect("enrolled");
        let again =
            Command::EnrolHost { host: DeviceId::from_u128(0xee), name: "x".into(), key: format!("{:064x}", 77), code };
        assert!(
            matches!(s.run(Caller::host(Uuid::from_u128(5), host), again), Err(Refusal::NoSuch { .. })),
            "a code works once"
        );
        let accounts = ["ana", "ben"].iter().zip(1001..).map(|(n, uid)| Account { name: (*n).into(), uid }).collect();
        s.run(Caller::host(Uuid::from_u128(5), host), Command::ReportHost { host, accounts, drift: vec![] })
            .expect("reported");
    }
    s
}

#[test]
fn the_device_administrator_role_means_root_on_the_hosts_of_its_scope() {
    let mut s = with_hosts();
    s.asks("ana", ROOT, minutes(30));
    let hosts: Vec<DeviceId> = plan::plan(&s.state, s.now).iter().map(|g| g.host).collect();
    assert_eq!(hosts, vec![FIN, WEB]);

    let mut s = with_hosts();
    let unit = Target::role(DEVICE_ADMINISTRATOR, Scope::Unit(FINANCE));
    s.asks("ana", unit, minutes(30));
    let grants = plan::plan(&s.state, s.now);
    assert_eq!(grants.iter().map(|g| g.host).collect::<Vec<_>>(), vec![FIN]);
    assert_eq!(grants[0].account, "ana");
    assert_eq!(grants[0].not_after, Some(s.now + minutes(30)));
    s.at("08:30");
    assert!(plan::plan(&s.state, s.now).is_empty());
}

#[test]
fn hostile_names_are_nobodys_account() {
    for name in [
        "ALL",
        "all",
        "root",
        "%grp",
        "#1002",
        "!ana",
        "+net",
        "a.b",
        "ana silva",
        "",
        "-x",
        "9x",
        "ana\nALL",
        "ANA",
        "ana,ben",
        "ana=",
        "ana:",
    ] {
        assert!(plan::account_name_ok(name).is_err(), "{name:?}");
    }
    let mut s = with_hosts();
    let all = NewUser {
        id: PrincipalId::from_u128(800),
        person: PersonId::from_u128(800),
        name: "mallory".into(),
        upn: "ALL@contoso.com".into(),
    };
    s.by("dana", Command::CreateUser(all)).expect("a legal name in the directory");
    let eligible = s.make_eligible("mallory", ROOT);
    s.by("dana", eligible).expect("eligible");
    s.asks("mallory", ROOT, minutes(30));
    assert!(plan::plan(&s.state, s.now).is_empty(), "and still no account on any host");
    assert!(matches!(plan::account_on(&s.state, s.id("mallory"), FIN), Err(plan::NoAccount::BadName(_))));
}

#[test]
fn two_persons_never_share_an_account_in_any_case() {
    let mut s = with_hosts();
    let other = NewUser {
        id: PrincipalId::from_u128(801),
        person: PersonId::from_u128(801),
        name: "other ana".into(),
        upn: "Ana@contoso.com".into(),
    };
    s.by("dana", Command::CreateUser(other)).expect("created");
    assert!(matches!(plan::account_on(&s.state, s.id("ana"), FIN), Err(plan::NoAccount::Shared(_))), "neither gets it");
    let map = |account: &str| Command::MapAccount {
        person: PersonId::from_u128(801),
        place: Place::Everywhere,
        account: Some(account.into()),
    };
    assert!(matches!(s.by("dana", map("ben")), Err(Refusal::Taken { .. })), "not somebody else's either");
    assert!(matches!(s.by("eve", map("ana2")), Err(Refusal::NotAllowed { .. })));
    assert!(matches!(s.by("dana", map("ALL")), Err(Refusal::Malformed { .. })));
}

#[test]
fn a_rule_names_the_accounts_of_a_unit_and_still_nobody_shares_one() {
    let mut s = with_hosts();
    let rule = |rule: &str| Command::SetAccountRule { place: Place::Unit(FINANCE), rule: Some(rule.into()) };
    for bad in ["root", "{local}{local}", "{local} ALL", "%{local}", "ADM-{local}", "{local}.x", ""] {
        assert!(matches!(s.by("dana", rule(bad)), Err(Refusal::Malformed { .. })), "{bad}");
    }
    assert!(matches!(s.by("eve", rule("adm-{local}")), Err(Refusal::NotAllowed { .. })));
    s.by("dana", rule("adm-{local}")).expect("set");
    let accounts = |s: &mut Story, names: &[&str]| {
        for host in [FIN, WEB] {
            let accounts = names.iter().zip(1001..).map(|(n, uid)| Account { name: (*n).into(), uid }).collect();
            s.run(Caller::host(Uuid::from_u128(5), host), Command::ReportHost { host, accounts, drift: vec![] })
                .expect("reported");
        }
    };
    accounts(&mut s, &["ana", "adm-ana"]);
    assert_eq!(plan::account_on(&s.state, s.id("ana"), FIN).as_deref(), Ok("adm-ana"));
    assert_eq!(plan::account_on(&s.state, s.id("ana"), WEB).as_deref(), Ok("ana"));
    let other = NewUser {
        id: PrincipalId::from_u128(802),
        person: PersonId::from_u128(802),
        name: "adm".into(),
        upn: "adm-ana@x.example".into(),
    };
    s.by("dana", Command::CreateUser(other)).expect("created");
    assert!(matches!(plan::account_on(&s.state, s.id("ana"), FIN), Err(plan::NoAccount::Shared(_))));
    let again = crate::state::State::from_snapshot(&s.state.to_snapshot()).expect("read");
    assert!(again == s.state);
    s.by("dana", Command::SetAccountRule { place: Place::Unit(FINANCE), rule: None }).expect("taken back");
    assert_eq!(plan::account_on(&s.state, s.id("ana"), FIN).as_deref(), Ok("ana"));
}

#[test]
fn a_host_speaks_only_for_itself_and_only_about_what_was_ordered() {
    let mut s = with_hosts();
    s.asks("ana", ROOT, minutes(30));
    let grants = plan::plan(&s.state, s.now);
    let intents = grants
        .iter()
        .map(|g| Intent { assignment: g.assignment, principal: g.principal, host: g.host, absent_before: true })
        .collect();
    s.time(Command::IntendGrants { grants: intents }).expect("intended");
    let report = |host| Command::ReportGrants {
        results: vec![Outcome {
            assignment: grants[0].assignment,
            principal: grants[0].principal,
            host,
            result: Effect::Effective,
        }],
    };
    assert!(s.run(Caller::host(Uuid::from_u128(5), WEB), report(FIN)).is_err());
    s.run(Caller::host(Uuid::from_u128(5), FIN), report(FIN)).expect("its own");
    let a = s.state.assignments[&grants[0].assignment].clone();
    let reach = plan::reach(&s.state, &a, s.now);
    assert_eq!((reach.effective, reach.wanted), (1, 2));
    let invented = Command::ReportGrants {
        results: vec![Outcome {
            assignment: AssignmentId::from_u128(99),
            principal: grants[0].principal,
            host: FIN,
            result: Effect::Effective,
        }],
    };
    let n = s.log.len();
    s.run(Caller::host(Uuid::from_u128(5), FIN), invented).expect("ignored");
    assert_eq!(s.log.len(), n);
    // A reason is cut to its first 200 characters; the same long one again is no news, however often it comes.
    let mut refused = report(FIN);
    if let Command::ReportGrants { results } = &mut refused {
        results[0].result = Effect::Refused(Personal::new(results[0].principal, "visudo says no. ".repeat(30)));
    }
    for _ in 0..3 {
        s.run(Caller::host(Uuid::from_u128(5), FIN), refused.clone()).expect("taken");
    }
    assert_eq!(s.log.len(), n + 1);
}

#[test]
fn a_person_without_an_account_is_told_before_asking() {
    let mut s = with_hosts();
    let eligible = s.make_eligible("eve", ROOT);
    s.by("dana", eligible).expect("eligible");
    let explanation = crate::explain::explain(&s.state, s.id("eve"), ROOT, None, s.now);
    assert!(!explanation.can);
    assert!(
        explanation.lines.iter().any(|l| l.text.contains("there is no account eve on the host")),
        "{explanation:?}"
    );
}

/// What Ana's account and Ben's are called, and what nobody's is, as one host says it.
fn reports_names(s: &mut Story) {
    let accounts = ["ana", "ben", "jsmith"].iter().zip(1001..).map(|(n, uid)| Account { name: (*n).into(), uid });
    let drift = |place: &str, text: &str| Drift { place: place.into(), text: text.into() };
    let report = Command::ReportHost {
        host: WEB,
        accounts: accounts.collect(),
        drift: vec![
            drift("/etc/sudoers.d/ana:3", "ana, Ben: ALL=(ALL) NOPASSWD: ALL"),
            drift("/etc/sudoers", "jsmith: ALL=(ALL) ALL"),
        ],
    };
    s.run(Caller::host(Uuid::from_u128(5), WEB), report).expect("reported");
}

fn told_by_web(s: &Story) -> String {
    let host = &s.state.hosts[&WEB];
    let accounts: Vec<&str> = host.accounts.iter().map(|a| a.name.shown()).collect();
    let drift: Vec<String> =
        host.drift.iter().map(|d| alloc::format!("{} {}", d.place.shown(), d.text.shown())).collect();
    alloc::format!("{}\n{}", accounts.join(" "), drift.join("\n"))
}

/// The entries as they lie in a store, with these principals erased from them.
fn stored(s: &Story, erased: &[PrincipalId]) -> String {
    let mut salts = 0u8;
    let entries = s.log.iter().map(|(meta, event)| {
        let envelope = crate::log::Envelope {
            v: 1,
            kind: event.kind().into(),
            seq: meta.seq,
            at: meta.at,
            actor: crate::log::Actor { principal: meta.actor, via: Via::Api, session: None, address: None },
            cause: crate::log::Cause { command: Uuid::nil(), correlation: Uuid::nil(), parent: None },
            event: event.to_value(),
        };
        let mut next = || {
            salts = salts.wrapping_add(1);
            [salts; 16]
        };
        let mut entry = crate::log::seal(envelope, &mut next);
        let leaf = entry.leaf();
        for who in erased {
            entry = entry.erase(*who).unwrap_or(entry);
        }
        assert_eq!(entry.leaf(), leaf, "an erasure changes no hash");
        crate::log::open(&entry).expect("still whole");
        [entry.bytes, entry.private.unwrap_or_default()].concat()
    });
    String::from_utf8(entries.collect::<Vec<_>>().concat()).expect("text")
}

#[test]
fn an_erasure_takes_a_persons_account_names_out_of_what_hosts_said() {
    let mut s = with_hosts();
    s.asks("ana", ROOT, minutes(30));
    let (ana, web) = (s.id("ana"), PrincipalId(WEB.0));
    let grant = plan::plan(&s.state, s.now).into_iter().find(|g| g.host == WEB).expect("planned");
    let intent = Intent { assignment: grant.assignment, principal: ana, host: WEB, absent_before: true };
    s.time(Command::IntendGrants { grants: vec![intent] }).expect("intended");
    let refused = Outcome {
        assignment: grant.assignment,
        principal: ana,
        host: WEB,
        result: Effect::Refused(Personal::new(ana, "there is no account anazinha here")),
    };
    s.run(Caller::host(Uuid::from_u128(5), WEB), Command::ReportGrants { results: vec![refused] }).expect("reported");
    reports_names(&mut s);
    assert_eq!(
        told_by_web(&s),
        "ana ben jsmith\n/etc/sudoers jsmith: ALL=(ALL) ALL\n/etc/sudoers.d/ana:3 ana, Ben: ALL=(ALL) NOPASSWD: ALL"
    );
    let off = Command::UpdateUser { user: ana, name: None, upn: None, enabled: Some(false), person: None };
    s.by("dana", off).expect("disabled");
    let before = stored(&s, &[]);
    assert!(before.contains("\"ana\"") && before.contains("anazinha"));
    s.by("dana", Command::ErasePrincipal { principal: ana }).expect("erased");
    assert_eq!(
        told_by_web(&s),
        "(erased) ben jsmith\n/etc/sudoers jsmith: ALL=(ALL) ALL\n\
         /etc/sudoers.d/(erased):3 (erased), Ben: ALL=(ALL) NOPASSWD: ALL"
    );
    let after = stored(&s, &[ana]);
    assert!(!after.to_lowercase().contains("\"ana\"") && !after.contains("anazinha"), "{after}");
    assert!(after.contains("\"ben\"") && after.contains("jsmith"), "nobody else is touched");
    // Accounts that nobody known has are the host's.
    s.by("dana", Command::ErasePrincipal { principal: web }).expect("erased");
    assert!(!told_by_web(&s).contains("jsmith") && told_by_web(&s).contains("ben"));
    assert!(!stored(&s, &[ana, web]).contains("jsmith"));
    let again = crate::state::State::from_snapshot(&s.state.to_snapshot()).expect("read");
    assert!(again == s.state);
}

#[test]
fn an_account_is_about_the_principal_that_gives_its_name() {
    let mut s = with_hosts();
    let adm = Command::SetAccountRule { place: Place::Everywhere, rule: Some("adm-{local}".into()) };
    s.by("dana", adm).expect("set");
    let person = s.state.person_of(s.id("ben")).expect("a person");
    let map = Command::MapAccount { person, place: Place::Host(WEB), account: Some("bo".into()) };
    s.by("dana", map).expect("mapped");
    for (name, whose) in [
        ("ana", Some("ana")),
        ("ana-adm", Some("ana-adm")),
        ("ADM-ana", Some("ana")),
        ("adm-ana-adm", Some("ana-adm")),
        ("bo", Some("ben")),
        ("ben", Some("ben")),
        ("nobody-s", None),
        ("", None),
    ] {
        assert_eq!(plan::whose(&s.state, name), whose.map(|w| s.id(w)), "{name}");
    }
}

#[test]
fn a_refusal_that_is_said_again_and_again_is_one_entry_however_long() {
    let mut s = with_hosts();
    s.asks("ana", ROOT, minutes(30));
    let grant = plan::plan(&s.state, s.now).into_iter().find(|g| g.host == WEB).expect("planned");
    let (assignment, principal, host) = (grant.assignment, grant.principal, WEB);
    let intents = vec![Intent { assignment, principal, host, absent_before: true }];
    s.time(Command::IntendGrants { grants: intents }).expect("intended");
    let report = Command::ReportGrants {
        results: vec![Outcome {
            assignment,
            principal,
            host,
            // About somebody else, says the host; it has no say in that.
            result: Effect::Refused(Personal::new(s.id("dana"), "x\u{7}".repeat(5000))),
        }],
    };
    let before = s.log.len();
    for _ in 0..5 {
        s.run(Caller::host(Uuid::from_u128(5), WEB), report.clone()).expect("reported");
    }
    assert_eq!(s.log.len(), before + 1);
    let Some(Effect::Refused(why)) = s.state.effects.get(&(assignment, principal, host)) else { panic!("no effect") };
    assert_eq!((why.about(), why.shown().len()), (principal, 200));
}

#[test]
fn a_host_that_is_removed_takes_along_all_that_was_said_of_it() {
    let mut s = with_hosts();
    let person = s.state.person_of(s.id("eve")).expect("a person");
    let place = Place::Host(WEB);
    s.by("dana", Command::MapAccount { person, place, account: Some("deploy".into()) }).expect("mapped");
    s.by("dana", Command::SetAccountRule { place, rule: Some("adm-{local}".into()) }).expect("named");
    let here = Target::role(DEVICE_ADMINISTRATOR, Scope::Object(WEB.0));
    let terms = Terms::of(s.id("eve"), here, Expiration::For(minutes(10)));
    s.by("dana", Command::Assign { sort: Sort::Eligibility, terms }).expect("eligible");
    s.at("08:20");
    assert_eq!(s.state.expired.len(), 1);
    s.by("dana", Command::RemoveHost { host: WEB }).expect("removed");
    assert!(s.state.accounts.is_empty() && s.state.account_rules.is_empty() && s.state.expired.is_empty());
    assert!(s.state.account_names.iter().all(|(name, _)| name != "deploy" && !name.starts_with("adm-")));
    let person = s.state.person_of(s.id("carla")).expect("a person");
    let place = Place::Host(FIN);
    s.by("dana", Command::MapAccount { person, place, account: Some("deploy".into()) }).expect("nobody's any more");
}

#[test]
fn what_only_waited_for_an_activation_on_a_host_goes_when_the_host_does() {
    let mut s = with_hosts();
    s.asks("ana", Target::role(DEVICE_ADMINISTRATOR, Scope::Object(WEB.0)), minutes(30));
    let ana = s.id("ana");
    let (sort, when) = (Sort::Eligibility, Removal::WhenRunningEnd);
    s.by("dana", Command::Remove { sort, principal: ana, target: ROOT, when, reason: None }).expect("closing");
    assert_eq!(s.state.eligibilities_of(ana).len(), 1);
    s.by("dana", Command::RemoveHost { host: WEB }).expect("removed");
    assert_eq!(s.state.eligibilities_of(ana).len(), 0, "nothing runs from it any more, so it has gone");
}
