//! One sealed sample of every kind of event, as it lies in logs from the first release on.
//!
//! A log is read for as long as somebody keeps it, so a kind never changes its shape: a new shape is a new `v`, with
//! an upcaster, and the old sample stays. `golden/entries.jsonl` is never written by a program. A new kind needs a
//! sample here and its line there; the test that fails shows the line.

#![expect(clippy::unwrap_used, reason = "a sample that cannot be read fails the test")]

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeSet;
use writ_core::command::{Effect, Expiration, Intent, Method, Outcome, Place, Removal, SignIn, Sort, Wrong};
use writ_core::directory::{LocalAccount, StrayGrant};
use writ_core::event::{Action, Ask, Event, Failure, KINDS, Source, Ticket, Why};
use writ_core::ids::*;
use writ_core::log::export::entry_line;
use writ_core::log::{Actor, Cause, Entry, Envelope, Via, open, seal};
use writ_core::personal::{Passage, Personal};
use writ_core::role::{Duties, Role};
use writ_core::rules::{Approval, Approver, Context, Ending, Notification, RuleChange, RuleChoice, Side, Stage};
use writ_core::scope::{Scope, Target};
use writ_core::time::{Span, Time};

const GOLDEN: &str = include_str!("golden/entries.jsonl");

const ANA: PrincipalId = PrincipalId::from_u128(0xa);
const BEN: PrincipalId = PrincipalId::from_u128(0xb);
const TEAM: PrincipalId = PrincipalId::from_u128(0xc);
const ROLE: RoleId = RoleId::from_u128(0x101);
const UNIT: UnitId = UnitId::from_u128(0x201);
const HOST: DeviceId = DeviceId::from_u128(0x301);
const REQUEST: RequestId = RequestId::from_u128(0x401);
const ELIGIBILITY: EligibilityId = EligibilityId::from_u128(0x501);
const ASSIGNMENT: AssignmentId = AssignmentId::from_u128(0x601);
const CREDENTIAL: CredentialId = CredentialId::from_u128(0x701);

fn about(who: PrincipalId, text: &str) -> Personal {
    Personal::new(who, text)
}
fn noon() -> Time {
    "2026-11-21T12:00:00Z".parse().unwrap()
}
fn later() -> Time {
    noon() + Span::from_hours(2)
}

/// An ask with everything that can be said in one.
fn ask(action: Action) -> Ask {
    Ask {
        request: REQUEST,
        by: Some(ANA),
        subject: BEN,
        action,
        target: Target::role(ROLE, Scope::Unit(UNIT)),
        start: Some(noon()),
        expiration: Expiration::For(Span::from_hours(2)),
        reason: Some(about(ANA, "replace the failed disk")),
        ticket: Some(Ticket { number: Some(about(ANA, "CHG-417")), system: Some(about(ANA, "ServiceDesk")) }),
        eligibility: Some(ELIGIBILITY),
        mfa: Some(noon()),
    }
}

/// An ask with only what must be said.
fn bare(action: Action, expiration: Expiration) -> Ask {
    Ask {
        request: REQUEST,
        by: None,
        subject: BEN,
        action,
        target: Target::role(ROLE, Scope::Tenant),
        start: None,
        expiration,
        reason: None,
        ticket: None,
        eligibility: None,
        mfa: None,
    }
}

fn stage() -> Stage {
    Stage {
        approvers: vec![Approver::User(ANA), Approver::Group(TEAM)],
        needed: 2,
        reason: true,
        timeout_days: 1,
        escalation: false,
        escalation_minutes: 0,
    }
}

fn role() -> Role {
    Role {
        id: ROLE,
        name: "Disk Replacer".into(),
        other_names: vec!["Disks".into()],
        description: "Replaces disks".into(),
        built_in: false,
        assignable: true,
        enabled: true,
        marked_privileged: false,
        actions: vec!["microsoft.directory/devices/standard/read".into()],
        inherits: vec![RoleId::from_u128(0x102)],
        version: Some("1.1".into()),
        duties: Duties::NONE,
    }
}

/// Every way to change a rule, since each is a shape of its own.
fn rule_changes() -> Vec<RuleChange> {
    let span_max = Span::from_hours(8);
    vec![
        RuleChange::AdminExpiration { side: Side::Eligibility, required: true, span_max: Span::from_days(365) },
        RuleChange::AdminEnablement { side: Side::Assignment, mfa: true, reason: true, ticket: false },
        RuleChange::ActivationExpiration { span_max },
        RuleChange::ActivationEnablement { mfa: true, reason: true, ticket: true },
        RuleChange::Approval(Approval {
            required: true,
            required_for_extension: false,
            asker_reason: true,
            stages: vec![stage()],
        }),
        RuleChange::Context(Context { enabled: true, claim: Some("c1".into()) }),
        RuleChange::Freshness { mfa_age_max: Span::from_minutes(5) },
        RuleChange::Pending { pending_max: Span::from_hours(24) },
        RuleChange::Ending(Ending { kill: true, grace: Span::from_seconds(30) }),
        RuleChange::Notification(Notification {
            rule: "Notification_Admin_Admin_Eligibility".into(),
            level: "All".into(),
            default_recipients: true,
            recipients: vec![about(BEN, "ben@northwind.example")],
        }),
    ]
}

