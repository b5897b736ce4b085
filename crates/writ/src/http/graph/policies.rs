//! Policies: each role's rules, under the ids Graph gives them. There is exactly one policy for each role; it is made
//! and deleted with the role and can only be edited.

use super::ask::{Answer, Ask, Moment, Route, Written};
use super::dispatch::Version;
use super::ids::{self, NotAPolicy};
use super::odata::filter::{Filter, Literal, Op};
use super::odata::options::{Of, Query as Options};
use super::odata::value::Value;
use super::odata::{Entity, Link, Linked, Property, Row};
use super::page::Shape;
use super::policy_rules::{RULE, RuleRow, change_of};
use crate::http::problem::Problem;
use crate::http::refused::{Part, problem};
use http::StatusCode;
use serde_json::{Value as Json, json};
use writ_core::command::Command;
use writ_core::ids::RoleId;
use writ_core::may::Query;
use writ_core::refusal::Refusal;
use writ_core::rules::{RuleChange, Rules};

/// `unifiedRoleManagementPolicy`
pub static POLICY: Entity = Entity {
    name: "unifiedRoleManagementPolicy",
    properties: &[
        Property::id("id"),
        Property::text("description"),
        Property::text("displayName"),
        Property::bool("isOrganizationDefault"),
        Property::time("lastModifiedDateTime"),
        Property::text("scopeId"),
        Property::text("scopeType"),
        Property::object("lastModifiedBy", &[Property::text("displayName"), Property::id("id")]),
    ],
    links: &[Link::many("rules", &RULE).mixed(), Link::many("effectiveRules", &RULE).mixed()],
    special: &[],
    or: true,
};

/// `unifiedRoleManagementPolicyAssignment`
pub static POLICY_ASSIGNMENT: Entity = Entity {
    name: "unifiedRoleManagementPolicyAssignment",
    properties: &[
        Property::id("id"),
        Property::id("policyId"),
        Property::text("scopeId"),
        Property::text("scopeType"),
        Property::id("roleDefinitionId"),
    ],
    links: &[Link::one("policy", &POLICY)],
    special: &[],
    or: true,
};

/// The policy of a role, under one of the two names Graph has for its kind.
#[derive(Clone, Copy)]
pub(super) struct Policy<'a> {
    moment: &'a Moment,
    role: RoleId,
    kind: &'static str,
    version: Version,
}

struct PolicyAssignment<'a>(Policy<'a>);

impl Policy<'_> {
    /// The role whose rules it is.
    pub(super) fn role(&self) -> RoleId {
        self.role
    }
    fn id(&self) -> String {
        ids::policy(self.kind, self.moment.state.tenant, self.role)
    }

    fn rules(&self) -> Vec<Box<dyn Row + '_>> {
        let Some(rules) = self.moment.state.rules.get(&self.role) else { return Vec::new() };
        RuleRow::all(self.moment, rules, self.version).map(|r| Box::new(r) as Box<dyn Row>).collect()
    }
}

impl Row for Policy<'_> {
    fn entity(&self) -> &'static Entity {
        &POLICY
    }
    fn get(&self, property: &str) -> Json {
        self.value(property).into_json()
    }
    fn value(&self, property: &str) -> Value<'_> {
        let changed = || self.moment.state.rules.get(&self.role).and_then(|r| r.changed);
        match property {
            "id" => self.id().into(),
            "description" | "displayName" | "scopeType" => self.kind.into(),
            "isOrganizationDefault" => false.into(),
            "lastModifiedDateTime" => changed().map(|(at, _)| at).into(),
            "lastModifiedBy" => {
                let by = changed().map(|(_, by)| json!({"displayName": self.moment.state.name_of(by), "id": null}));
                by.into()
            }
            "scopeId" => "/".into(),
            _ => Value::Null,
        }
    }
    fn link(&self, _name: &str) -> Linked<'_> {
        Linked::Many(self.rules())
    }
}

impl Row for PolicyAssignment<'_> {
    fn entity(&self) -> &'static Entity {
        &POLICY_ASSIGNMENT
    }
    fn get(&self, property: &str) -> Json {
        self.value(property).into_json()
    }
    fn value(&self, property: &str) -> Value<'_> {
        match property {
            "id" => format!("{}_{}", self.0.id(), self.0.role).into(),
            "policyId" => self.0.id().into(),
            "scopeId" => "/".into(),
            "scopeType" => self.0.kind.into(),
            "roleDefinitionId" => self.0.role.into(),
            _ => Value::Null,
        }
    }
    fn link(&self, _name: &str) -> Linked<'_> {
        Linked::One(Some(Box::new(self.0)))
    }
}

