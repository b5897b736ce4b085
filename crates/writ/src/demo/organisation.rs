//! The demo's organisation, Northwind: built through ordinary commands, each judged like anybody's.
//! It makes no assignment of its own: what people hold in the demo they ask for.
//!
//! Always: seeding twice is refused by the same rules that refuse it to everybody.

use crate::engine::{Engine, Wrong, fresh_id};
use crate::store::Fault;
use serde::{Deserialize, Serialize};
use writ_core::command::{Caller, Command, Expiration, NewUser, Proof, Sort, Terms, Via};
use writ_core::ids::{DeviceId, PersonId, PrincipalId, RoleId, UnitId};
use writ_core::role::DEVICE_ADMINISTRATOR;
use writ_core::rules::{Approval, Approver, Ending, RuleChange, Rules, Stage};
use writ_core::scope::{Scope, Target};
use writ_core::time::Span;

/// The organisation's name.
pub(super) const NAME: &str = "Northwind";
/// The shortest activation in the demo; a real tenant has five minutes.
pub(super) const SPAN_MIN: Span = Span::from_seconds(10);
/// The longest activation of the role of the story.
pub(super) const SPAN_MAX: Span = Span::from_hours(2);
/// How old a proof may be during the story: short, so that the story can show what happens when it is older.
pub(super) const STORY_FRESH: Span = Span::from_seconds(10);
/// How long eligibilities last, and the administrator of an organisation that is kept.
pub(super) const KEPT: Span = Span::from_days(180);
/// How long the end of an elevated session is put off, at most.
const GRACE: Span = Span::from_seconds(5);

/// Somebody who is created: the word the demo calls them by, name, account, and what they do.
pub(super) const PEOPLE: &[(&str, &str, &str, &str)] = &[
    ("ana", "Ana Silva", "ana@northwind.example", "engineer, eligible for Device Administrators"),
    ("ben", "Ben Okafor", "ben@northwind.example", "approver, team Security"),
    ("carla", "Carla Ruiz", "carla@northwind.example", "approver, team Security"),
];
/// The first administrator.
pub(super) const ADMINISTRATOR: (&str, &str, &str, &str) =
    ("dana", "Dana Weiss", "dana@northwind.example", "administrator, for the set-up");

/// What was made.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Northwind {
    /// Ana, Ben and Carla, in the order of [`PEOPLE`].
    pub(super) people: Vec<PrincipalId>,
    /// Who approves.
    pub(super) security: PrincipalId,
    /// A role-assignable group for scripts to work on.
    pub(super) operators: PrincipalId,
    /// The unit of the host.
    pub(super) finance: UnitId,
    /// The role of the story.
    pub(super) role: RoleId,
    /// A role for scripts to work on.
    pub(super) script_role: RoleId,
}

/// Builds it, as the first administrator.
///
/// # Errors
/// When a command is refused or the log cannot be written; both mean that the demo cannot go on.
pub(super) async fn build(engine: &Engine, administrator: PrincipalId) -> Result<Northwind, Fault> {
    let act = As { engine, administrator };
    let mut people = Vec::new();
    for (_, name, account, _) in PEOPLE {
        let id = PrincipalId(fresh_id());
        let user = NewUser { id, person: PersonId(fresh_id()), name: (*name).into(), upn: (*account).into() };
        act.submit(Command::CreateUser(user)).await?;
        people.push(id);
    }
    let [ana, ben, carla] = people[..] else { return Err(Fault::new("the demo has three people beside Dana")) };
    let security = act.group("Security", "Approves administrator rights", false, vec![ben, carla]).await?;
    let operators = act.group("Database Operators", "Run the databases", true, Vec::new()).await?;
    let finance = UnitId(fresh_id());
    act.submit(Command::CreateUnit {
        unit: finance,
        name: "Finance".into(),
        description: "The finance systems".into(),
    })
    .await?;
    act.submit(Command::AddToUnit { unit: finance, object: ana.0 }).await?;
    let role = DEVICE_ADMINISTRATOR;
    let mut changes = rules_of_the_story(security);
    changes.push(RuleChange::Freshness { mfa_age_max: STORY_FRESH });
    act.submit(Command::ChangeRules { role, changes, seen: None }).await?;
    let named = |name: &str| named(engine, name);
    let script_role = named("Exchange Administrator")?;
    act.eligible(ana, role, "on call for the finance hosts").await?;
    act.eligible(ana, named("Reports Reader")?, "monthly figures").await?;
    act.eligible(ben, named("Security Administrator")?, "incident response").await?;
    act.eligible(carla, named("User Administrator")?, "joiners and leavers").await?;
    Ok(Northwind { people, security, operators, finance, role, script_role })
}

