//! Stories for tests: people by name, times by the clock on the wall, and the log told in sentences as the assertion.

use crate::command::*;
use crate::decide::{Answer, Context, Decision, decide};
use crate::due;
use crate::event::Event;
use crate::ids::*;
use crate::refusal::Refusal;
use crate::role::{DEVICE_ADMINISTRATOR, GLOBAL_ADMINISTRATOR};
use crate::rules::{Approval, Approver, RuleChange, RuleChoice, Stage};
use crate::scope::{Scope, Target};
use crate::state::{Meta, State};
use crate::time::{Span, Time};
use crate::told::told;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

/// Midnight of the day on which every story happens.
pub(crate) const DAY: Time = Time::from_millis(1_795_219_200_000);

/// Device Administrators in the whole tenant.
pub(crate) const ROOT: Target = Target::role(DEVICE_ADMINISTRATOR, Scope::Tenant);
/// Global Administrator in the whole tenant.
pub(crate) const GLOBAL: Target = Target::role(GLOBAL_ADMINISTRATOR, Scope::Tenant);

pub(crate) struct Story {
    pub state: State,
    pub now: Time,
    pub log: Vec<(Meta, Event)>,
    told: Vec<String>,
    next: u128,
    /// How long ago everybody proved their second factor; `None` for never.
    pub mfa_age: Option<Span>,
}

pub(crate) fn clock(text: &str) -> Time {
    let (h, m) = text.split_once(':').expect("a clock time");
    let minutes = h.parse::<u32>().expect("hours") * 60 + m.parse::<u32>().expect("minutes");
    DAY + Span::from_minutes(minutes)
}

pub(crate) fn minutes(n: u32) -> Span {
    Span::from_minutes(n)
}

impl Story {
    /// A tenant at eight in the morning: dana is its first administrator; ana, ben and carla are users; ben and carla
    /// are in the group security; ana has a second account, ana-adm.
    pub(crate) fn new() -> Story {
        let mut s = Story {
            state: State::empty(TenantId::from_u128(1)),
            now: clock("08:00"),
            log: Vec::new(),
            told: Vec::new(),
            next: 0x1000,
            mfa_age: Some(Span::from_minutes(1)),
        };
        let user = |n: u128, p: u128, name: &str| NewUser {
            id: PrincipalId::from_u128(n),
            person: PersonId::from_u128(p),
            name: name.into(),
            upn: format!("{name}@northwind.example"),
        };
        let found = Command::Found {
            name: "Northwind".into(),
            rules: RuleChoice::Tiers,
            span_min: Span::from_minutes(5),
            administrator: user(100, 200, "dana"),
            setup: Span::from_hours(8),
            emergency: vec![user(101, 201, "emergency-1"), user(102, 202, "emergency-2")],
        };
        s.console(found).expect("founded");
        for (n, p, name) in
            [(103, 203, "ana"), (104, 204, "ben"), (105, 205, "carla"), (106, 203, "ana-adm"), (107, 207, "eve")]
        {
            s.by("dana", Command::CreateUser(user(n, p, name))).expect("created");
        }
        let members = vec![s.id("ben"), s.id("carla")];
        s.by(
            "dana",
            Command::CreateGroup {
                group: PrincipalId::from_u128(110),
                name: "security".into(),
                description: String::new(),
                role_assignable: false,
                owners: Vec::new(),
                members,
            },
        )
        .expect("created");
        s.told.clear();
        s
    }

    /// The same, with ana eligible for Device Administrators and security as its approvers.
    pub(crate) fn with_ana_eligible() -> Story {
        let mut s = Story::new();
        s.by("dana", s.make_eligible("ana", ROOT)).expect("eligible");
        s.by("dana", approvers(DEVICE_ADMINISTRATOR, vec![Approver::Group(s.id("security"))])).expect("approvers");
        s.told.clear();
        s
    }

    pub(crate) fn id(&self, name: &str) -> PrincipalId {
        let found = self.state.principals.values().find(|p| p.name.text() == Some(name));
        found.unwrap_or_else(|| panic!("nobody is called {name}")).id
    }

    pub(crate) fn context(&mut self, caller: Caller) -> Context {
        let mut fresh = || {
            self.next += 1;
            Uuid::from_u128(self.next)
        };
        Context { now: self.now, ids: [fresh(), fresh(), fresh(), fresh()], caller, clock_doubt: None }
    }

    pub(crate) fn caller(&self, name: &str) -> Caller {
        self.caller_for(self.id(name))
    }

    pub(crate) fn caller_for(&self, id: PrincipalId) -> Caller {
        let emergency = self.state.principals.get(&id).is_some_and(|p| p.emergency());
        let mfa = self.mfa_age.map(|age| self.now.before(age));
        let proof = Proof { signed_in: mfa, mfa, emergency, contexts: Vec::new() };
        Caller::signed_in(Uuid::from_u128(7), id, Via::Api, proof)
    }

    /// Somebody gives a command; what follows is applied.
    pub(crate) fn by(&mut self, name: &str, command: Command) -> Result<Answer, Refusal> {
        let caller = self.caller(name);
        self.run(caller, command)
    }