const POLICIES: &str = "policies/roleManagementPolicies";
const ASSIGNMENTS: &str = "policies/roleManagementPolicyAssignments";

/// What is offered.
pub const ROUTES: &[Route] = &[
    Route::get(POLICIES, list),
    Route::get("policies/roleManagementPolicies/{id}", one),
    Route::patch("policies/roleManagementPolicies/{id}", |ask| Box::pin(update(ask))),
    Route::get("policies/roleManagementPolicies/{id}/{link}", one),
    Route::get("policies/roleManagementPolicies/{id}/rules/{rule}", rule),
    Route::patch("policies/roleManagementPolicies/{id}/rules/{rule}", |ask| Box::pin(update_rule(ask))),
    Route::get("policies/roleManagementPolicies/{id}/effectiveRules/{rule}", rule),
    Route::get(ASSIGNMENTS, list_assignments),
    Route::get("policies/roleManagementPolicyAssignments/{id}", one_assignment),
    Route::get("policies/roleManagementPolicyAssignments/{id}/{link}", one_assignment),
];

fn no_provider() -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "MissingProvider", "The provider is missing.").wrapped()
}

/// The provider that a list's filter names: `scopeId` and `scopeType` are mandatory, and say which policies exist.
fn provider(ask: &Ask, entity: &'static Entity) -> Result<Option<&'static str>, Problem> {
    let query = Options::of(ask.options()?, entity, Of::Many)?;
    let filter = query.filter.as_ref();
    let scope = filter.and_then(|f| pinned(f, "scopeId")).ok_or_else(no_provider)?;
    let kind = filter.and_then(|f| pinned(f, "scopeType")).ok_or_else(no_provider)?;
    Ok(match kind {
        _ if scope != "/" => None,
        "directoryrole" => Some("DirectoryRole"),
        "directory" => Some("Directory"),
        "group" => None,
        _ => return Err(no_provider()),
    })
}

/// The text that a property must equal for the filter to hold, in lower case.
fn pinned<'f>(filter: &'f Filter, property: &str) -> Option<&'f str> {
    match filter {
        Filter::Compare(path, Op::Eq, Literal::Text(text)) if path.steps == [property] => Some(text),
        Filter::And(parts) => parts.iter().find_map(|p| pinned(p, property)),
        _ => None,
    }
}

/// The policies of a provider: of the roles that the query pins, or of all.
fn policies<'a>(ask: &'a Ask, kind: Option<&'static str>, query: &Options) -> Vec<Policy<'a>> {
    let (moment, Some(kind)) = (&ask.moment, kind) else { return Vec::new() };
    let roles: Vec<RoleId> = match query.pins("roleDefinitionId") {
        Some(pinned) => pinned.iter().filter_map(|r| r.parse().ok()).collect(),
        None => moment.state.rules.keys().copied().collect(),
    };
    let known = roles.into_iter().filter(|role| moment.state.rules.contains_key(role));
    known.map(|role| Policy { moment, role, kind, version: ask.version }).collect()
}

fn list(ask: &Ask) -> Result<Answer, Problem> {
    ask.reads(Query::Rules)?;
    let kind = provider(ask, &POLICY)?;
    ask.list_as(&POLICY, POLICIES, Shape::by_id().usual(999), |query, _| policies(ask, kind, query).into_iter())
}

fn list_assignments(ask: &Ask) -> Result<Answer, Problem> {
    ask.reads(Query::Rules)?;
    let kind = provider(ask, &POLICY_ASSIGNMENT)?;
    ask.list_as(&POLICY_ASSIGNMENT, ASSIGNMENTS, Shape::by_id().usual(999), |query, _| {
        policies(ask, kind, query).into_iter().map(PolicyAssignment)
    })
}