fn outcome(result: Effect) -> Outcome {
    Outcome { assignment: ASSIGNMENT, principal: ANA, host: HOST, result }
}

/// At least one of every kind, with every field that can be absent present once and absent once.
fn samples() -> Vec<Event> {
    let person = PersonId::from_u128(0x801);
    vec![
        Event::TenantFounded {
            tenant: TenantId::from_u128(1),
            name: "Northwind".into(),
            rules: RuleChoice::Tiers,
            span_min: Span::from_minutes(5),
        },
        Event::SettingsChanged {
            name: Some("Northwind".into()),
            span_min: Some(Span::from_minutes(5)),
            age_min: Some(Span::ZERO),
        },
        Event::SettingsChanged { name: None, span_min: None, age_min: None },
        Event::UserCreated {
            user: ANA,
            person,
            name: about(ANA, "Ana Silva"),
            upn: about(ANA, "ana@northwind.example"),
            emergency: false,
        },
        Event::UserChanged {
            user: ANA,
            name: Some(about(ANA, "Ana Sousa")),
            upn: Some(about(ANA, "ana.sousa@northwind.example")),
            person: Some(person),
        },
        Event::UserChanged { user: ANA, name: None, upn: None, person: None },
        Event::PrincipalDisabled { principal: ANA },
        Event::PrincipalEnabled { principal: ANA },
        Event::PrincipalDeleted { principal: ANA },
        Event::GroupCreated {
            group: TEAM,
            name: about(TEAM, "Security"),
            description: "Who approves".into(),
            role_assignable: true,
            owners: vec![ANA],
            members: vec![BEN],
        },
        Event::GroupChanged { group: TEAM, name: Some(about(TEAM, "Safety")), description: Some("Approvers".into()) },
        Event::GroupChanged { group: TEAM, name: None, description: None },
        Event::ServiceCreated {
            service: PrincipalId::from_u128(0xd),
            name: about(PrincipalId::from_u128(0xd), "Deployer"),
            app: Uuid::from_u128(0xd1),
        },
        Event::MemberAdded { group: TEAM, member: ANA },
        Event::MemberRemoved { group: TEAM, member: ANA },
        Event::OwnerAdded { group: TEAM, owner: ANA },
        Event::OwnerRemoved { group: TEAM, owner: ANA },
        Event::UnitCreated { unit: UNIT, name: "Finance".into(), description: "Its hosts".into() },
        Event::UnitChanged { unit: UNIT, name: Some("Finance".into()), description: Some("Its hosts".into()) },
        Event::UnitChanged { unit: UNIT, name: None, description: None },
        Event::UnitDeleted { unit: UNIT },
        Event::UnitJoined { unit: UNIT, object: HOST.0 },
        Event::UnitLeft { unit: UNIT, object: HOST.0 },
        Event::RoleDefined { role: role(), rules: RuleChoice::Entra },
        Event::RoleChanged { role: role() },
        Event::RoleDeleted { role: ROLE },
        Event::RulesChanged { role: ROLE, changes: rule_changes() },
        Event::EligibilityGranted { ask: ask(Action::AdminAssign), starts: noon(), ends: Some(later()) },
        Event::EligibilityGranted { ask: bare(Action::AdminAssign, Expiration::Never), starts: noon(), ends: None },
        Event::EligibilityChanged {
            ask: bare(Action::AdminExtend, Expiration::At(later())),
            eligibility: ELIGIBILITY,
            starts: noon(),
            ends: Some(later()),
        },
        Event::EligibilityClosed {
            ask: bare(Action::AdminRemove, Expiration::Unspecified),
            eligibility: ELIGIBILITY,
            when: Removal::WhenRunningEnd,
        },
        Event::EligibilityEnded {
            eligibility: ELIGIBILITY,
            why: Why::Removed,
            ask: Some(bare(Action::AdminRemove, Expiration::Unspecified)),
        },
        Event::EligibilityEnded { eligibility: ELIGIBILITY, why: Why::TimeIsUp, ask: None },
        Event::AssignmentGranted { ask: bare(Action::AdminAssign, Expiration::Never), starts: noon(), ends: None },
        Event::AssignmentChanged {
            ask: bare(Action::AdminUpdate, Expiration::At(later())),
            assignment: ASSIGNMENT,
            starts: noon(),
            ends: Some(later()),
        },
        Event::ActivationShortened { assignment: ASSIGNMENT, ends: later() },
        Event::AssignmentEnded {
            assignment: ASSIGNMENT,
            why: Why::GivenUp,
            ask: Some(bare(Action::SelfDeactivate, Expiration::Unspecified)),
        },
        Event::AssignmentEnded { assignment: ASSIGNMENT, why: Why::TimeIsUp, ask: None },
        Event::ApprovalAsked { ask: ask(Action::SelfActivate), stages: vec![stage()], until: later() },
        Event::ActivationScheduled { ask: Some(ask(Action::SelfActivate)), request: REQUEST, starts: later() },
        Event::ActivationScheduled { ask: None, request: REQUEST, starts: later() },
        Event::ActivationBegan { ask: Some(ask(Action::SelfActivate)), request: REQUEST, ends: later() },
        Event::ActivationBegan { ask: None, request: REQUEST, ends: later() },
        Event::RequestApproved {
            request: REQUEST,
            stage: 0,
            by: BEN,
            reason: Some(about(BEN, "seen the alert, go ahead")),
        },
        Event::RequestDenied { request: REQUEST, stage: 0, by: BEN, reason: None },
        Event::RequestCanceled { request: REQUEST, why: Some(Why::EligibilityGone) },
        Event::RequestCanceled { request: REQUEST, why: None },
        Event::RequestTimedOut { request: REQUEST },
        Event::RequestFailed { request: REQUEST, why: Failure::RoleGone },
        Event::RequestsForgotten { before: noon() },
        Event::AskRefused {
            by: ANA,
            action: Action::SelfActivate,
            subject: ANA,
            target: Target::role(ROLE, Scope::Tenant),
            broken: vec!["expiration".into(), "mfa".into()],
        },
        Event::SignInNoted {
            principal: Some(ANA),
            outcome: SignIn::Succeeded,
            wrong: None,
            methods: vec![Method::Password, Method::Totp],
            count: 1,
            client: Some(about(ANA, "writ 0.1.0")),
            app: Some(Uuid::from_u128(0xa99)),
            from: vec![],
        },
        Event::SignInNoted {
            principal: None,
            outcome: SignIn::Failed,
            wrong: Some(Wrong::Name),
            methods: vec![],
            count: 40,
            client: None,
            app: None,
            from: vec![Source { address: about(PrincipalId::from_u128(0), "192.0.2.9"), count: 38 }],
        },
        Event::CodeIssued { principal: ANA, code: CREDENTIAL, expires: later() },
        Event::CredentialBound {
            principal: ANA,
            credential: CREDENTIAL,
            method: Method::Totp,
            version: 1,
            code: Some(CredentialId::from_u128(0x702)),
        },
        Event::CredentialRemoved { principal: ANA, credential: CREDENTIAL },
        Event::EmergencyMinted { user: ANA, credential: CREDENTIAL },
        Event::HostCodeIssued { code: CREDENTIAL, unit: Some(UNIT), expires: later() },
        Event::HostEnrolled {
            host: HOST,
            name: "fin-01".into(),
            key: "MCowBQYDK2VwAyEA".into(),
            code: CREDENTIAL,
            unit: Some(UNIT),
        },
        Event::HostRemoved { host: HOST },
        Event::HostReported {
            host: HOST,
            accounts: vec![LocalAccount { name: about(ANA, "ana"), uid: 1001 }],
            drift: vec![StrayGrant {
                place: Passage::new(vec![about(PrincipalId(HOST.0), "/etc/sudoers.d/local:3")]),
                text: Passage::new(vec![about(ANA, "ana"), about(PrincipalId(HOST.0), ": ALL=(ALL) ALL")]),
            }],
        },
        Event::AccountMapped { person, place: Place::Host(HOST), account: Some(about(ANA, "asilva")) },
        Event::AccountMapped { person, place: Place::Everywhere, account: None },
        Event::GrantIntended {
            grants: vec![Intent { assignment: ASSIGNMENT, principal: ANA, host: HOST, absent_before: true }],
        },
        Event::GrantsReported {
            results: vec![
                outcome(Effect::Intended),
                outcome(Effect::Effective),
                outcome(Effect::Refused(about(ANA, "no such account"))),
                outcome(Effect::Gone),
            ],
        },
        Event::EpochRaised { epoch: 2 },
        Event::Erased { principal: ANA },
        Event::ClockRecovered { at: noon() },
        Event::ApprovalUnsatisfiable { roles: vec![ROLE] },
        // New samples go to the end: the number of a sample is the number of its entry.
        Event::AccountRuleSet { place: Place::Unit(UNIT), rule: Some("adm-{upn}".into()) },
        Event::AccountRuleSet { place: Place::Everywhere, rule: None },
        Event::SessionsEnded { principal: ANA },
        Event::ActivationExtended { ask: ask(Action::SelfExtend), assignment: ASSIGNMENT, ends: later() },
        Event::MoreAsked {
            ask: ask(Action::SelfExtend),
            sort: Sort::Eligibility,
            of: Some(ELIGIBILITY.0),
            stages: vec![stage(), Stage::by_administrator()],
            until: later(),
        },
        Event::MoreAsked {
            ask: bare(Action::SelfRenew, Expiration::Never),
            sort: Sort::Assignment,
            of: None,
            stages: vec![Stage::by_administrator()],
            until: later(),
        },
        Event::AssignmentMade { assignment: ASSIGNMENT, principal: BEN, target: Target::role(ROLE, Scope::Tenant) },
    ]
}

