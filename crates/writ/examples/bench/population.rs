//! A made-up organisation of any size, as the events that would have made it.
//! It never asks the rules: the events are applied as replay applies them.

use writ_core::command::Expiration;
use writ_core::event::{Action, Ask, Event, Why};
use writ_core::ids::*;
use writ_core::personal::Personal;
use writ_core::role;
use writ_core::rules::{Approver, RuleChoice, Stage};
use writ_core::scope::{Scope, Target};
use writ_core::state::{Meta, State};
use writ_core::time::{Span, Time};

/// So many people, each eligible for `EACH` roles; every third holds one of them now.
pub(crate) struct Population {
    pub(crate) people: u32,
    pub(crate) roles: Vec<RoleId>,
}

/// Eligibilities of one person.
pub(crate) const EACH: u32 = 10;

/// When it all happened.
pub(crate) const THEN: Time = Time::from_millis(1_795_000_000_000);

const PERSON: u128 = 1 << 100;
const REQUEST: u128 = 1 << 101;
const UNIT: u128 = 1 << 102;
const UNITS: u32 = 200;
const GROUP: u128 = 1 << 104;
/// How many wait for an approval.
const WAITING: u32 = 500;

impl Population {
    pub(crate) fn of(people: u32) -> Population {
        Population { people, roles: role::built_in().iter().map(|role| role.id).collect() }
    }

    pub(crate) fn tenant() -> TenantId {
        TenantId::from_u128(7)
    }

    /// The ids are spread over their range as random ones are, so that neighbours in time are none in an index.
    pub(crate) fn person(&self, number: u32) -> PrincipalId {
        PrincipalId::from_u128(spread(PERSON, number))
    }

    /// What the person may ask for: different roles, in the tenant or in one of many units.
    pub(crate) fn target(&self, person: u32, nth: u32) -> Target {
        let role = self.roles[(person + nth * 13) as usize % self.roles.len()];
        let scope = match nth % 3 {
            0 => Scope::Tenant,
            _ => Scope::Unit(UnitId::from_u128(spread(UNIT, (person + nth) % UNITS))),
        };
        Target::Role { role, scope }
    }

    /// Hands over every event, in order.
    pub(crate) fn events(&self, mut each: impl FnMut(Event)) {
        each(Event::TenantFounded {
            tenant: Self::tenant(),
            name: "Bench".to_owned(),
            rules: RuleChoice::Tiers,
            span_min: Span::from_minutes(5),
        });
        for number in 0..UNITS {
            let (name, description) = (format!("Unit {number}"), String::new());
            each(Event::UnitCreated { unit: UnitId::from_u128(spread(UNIT, number)), name, description });
        }
        for number in 0..self.people {
            let user = self.person(number);
            let name = Personal::new(user, format!("Person {number}"));
            let upn = Personal::new(user, format!("person.{number}@bench.example"));
            each(Event::UserCreated { user, person: PersonId(user.0), name, upn, emergency: false });
        }
        for number in 0..self.people {
            for nth in 0..EACH {
                let ask = self.ask(number, nth, Action::AdminAssign);
                each(Event::EligibilityGranted { ask, starts: THEN, ends: None });
            }
            if number % 3 == 0 {
                let ask = self.ask(number, EACH, Action::SelfActivate);
                let request = ask.request;
                each(Event::ActivationBegan { ask: Some(ask), request, ends: THEN + Span::from_days(300) });
            }
            if number % 1_000 == 999 {
                each(Self::settled());
            }
        }
        each(Self::settled());
    }

    /// Nobody makes a million people eligible in a month: what the requests were has left the live state.
    fn settled() -> Event {
        Event::RequestsForgotten { before: THEN + Span::from_days(31) }
    }

    /// What the last days left behind, handed over as events: everybody activated a role and gave it back, some wait for
    /// this approver, and all are in one group.
    pub(crate) fn lately(&self, approver: PrincipalId, mut each: impl FnMut(Event)) {
        for number in 0..self.people {
            // Over the whole range, as the ids are that the server makes.
            let request = RequestId::from_u128(spread(0, number) << 32);
            let ask = Ask { request, ..self.ask(number, 1, Action::SelfActivate) };
            if number % (self.people / WAITING) == 0 {
                let stages = vec![Stage::one_of(vec![Approver::User(approver)])];
                each(Event::ApprovalAsked { ask, stages, until: THEN + Span::from_days(300) });
            } else {
                each(Event::ActivationBegan { ask: Some(ask), request, ends: THEN + Span::from_hours(1) });
                let assignment = AssignmentId(request.0);
                each(Event::AssignmentEnded { assignment, why: Why::TimeIsUp, ask: None });
            }
        }
        let (name, description) = (Personal::new(Self::everybody(), "Everybody"), String::new());
        let (group, role_assignable, owners) = (Self::everybody(), false, Vec::new());
        let members = (0..self.people).map(|number| self.person(number)).collect();
        each(Event::GroupCreated { group, name, description, role_assignable, owners, members });
    }

    /// The group of all people.
    pub(crate) fn everybody() -> PrincipalId {
        PrincipalId::from_u128(GROUP)
    }

    /// Somebody's nth eligibility.
    pub(crate) fn eligibility(&self, number: u32, nth: u32) -> EligibilityId {
        EligibilityId(self.ask(number, nth, Action::AdminAssign).request.0)
    }

    fn ask(&self, number: u32, nth: u32, action: Action) -> Ask {
        let subject = self.person(number);
        Ask {
            request: RequestId::from_u128(spread(REQUEST, number * (EACH + 1) + nth)),
            by: Some(subject),
            subject,
            action,
            target: self.target(number, nth % EACH),
            start: None,
            expiration: Expiration::Never,
            reason: Some(Personal::new(subject, "quarterly review of access")),
            ticket: None,
            eligibility: (action == Action::SelfActivate)
                .then(|| EligibilityId::from_u128(spread(REQUEST, number * (EACH + 1)))),
            mfa: None,
        }
    }

    /// The state after all events.
    pub(crate) fn state(&self) -> State {
        let mut state = State::empty(Self::tenant());
        self.events(|event| state.apply(&Meta { seq: state.seq + 1, at: THEN, actor: None }, &event));
        state
    }
}

/// A well-mixed number in the range that starts at `base` (a step of splitmix64).
fn spread(base: u128, number: u32) -> u128 {
    let mut mixed = u64::from(number).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    base | (u128::from(mixed ^ (mixed >> 31)) << 32) | u128::from(number)
}