/// The policy that an id names.
pub(super) fn named<'a>(ask: &'a Ask, id: &str) -> Result<Policy<'a>, Problem> {
    match ids::policy_role(id, ask.moment.state.tenant) {
        Ok((kind, role)) if ask.moment.state.rules.contains_key(&role) => {
            Ok(Policy { moment: &ask.moment, role, kind, version: ask.version })
        }
        Err(NotAPolicy::NoProvider) => Err(no_provider()),
        _ => Err(ask.missing("id")),
    }
}

fn one(ask: &Ask) -> Result<Answer, Problem> {
    ask.reads(Query::Rules)?;
    ask.one(&POLICY, "policies/roleManagementPolicies/$entity", &named(ask, ask.at("id"))?)
}

fn one_assignment(ask: &Ask) -> Result<Answer, Problem> {
    ask.reads(Query::Rules)?;
    // `{policy id}_{role}`: the role stands twice, and both must agree.
    let id = ask.at("id");
    let (policy, role) = id.rsplit_once('_').ok_or_else(no_provider)?;
    let policy = named(ask, policy)?;
    if role.parse() != Ok(policy.role) {
        return Err(ask.missing("id"));
    }
    ask.one(&POLICY_ASSIGNMENT, "policies/roleManagementPolicyAssignments/$entity", &PolicyAssignment(policy))
}

fn rule(ask: &Ask) -> Result<Answer, Problem> {
    ask.reads(Query::Rules)?;
    let policy = named(ask, ask.at("id"))?;
    let rules = policy.moment.state.rules.get(&policy.role).ok_or_else(|| ask.missing("id"))?;
    let row = RuleRow::all(policy.moment, rules, ask.version).find(|r| r.id().eq_ignore_ascii_case(ask.at("rule")));
    let row = row.ok_or_else(|| ask.missing("rule"))?;
    ask.one(&RULE, &format!("policies/roleManagementPolicies('{}')/rules/$entity", policy.id()), &row)
}

/// How often a change is worked out anew because somebody else changed the same role's rules in between.
const TRIES: usize = 8;

/// Changes a role's rules by what `work` makes of them as they are. A PATCH says a part of a rule and what it leaves out
/// stays: so when somebody else changes the rules in between, the rest is taken from what they have become, and nobody's
/// change is undone by somebody who did not name it.
pub(super) async fn change_rules(
    ask: &Ask,
    role: RoleId,
    work: impl Fn(&Rules) -> Result<Vec<RuleChange>, Problem>,
) -> Result<Moment, Problem> {
    let mut moment = ask.moment.clone();
    let mut refused = None;
    for _ in 0..TRIES {
        let rules = moment.state.rules.get(&role).ok_or_else(|| ask.missing("id"))?;
        let (changes, seen) = (work(rules)?, Some(Box::new(Rules::clone(rules))));
        match ask.attempt(Command::ChangeRules { role, changes, seen }).await? {
            Ok((after, _)) => return Ok(after),
            Err(refusal @ Refusal::Changed { .. }) => refused = Some(refusal),
            Err(refusal) => return Err(problem(&refusal, Part::Rules)),
        }
        moment = Moment::of(&ask.app, &ask.caller);
    }
    Err(refused.map_or_else(Problem::internal, |refusal| problem(&refusal, Part::Rules)))
}

async fn update_rule(ask: &Ask) -> Written {
    let body = ask.body()?;
    let role = named(ask, ask.at("id"))?.role;
    change_rules(ask, role, |rules| Ok(vec![change_of(ask.at("rule"), &body.fields(), rules)?])).await?;
    Ok(Answer::Nothing)
}

async fn update(ask: &Ask) -> Written {
    // The answer shows the policy: what cannot be shown as asked is refused before anything is changed.
    ask.parsed(&POLICY, Of::One)?;
    let body = ask.body()?;
    let (role, kind) = {
        let policy = named(ask, ask.at("id"))?;
        (policy.role, policy.kind)
    };
    let parts = body.fields().objects("rules")?.unwrap_or_default();
    let moment = change_rules(ask, role, |rules| {
        let (mut rules, mut changes) = (rules.clone(), Vec::new());
        for fields in &parts {
            let change = change_of(fields.required("id")?, fields, &rules)?;
            rules.change(&change);
            changes.push(change);
        }
        Ok(changes)
    })
    .await?;
    let policy = Policy { moment: &moment, role, kind, version: ask.version };
    ask.one(&POLICY, "policies/roleManagementPolicies/$entity", &policy)
}
