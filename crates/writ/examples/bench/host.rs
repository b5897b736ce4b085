//! From the ask to root on a host, and from the end to a dead root shell: a whole server, a throwaway Linux host with
//! real sudo, and the agent of this build. It needs root.
//!
//! Always: the host is gone when the section ends, and the agent is this very program, called with `agent` first.

use crate::limits;
use crate::report::{Failed, Report, Times, span};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use writ::clock::Clock;
use writ::config::{Environment, Flags, Settings};
use writ::connectors::hosts::Hosts;
use writ::engine::{Engine, fresh_id};
use writ::server::{self, Serving, tenant};
use writ_agent::sandbox::{Agent, Inhabitant, Program, Sandbox};
use writ_core::command::{Caller, Command, Effect, Expiration, NewUser, Proof, Sort, Terms, TicketGiven};
use writ_core::decide::Answer;
use writ_core::ids::*;
use writ_core::log::Via;
use writ_core::role::DEVICE_ADMINISTRATOR;
use writ_core::rules::{Approval, Ending, RuleChange, RuleChoice, Stage};
use writ_core::scope::{Scope, Target};
use writ_core::time::Span;

const TIMES: usize = 60;
const SOON: Duration = Duration::from_secs(20);

pub(crate) fn run(report: &mut Report) -> Result<(), Failed> {
    let folder = limits::folder()?;
    let runtime = Runtime::new()?;
    let house = runtime.block_on(House::open(folder.path()))?;
    let (host, _agent) = house.host(&runtime)?;
    let title = format!("On a host: sudo, PAM and an agent in a sandbox, {TIMES} times");
    report.section(&title, &["what", "median", "p99", "longest"]);
    let (mut asked, mut ended, mut alone) = (Times::default(), Times::default(), Times::default());
    for _ in 0..TIMES {
        let begun = Instant::now();
        host.said("ana", &["true"])?;
        alone.add(begun.elapsed());
        house.once(&runtime, &host, &mut asked, &mut ended)?;
    }
    for (what, mut times) in [
        ("from the ask until the log says effective", asked),
        ("from the end until the root shell is dead (grace 0)", ended),
        ("limit: entering the host and running `true`", alone),
    ] {
        let cells = [0.5, 0.99, 1.0].map(|share| span(times.within(share)));
        report.row(&[&[what.to_owned()][..], &cells].concat());
    }
    drop(host);
    runtime.block_on(house.serving.stop());
    Ok(())
}

/// A server with one person who may be root, and nobody who has to approve.
struct House {
    serving: Serving,
    engine: Engine,
    administrator: PrincipalId,
    ana: PrincipalId,
    target: Target,
}

impl House {
    async fn open(data: &std::path::Path) -> Result<House, Failed> {
        let flags = Flags { data: Some(data.to_owned()), listen: Some("127.0.0.1:0".to_owned()), ..Flags::default() };
        let settings = Settings::gather(&flags, &Environment::default())?;
        let opened = tenant::open(data, TenantId(fresh_id()), Clock::system(), true).await?;
        let engine = opened.engine.clone();
        let user = |name: &str| NewUser {
            id: PrincipalId(fresh_id()),
            person: PersonId(fresh_id()),
            name: name.to_owned(),
            upn: format!("{name}@bench.example"),
        };
        let (administrator, ana) = (user("dana"), user("ana"));
        let found = Command::Found {
            name: "Bench".to_owned(),
            rules: RuleChoice::Tiers,
            span_min: Span::from_seconds(1),
            administrator: administrator.clone(),
            setup: Span::from_hours(8),
            emergency: vec![user("glass1"), user("glass2")],
        };
        engine.submit(found, Caller::console(fresh_id())).await?;
        let serving = server::serve(&settings, opened).await?;
        let target = Target::role(DEVICE_ADMINISTRATOR, Scope::Tenant);
        let house = House { serving, engine, administrator: administrator.id, ana: ana.id, target };
        let (stages, none) = (vec![Stage::one_of(Vec::new())], false);
        let changes = vec![
            RuleChange::Approval(Approval { required: none, required_for_extension: none, asker_reason: true, stages }),
            RuleChange::ActivationEnablement { mfa: true, reason: true, ticket: true },
            RuleChange::Ending(Ending { kill: true, grace: Span::ZERO }),
        ];
        house.submit(house.administrator, Command::CreateUser(ana)).await?;
        house
            .submit(house.administrator, Command::ChangeRules { role: DEVICE_ADMINISTRATOR, changes, seen: None })
            .await?;
        let eligible = Command::Assign {
            sort: Sort::Eligibility,
            terms: Terms { reason: Some("bench".to_owned()), ..Terms::of(house.ana, target, Expiration::Never) },
        };
        house.submit(house.administrator, eligible).await?;
        Ok(house)
    }