/// The sample with this number as an entry; from the event, or from its JSON value.
fn sealed(number: u64, kind: &str, event: impl Serialize) -> Entry {
    let mut salt = u128::from(number) << 16;
    let envelope = Envelope {
        v: 1,
        kind: kind.to_owned(),
        seq: number,
        at: noon(),
        actor: Actor {
            principal: Some(ANA),
            via: Via::Api,
            session: Some(SessionId::from_u128(0x901)),
            address: Some(about(ANA, "192.0.2.7")),
        },
        cause: Cause { command: Uuid::from_u128(2), correlation: Uuid::from_u128(3), parent: None },
        event,
    };
    seal(envelope, &mut || {
        salt += 1;
        salt.to_be_bytes()
    })
}

/// A line of the golden file: an entry's line as exports have it.
#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    entry: &'a RawValue,
    leaf: &'a str,
    #[serde(borrow)]
    private: Option<&'a RawValue>,
}

fn golden() -> Vec<Entry> {
    let read = |line: &str| {
        let line: Line<'_> = serde_json::from_str(line).unwrap();
        let bytes = line.entry.get();
        let value: serde_json::Value = serde_json::from_str(bytes).unwrap();
        let entry = Entry {
            seq: value["seq"].as_u64().unwrap(),
            at: value["at"].as_str().unwrap().parse().unwrap(),
            kind: value["kind"].as_str().unwrap().to_owned(),
            bytes: bytes.as_bytes().to_vec(),
            private: line.private.map(|private| private.get().as_bytes().to_vec()),
        };
        assert_eq!(hex::encode(entry.leaf()), line.leaf, "the golden file itself was changed: {bytes}");
        entry
    };
    GOLDEN.lines().map(read).collect()
}