/// The rules of the story's role, apart from how fresh a proof must be.
fn rules_of_the_story(security: PrincipalId) -> Vec<RuleChange> {
    vec![
        RuleChange::ActivationExpiration { span_max: SPAN_MAX },
        RuleChange::ActivationEnablement { mfa: true, reason: true, ticket: true },
        RuleChange::Approval(Approval {
            required: true,
            required_for_extension: false,
            asker_reason: true,
            stages: vec![Stage::one_of(vec![Approver::Group(security)])],
        }),
        RuleChange::Ending(Ending { kill: true, grace: GRACE }),
    ]
}

/// Whether the story's role still has the rules that the story tells of.
pub(super) fn has_the_rules_of_the_story(rules: &Rules, security: PrincipalId) -> bool {
    let mut same = rules.clone();
    rules_of_the_story(security).iter().for_each(|change| same.change(change));
    same == *rules
}

/// Takes a host out that is gone: the sandbox of an earlier run.
///
/// # Errors
/// As [`build`].
pub(super) async fn host_is_gone(engine: &Engine, administrator: PrincipalId, host: DeviceId) -> Result<(), Fault> {
    As { engine, administrator }.submit(Command::RemoveHost { host }).await
}

/// Lets the administrator go on when the set-up is over, for an organisation that is kept: with the roles' rules and
/// with hosts, and nothing else.
///
/// # Errors
/// As [`build`].
pub(super) async fn goes_on(engine: &Engine, administrator: PrincipalId) -> Result<(), Fault> {
    let act = As { engine, administrator };
    for name in ["Privileged Role Administrator", "Cloud Device Administrator"] {
        act.gives(Sort::Assignment, administrator, named(engine, name)?, "keeps the demo going").await?;
    }
    Ok(())
}

fn named(engine: &Engine, name: &str) -> Result<RoleId, Fault> {
    let state = engine.state();
    let found = state.roles.values().find(|r| r.is_called(name)).map(|r| r.id);
    found.ok_or_else(|| Fault::new(format!("the role data has no {name}")))
}

/// Makes proofs count as fresh for so long on these roles.
///
/// # Errors
/// As [`build`].
pub(super) async fn fresh_for(
    engine: &Engine,
    administrator: PrincipalId,
    roles: &[RoleId],
    mfa_age_max: Span,
) -> Result<(), Fault> {
    let act = As { engine, administrator };
    for role in roles {
        act.submit(Command::ChangeRules {
            role: *role,
            changes: vec![RuleChange::Freshness { mfa_age_max }],
            seen: None,
        })
        .await?;
    }
    Ok(())
}

/// Lets nothing be removed or given up before it is so old: the switch for compatibility with Entra.
///
/// # Errors
/// As [`build`]; more than five minutes is refused.
pub(super) async fn age_min(engine: &Engine, administrator: PrincipalId, age_min: Span) -> Result<(), Fault> {
    let act = As { engine, administrator };
    act.submit(Command::ChangeSettings { name: None, span_min: None, age_min: Some(age_min) }).await
}

/// The first administrator at work.
struct As<'a> {
    engine: &'a Engine,
    administrator: PrincipalId,
}

impl As<'_> {
    async fn submit(&self, command: Command) -> Result<(), Fault> {
        let proof = Proof { signed_in: Some(self.engine.now()), mfa: Some(self.engine.now()), ..Proof::default() };
        let caller = Caller::signed_in(fresh_id(), self.administrator, Via::Cli, proof);
        match self.engine.submit(command, caller).await {
            Ok(_) => Ok(()),
            Err(Wrong::Refused(refusal)) => {
                Err(Fault::new(format!("setting up the demo was refused: {}", refusal.told())))
            }
            Err(Wrong::Fault(fault)) => Err(fault),
        }
    }

    async fn group(
        &self,
        name: &str,
        description: &str,
        role_assignable: bool,
        members: Vec<PrincipalId>,
    ) -> Result<PrincipalId, Fault> {
        let group = PrincipalId(fresh_id());
        let (name, description) = (name.to_owned(), description.to_owned());
        self.submit(Command::CreateGroup { group, name, description, role_assignable, owners: Vec::new(), members })
            .await?;
        Ok(group)
    }

    async fn eligible(&self, principal: PrincipalId, role: RoleId, reason: &str) -> Result<(), Fault> {
        self.gives(Sort::Eligibility, principal, role, reason).await
    }

    async fn gives(&self, sort: Sort, principal: PrincipalId, role: RoleId, reason: &str) -> Result<(), Fault> {
        self.submit(Command::Assign {
            sort,
            terms: Terms {
                reason: Some(reason.to_owned()),
                ..Terms::of(principal, Target::role(role, Scope::Tenant), Expiration::For(KEPT))
            },
        })
        .await
    }
}
