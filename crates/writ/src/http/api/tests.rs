//! What the routes say about a small organisation, asked of the real engine in memory.

use super::shape::{Mark, Question};
use super::{explain, names, progress, roles, status};
use crate::clock::Clock;
use crate::engine::{Engine, Start, fresh_id};
use crate::store::{Store, memory};
use std::sync::Arc;
use writ_core::command::{Caller, Command, Expiration, NewUser, Proof, Sort, Terms, TicketGiven, Via};
use writ_core::decide::{Answer, Context};
use writ_core::ids::{PersonId, PrincipalId, RequestId, RoleId, TenantId};
use writ_core::role::DEVICE_ADMINISTRATOR;
use writ_core::rules::RuleChoice;
use writ_core::scope::{Scope, Target};
use writ_core::time::Span;

struct House {
    engine: Engine,
    clock: Clock,
    dana: PrincipalId,
    ana: PrincipalId,
}

impl House {
    async fn new() -> Self {
        let clock = Clock::by_hand("2026-11-21T12:00:00Z".parse().unwrap());
        let engine = Engine::start(Start {
            tenant: TenantId::from_u128(1),
            store: Store::Memory(memory::Log::new()),
            clock: clock.clone(),
            key: writ_core::log::checkpoint::SigningKey::from_bytes(&[7; 32]),
            snapshot: None,
            last_words: Arc::new(|why| panic!("{why}")),
        });
        let engine = engine.await.unwrap();
        let new = |name: &str, upn: &str| NewUser {
            id: PrincipalId(fresh_id()),
            person: PersonId(fresh_id()),
            name: name.into(),
            upn: upn.into(),
        };
        let administrator = new("Dana Weiss", "dana@northwind.example");
        let dana = administrator.id;
        let founding = Command::Found {
            name: "Northwind".into(),
            rules: RuleChoice::Tiers,
            span_min: Span::from_minutes(5),
            administrator,
            setup: Span::from_hours(8),
            emergency: vec![new("Emergency 1", "e1@northwind.example"), new("Emergency 2", "e2@northwind.example")],
        };
        engine.submit(founding, Caller::console(fresh_id())).await.unwrap();
        let ana = PrincipalId(fresh_id());
        let house = Self { engine, clock, dana, ana };
        let user = NewUser {
            id: ana,
            person: PersonId(fresh_id()),
            name: "Ana Silva".into(),
            upn: "ana@northwind.example".into(),
        };
        house.does(dana, Command::CreateUser(user)).await;
        house
    }
    fn caller(&self, who: PrincipalId) -> Caller {
        let proof = Proof { signed_in: Some(self.engine.now()), mfa: Some(self.engine.now()), ..Proof::default() };
        Caller::signed_in(fresh_id(), who, Via::Cli, proof)
    }
    fn stale(&self, who: PrincipalId) -> Context {
        let proof = Proof { signed_in: Some(self.engine.now()), ..Proof::default() };
        self.engine.context(&Caller::signed_in(fresh_id(), who, Via::Cli, proof))
    }
    fn context(&self, who: PrincipalId) -> Context {
        self.engine.context(&self.caller(who))
    }
    async fn does(&self, who: PrincipalId, command: Command) -> Answer {
        self.engine.submit(command, self.caller(who)).await.unwrap().answer
    }
    async fn eligible(&self, role: RoleId) {
        self.does(
            self.dana,
            Command::Assign {
                sort: Sort::Eligibility,
                terms: Terms {
                    reason: Some("on call".into()),
                    ..Terms::of(self.ana, Target::role(role, Scope::Tenant), Expiration::For(Span::from_days(30)))
                },
            },
        )
        .await;
    }
    async fn asks(&self) -> RequestId {
        let answer = self
            .does(
                self.ana,
                Command::RequestActivation(Terms {
                    reason: Some("replace the disk".into()),
                    ticket: TicketGiven { number: Some("CHG-417".into()), system: None },
                    ..Terms::of(
                        self.ana,
                        Target::role(DEVICE_ADMINISTRATOR, Scope::Tenant),
                        Expiration::For(Span::from_hours(1)),
                    )
                }),
            )
            .await;
        let Answer::Asked(asked) = answer else { panic!("{answer:?}") };
        asked.request
    }
    fn question(&self) -> Question {
        Question { role: DEVICE_ADMINISTRATOR.to_string(), ready: true, ..Question::default() }
    }
}

#[tokio::test]
async fn an_ask_with_nothing_in_it_is_told_everything_that_is_missing_at_once() {
    let house = House::new().await;
    house.eligible(DEVICE_ADMINISTRATOR).await;
    let question = Question { span: Some(Span::from_hours(12)), ..house.question() };
    let told = explain::answer(&house.engine.state(), &question, &house.stale(house.ana)).unwrap();
    assert!(!told.can);
    let missing: Vec<&str> = told.rows.iter().filter(|r| r.mark == Mark::No).map(|r| r.rule.as_str()).collect();
    assert_eq!(missing, ["duration", "reason", "ticket", "MFA"]);
    assert_eq!(told.span_max, Some(Span::from_hours(2)));
    assert!(told.rows.iter().any(|r| r.mark == Mark::Later && r.rule == "approval"), "what comes after is told too");
}