#[test]
fn every_kind_has_a_sample() {
    let kept: BTreeSet<String> = golden().into_iter().map(|entry| entry.kind).collect();
    let missing: Vec<_> = KINDS.iter().filter(|kind| !kept.contains(**kind)).collect();
    assert!(missing.is_empty(), "add a sample of {missing:?} to `samples` and its line to golden/entries.jsonl");
}

/// What was written once is read for ever: by value, whatever is written today.
#[test]
fn every_sample_can_still_be_read() {
    for entry in golden() {
        let envelope = open(&entry).unwrap();
        let (kind, v) = (envelope.kind.clone(), envelope.v);
        let event = Event::from_value(&kind, v, envelope.event.clone()).unwrap_or_else(|why| panic!("{why}"));
        assert_eq!(event.kind(), kind);
        assert_eq!(event.to_value(), envelope.event, "{kind} lost or gained something in reading");
    }
}

/// A kind that is written in another way than its sample has changed its shape.
#[test]
fn every_sample_is_written_as_it_was() {
    let (samples, golden) = (samples(), golden());
    for (number, event) in (1..).zip(&samples) {
        let entry = sealed(number, event.kind(), event);
        assert_eq!(sealed(number, event.kind(), event.to_value()), entry, "the way to the bytes makes no difference");
        let line = String::from_utf8(entry_line(&entry, false)).unwrap();
        assert!(
            golden.get(number as usize - 1) == Some(&entry),
            "sample {number}, {}, is not line {number} of golden/entries.jsonl. If the kind is new, the line to add is:\n\
             {line}If it is not, its shape has changed: give it a new version and an upcaster instead.",
            entry.kind
        );
    }
    assert_eq!(golden.len(), samples.len(), "the golden file has lines without a sample");
}