    fn caller(&self, principal: PrincipalId) -> Caller {
        let now = Some(self.engine.now());
        Caller::signed_in(fresh_id(), principal, Via::Api, Proof { signed_in: now, mfa: now, ..Proof::default() })
    }

    async fn submit(&self, principal: PrincipalId, command: Command) -> Result<Answer, Failed> {
        Ok(self.engine.submit(command, self.caller(principal)).await?.answer)
    }

    /// A running, enrolled host.
    fn host(&self, runtime: &Runtime) -> Result<(Sandbox, Agent), Failed> {
        let program = Program { binary: std::env::current_exe()?, words: vec!["agent".to_owned()] };
        let host = Sandbox::start("bench-01", &[Inhabitant::new("ana", 1001, "Ana Silva")], program)?;
        let issued = runtime.block_on(async {
            let hosts = Hosts::start(self.engine.clone(), self.serving.tenant.vault.clone()).await?;
            Ok::<_, Failed>(hosts.issue_code(None, self.caller(self.administrator)).await?)
        })?;
        host.enrol(&self.serving.url, &issued.code.reveal())?;
        let agent = host.start_agent()?;
        Ok((host, agent))
    }

    /// Asks, waits until it is effective, opens a root shell, gives the role up, and waits until the shell is dead.
    fn once(&self, runtime: &Runtime, host: &Sandbox, asked: &mut Times, ended: &mut Times) -> Result<(), Failed> {
        let ask = Command::RequestActivation(Terms {
            reason: Some("replace the failed disk".to_owned()),
            ticket: TicketGiven { number: Some("CHG-417".to_owned()), system: None },
            ..Terms::of(self.ana, self.target, Expiration::For(Span::from_hours(1)))
        });
        let begun = Instant::now();
        let Answer::Asked(made) = runtime.block_on(self.submit(self.ana, ask))? else {
            return Err("no request was made".into());
        };
        let assignment = AssignmentId(made.request.0);
        runtime.block_on(self.becomes(assignment, &Effect::Effective))?;
        asked.add(begun.elapsed());
        let mut shell = host.terminal("ana", "sudo -n -s")?;
        shell.types("echo uid-$(id -u)-$((40+2))")?;
        if !shell.shows("uid-0-42", SOON) {
            return Err(format!("no root shell: {}", shell.screen()).into());
        }
        let end = Command::Deactivate { principal: self.ana, target: self.target, reason: None };
        let begun = Instant::now();
        runtime.block_on(self.submit(self.ana, end))?;
        if !shell.is_gone(SOON) {
            return Err("the root shell outlived the end".into());
        }
        ended.add(begun.elapsed());
        runtime.block_on(self.becomes(assignment, &Effect::Gone))
    }

    /// Waits until the log says so of the assignment, on the one host there is.
    async fn becomes(&self, assignment: AssignmentId, wanted: &Effect) -> Result<(), Failed> {
        let mut newest = self.engine.watch();
        let reached = async {
            loop {
                let state = self.engine.state();
                let found = state.effects.iter().find(|((of, ..), _)| *of == assignment).map(|(_, effect)| effect);
                match found {
                    Some(effect) if effect == wanted => return Ok(()),
                    Some(Effect::Refused(why)) => {
                        return Err(Failed::from(format!("the host refused: {}", why.shown())));
                    }
                    None if *wanted == Effect::Gone => return Ok(()),
                    _ => newest.changed().await?,
                }
            }
        };
        tokio::time::timeout(SOON, reached).await.map_err(|_| format!("{wanted:?} did not come"))?
    }
}