    pub(crate) fn console(&mut self, command: Command) -> Result<Answer, Refusal> {
        self.run(Caller::console(Uuid::from_u128(9)), command)
    }

    pub(crate) fn time(&mut self, command: Command) -> Result<Answer, Refusal> {
        self.run(Caller::timer(Uuid::from_u128(8)), command)
    }

    pub(crate) fn run(&mut self, caller: Caller, command: Command) -> Result<Answer, Refusal> {
        let context = self.context(caller);
        let Decision { events, answer } = decide(&self.state, &command, &context);
        if answer.is_err() {
            assert!(
                events.iter().all(|e| matches!(e, Event::AskRefused { .. })),
                "a refusal changes no right: {events:?}"
            );
        }
        for event in events {
            let meta = Meta { seq: self.state.seq + 1, at: self.now, actor: context.caller.principal };
            let before = self.state.clone();
            self.state.apply(&meta, &event);
            let wall = |t: Time| {
                let minute = t.since(DAY).millis() / 60_000;
                format!("{:02}:{:02}", minute / 60, minute % 60)
            };
            self.told.push(format!("{} {}", wall(self.now), told(&before, &self.state, &meta, &event, &wall)));
            self.log.push((meta, event));
        }
        answer
    }

    /// Lets time pass until this clock time, carrying out what falls due on the way, at its own moment.
    pub(crate) fn at(&mut self, text: &str) -> &mut Story {
        self.until(clock(text))
    }

    pub(crate) fn until(&mut self, to: Time) -> &mut Story {
        assert!(to >= self.now, "time only goes forward");
        for _ in 0..10_000 {
            match due::next(&self.state, self.now).filter(|t| *t <= to) {
                None => break,
                Some(next) => {
                    self.now = self.now.max(next);
                    let commands = due::due(&self.state, self.now, 100);
                    if commands.is_empty() {
                        // Only a window opens: step over it.
                        self.now = self.now + Span::from_millis(1);
                    }
                    for command in commands {
                        let _ = self.time(command);
                    }
                }
            }
        }
        self.now = self.now.max(to);
        self
    }

    pub(crate) fn make_eligible(&self, name: &str, target: Target) -> Command {
        Command::Assign { sort: Sort::Eligibility, terms: Terms::of(self.id(name), target, Expiration::Never) }
    }

    pub(crate) fn activation(&self, name: &str, target: Target, span: Span) -> Command {
        Command::RequestActivation(Terms {
            reason: Some("replace the failed disk".into()),
            ticket: TicketGiven { number: Some("CHG-417".into()), system: None },
            ..Terms::of(self.id(name), target, Expiration::For(span))
        })
    }

    /// Asks, and returns the request.
    pub(crate) fn asks(&mut self, name: &str, target: Target, span: Span) -> RequestId {
        let command = self.activation(name, target, span);
        match self.by(name, command) {
            Ok(Answer::Asked(asked)) => asked.request,
            other => panic!("{name} was not heard: {other:?}"),
        }
    }

    pub(crate) fn decides(&mut self, name: &str, request: RequestId, approve: bool) -> Result<Answer, Refusal> {
        let stage = self.open_stage(request);
        self.decides_stage(name, request, stage, approve)
    }

    /// Decides this stage, whichever is open.
    pub(crate) fn decides_stage(
        &mut self,
        name: &str,
        request: RequestId,
        stage: u8,
        approve: bool,
    ) -> Result<Answer, Refusal> {
        self.by(name, Command::DecideRequest { request, stage, approve, reason: Some("seen the alert".into()) })
    }

    /// The stage of a request that waits, as a page would show it; the first one when none does.
    pub(crate) fn open_stage(&self, request: RequestId) -> u8 {
        self.state.requests.get(&request).and_then(|r| r.open_stage()).unwrap_or(0) as u8
    }

    pub(crate) fn holds(&self, name: &str, target: Target) -> bool {
        crate::holds::holds(&self.state, self.id(name), target.role_id(), target.scope(), self.now)
    }

    /// What happened since the story began, told.
    pub(crate) fn told(&self) -> String {
        self.told.join("\n")
    }

    /// The rights there are, for comparing before and after.
    pub(crate) fn rights(&self) -> (Vec<Arc<crate::state::Eligibility>>, Vec<Arc<crate::state::Assignment>>) {
        (self.state.eligibilities.values().cloned().collect(), self.state.assignments.values().cloned().collect())
    }
}

pub(crate) fn approvers(role: RoleId, approvers: Vec<Approver>) -> Command {
    let approval = Approval {
        required: true,
        required_for_extension: false,
        asker_reason: true,
        stages: vec![Stage::one_of(approvers)],
    };
    Command::ChangeRules { role, changes: vec![RuleChange::Approval(approval)], seen: None }
}

pub(crate) fn refused(result: Result<Answer, Refusal>) -> String {
    match result {
        Ok(answer) => panic!("was not refused: {answer:?}"),
        Err(refusal) => refusal.told().to_string(),
    }
}