#[tokio::test]
async fn what_explain_calls_possible_succeeds_when_it_is_asked() {
    let house = House::new().await;
    house.eligible(DEVICE_ADMINISTRATOR).await;
    let question = Question {
        span: Some(Span::from_hours(1)),
        reason: Some("replace the disk".into()),
        ticket: Some("CHG-417".into()),
        ..house.question()
    };
    let told = explain::answer(&house.engine.state(), &question, &house.context(house.ana)).unwrap();
    assert!(told.can, "{told:?}");
    house.asks().await;
    let told = explain::answer(&house.engine.state(), &question, &house.context(house.ana)).unwrap();
    assert!(!told.can && told.rows.iter().any(|r| r.rule == "already asked" && r.told.contains("writ cancel")));
}

#[tokio::test]
async fn an_activation_is_followed_from_asking_to_its_end() {
    let house = House::new().await;
    house.eligible(DEVICE_ADMINISTRATOR).await;
    let request = house.asks().await;
    let at = |who| progress::progress(&house.engine.state(), request, &house.context(who));
    let told = at(house.ana).unwrap();
    assert_eq!(format!("{:?}", told.stage), "Approval");
    assert!(told.deciders.iter().any(|one| one.name == "Dana Weiss"));
    let seen = told.mark;
    let status = status::status(&house.engine.state(), &house.context(house.dana)).unwrap();
    assert_eq!(status.deciding.len(), 1);
    assert_eq!(status.deciding[0].reason.as_deref(), Some("replace the disk"));
    let decision = Command::DecideRequest { request, stage: 0, approve: true, reason: Some("go ahead".into()) };
    house.does(house.dana, decision).await;
    let told = at(house.ana).unwrap();
    assert_ne!(told.mark, seen);
    assert_eq!(format!("{:?}", told.stage), "Active");
    assert_eq!(told.decision.unwrap().by.name, "Dana Weiss");
    let status = status::status(&house.engine.state(), &house.context(house.ana)).unwrap();
    assert_eq!((status.active.len(), status.waiting.len()), (1, 0));
    house.clock.advance(Span::from_hours(2));
    let status = status::status(&house.engine.state(), &house.context(house.ana)).unwrap();
    assert!(status.active.is_empty(), "what has passed is not shown as held, whether or not its end is recorded");
}

#[tokio::test]
async fn somebody_elses_request_and_one_that_is_not_there_read_the_same() {
    let house = House::new().await;
    house.eligible(DEVICE_ADMINISTRATOR).await;
    let request = house.asks().await;
    let ben = PrincipalId(fresh_id());
    let user =
        NewUser { id: ben, person: PersonId(fresh_id()), name: "Ben".into(), upn: "ben@northwind.example".into() };
    house.does(house.dana, Command::CreateUser(user)).await;
    let told = |id| progress::progress(&house.engine.state(), id, &house.context(ben)).unwrap_err().told();
    let nowhere = RequestId(fresh_id());
    assert_eq!(told(request).replace(&request.to_string(), "X"), told(nowhere).replace(&nowhere.to_string(), "X"));
    let question = Question { principal: Some(house.ana.to_string()), ..house.question() };
    assert!(explain::answer(&house.engine.state(), &question, &house.context(ben)).is_err(), "not his business");
}

#[tokio::test]
async fn names_mean_what_people_type() {
    let house = House::new().await;
    let state = house.engine.state();
    let found = |kind: &str, typed: &str| {
        let meanings = names::names(&state, kind, typed, &house.context(house.ana)).unwrap();
        meanings.found.into_iter().map(|one| one.name).collect::<Vec<_>>()
    };
    assert_eq!(found("role", "ga"), ["Global Administrator", "Groups Administrator"]);
    for typed in [
        "Device Administrators",
        "Microsoft Entra Joined Device Local Administrator",
        "azure ad joined device local administrator",
        "9f06204d-73c1-4d4c-880a-6edb90606fd8",
    ] {
        assert_eq!(found("role", typed), ["Device Administrators"], "{typed}");
    }
    assert_eq!(found("user", "ana"), ["Ana Silva"]);
    assert_eq!(found("user", "dana"), ["Dana Weiss"], "an exact name wins over the end of another");
    assert!(found("user", "nobody").is_empty());
}

#[tokio::test]
async fn a_role_that_is_bound_to_nothing_says_so() {
    let house = House::new().await;
    let told = roles::roles(&house.engine.state(), &house.context(house.ana)).unwrap();
    let role = |name: &str| told.iter().find(|one| one.role.name == name).unwrap();
    assert_eq!(role("Device Administrators").gives, ["root on hosts"]);
    assert_eq!(role("Device Administrators").tier, "critical");
    assert!(!role("Global Administrator").gives.is_empty());
    assert!(role("Exchange Administrator").gives.is_empty());
}
