//! Requests for eligibilities and assignments: asking, looking, taking back.
//! A body becomes one command; a dry run (`isValidationOnly`) passes exactly the same judgement and keeps nothing.

use super::ask::{Answer, Ask, Moment, Route, Whose, Written};
use super::asked;
use super::body::Fields;
use super::held::{Found, Seen};
use super::odata::value::Value;
use super::odata::{Entity, Link, Linked, Property, Row};
use super::schedules::{ASSIGNMENT_SCHEDULE, AssignmentRow, ELIGIBILITY_SCHEDULE, EligibilityRow};
use super::targets::{self, SCHEDULE};
use crate::http::problem::Problem;
use crate::http::refused::Part;
use http::StatusCode;
use serde_json::{Value as Json, json};
use std::sync::Arc;
use writ_core::command::{Command, Expiration, More, Removal, Sort, Terms, TicketGiven};
use writ_core::decide::{Answer as Decided, may_decide};
use writ_core::event::{Action, Ticket};
use writ_core::ids::{AssignmentId, EligibilityId, PrincipalId, RequestId, RoleId};
use writ_core::may::{Query, View};
use writ_core::personal::Personal;
use writ_core::scope::{Scope, Target};
use writ_core::state::{Request, Status};

const IDENTITY: &[Property] = &[Property::text("displayName"), Property::id("id")];
const PROPERTIES: &[Property] = &[
    Property::id("id"),
    Property::text("status"),
    Property::time("createdDateTime"),
    Property::time("completedDateTime"),
    Property::id("approvalId"),
    Property::text("customData").shown(),
    Property::text("action"),
    Property::id("principalId"),
    Property::id("roleDefinitionId"),
    Property::id("directoryScopeId"),
    Property::id("appScopeId"),
    Property::bool("isValidationOnly"),
    Property::id("targetScheduleId"),
    Property::text("justification"),
    Property::object("createdBy", &[Property::object("user", IDENTITY), Property::object("application", IDENTITY)]),
    Property::object("scheduleInfo", SCHEDULE),
    Property::object("ticketInfo", &[Property::text("ticketNumber"), Property::text("ticketSystem")]),
];

/// `unifiedRoleEligibilityScheduleRequest`
pub static ELIGIBILITY_REQUEST: Entity = Entity {
    name: "unifiedRoleEligibilityScheduleRequest",
    properties: PROPERTIES,
    links: targets::held_links![Link::one("targetSchedule", &ELIGIBILITY_SCHEDULE)],
    special: &[],
    or: true,
};

/// `unifiedRoleAssignmentScheduleRequest`
pub static ASSIGNMENT_REQUEST: Entity = Entity {
    name: "unifiedRoleAssignmentScheduleRequest",
    properties: PROPERTIES,
    links: targets::held_links![
        Link::one("targetSchedule", &ASSIGNMENT_SCHEDULE),
        Link::one("activatedUsing", &ELIGIBILITY_SCHEDULE),
    ],
    special: &[],
    or: true,
};

/// A request as a row.
pub struct RequestRow<'a> {
    /// The moment it is seen at.
    pub moment: &'a Moment,
    /// The request.
    pub request: &'a Request,
    /// Whether it was only rehearsed.
    pub rehearsed: bool,
}

/// A status in Graph's words. What an administrator decides has words of its own.
fn status_name(status: Status, administrators: bool) -> &'static str {
    match status {
        Status::PendingApproval if administrators => "PendingAdminDecision",
        Status::Denied if administrators => "AdminDenied",
        Status::PendingApproval => "PendingApproval",
        Status::Granted => "Granted",
        Status::Provisioned => "Provisioned",
        Status::Revoked => "Revoked",
        Status::Denied => "Denied",
        Status::Canceled => "Canceled",
        Status::TimedOut => "TimedOut",
        Status::Failed => "Failed",
    }
}

const ACTIONS: &[(Action, &str)] = &[
    (Action::AdminAssign, "adminAssign"),
    (Action::AdminUpdate, "adminUpdate"),
    (Action::AdminRemove, "adminRemove"),
    (Action::SelfActivate, "selfActivate"),
    (Action::SelfDeactivate, "selfDeactivate"),
    (Action::AdminExtend, "adminExtend"),
    (Action::AdminRenew, "adminRenew"),
    (Action::SelfExtend, "selfExtend"),
    (Action::SelfRenew, "selfRenew"),
];

/// An action in Graph's words.
pub(super) fn action_name(action: Action) -> &'static str {
    ACTIONS.iter().find(|(a, _)| *a == action).map_or("", |(_, name)| name)
}

/// The action that a word names, in any case.
pub(super) fn action_named(word: &str) -> Option<Action> {
    ACTIONS.iter().find(|(_, name)| name.eq_ignore_ascii_case(word)).map(|(action, _)| *action)
}

/// The statuses that many requests have, or that are found among the open ones.
pub(super) const STATUSES: [&str; 5] = ["PendingAdminDecision", "PendingApproval", "Granted", "Provisioned", "Revoked"];

/// Whether a request takes something away: then it has neither schedule nor window.
fn takes(action: Action) -> bool {
    matches!(action, Action::AdminRemove | Action::SelfDeactivate)
}

/// Where a request stands in Graph's words.
fn status_of(moment: &Moment, r: &Request) -> Status {
    // A grant by an administrator that is still ahead is `Granted`, as an activation's is.
    match (r.status, r.starts) {
        (Status::Provisioned, Some(starts)) if starts > moment.now => Status::Granted,
        (status, _) => status,
    }
}

/// What a request's status is shown as.
pub(super) fn shown_status(moment: &Moment, r: &Request) -> &'static str {
    status_name(status_of(moment, r), r.stages.iter().any(|s| s.stage.administrators()))
}

impl Row for RequestRow<'_> {
    fn entity(&self) -> &'static Entity {
        match self.request.sort {
            Sort::Eligibility => &ELIGIBILITY_REQUEST,
            Sort::Assignment => &ASSIGNMENT_REQUEST,
        }
    }

    fn get(&self, property: &str) -> Json {
        self.value(property).into_json()
    }

    fn value(&self, property: &str) -> Value<'_> {
        let (r, ask) = (self.request, &self.request.ask);
        match property {
            "id" => ask.request.into(),
            "status" => shown_status(self.moment, r).into(),
            "createdDateTime" => r.made.into(),
            "completedDateTime" if takes(ask.action) || r.status == Status::PendingApproval => Value::Null,
            // Of a grant that is still ahead, Graph gives the start.
            "completedDateTime" if matches!(r.status, Status::Granted | Status::Provisioned) => {
                r.starts.max(r.completed).into()
            }
            "completedDateTime" => r.completed.into(),
            "approvalId" if r.stages.is_empty() => Value::Null,
            "approvalId" => ask.request.into(),
            "action" => action_name(ask.action).into(),
            "isValidationOnly" => self.rehearsed.into(),
            "targetScheduleId" if takes(ask.action) => Value::Null,
            "targetScheduleId" => r.schedule.unwrap_or(ask.request.0).into(),
            "justification" => ask.reason.as_ref().map(Personal::shown).into(),
            "createdBy" => made_by(self.moment, ask.by),
            "scheduleInfo" if takes(ask.action) => Value::Null,
            "scheduleInfo" => {
                let start = if r.status == Status::PendingApproval { ask.start } else { r.starts.or(ask.start) };
                targets::asked(start, ask.expiration)
            }
            "ticketInfo" => ticket(ask.ticket.as_ref()),
            other => targets::property(ask.subject, ask.target, other),
        }
    }

    fn link(&self, name: &str) -> Linked<'_> {
        let (moment, r) = (self.moment, self.request);
        // Whoever made a request, or may decide it, sees it; what its subject holds now may be more than they may see.
        if matches!(name, "targetSchedule" | "activatedUsing") && !moment.sees_roles_of(r.ask.subject) {
            return Linked::One(None);
        }
        let eligibility = |id: EligibilityId| EligibilityRow::of(moment, id).map(EligibilityRow::boxed);
        let schedule = r.schedule.or_else(|| (r.status == Status::Granted).then_some(r.ask.request.0));
        match (name, schedule) {
            ("targetSchedule", None) => Linked::One(None),
            ("targetSchedule", Some(id)) if r.sort == Sort::Eligibility => Linked::One(eligibility(EligibilityId(id))),
            ("targetSchedule", Some(id)) => {
                Linked::One(AssignmentRow::of(moment, AssignmentId(id)).map(AssignmentRow::boxed))
            }
            ("activatedUsing", _) => Linked::One(r.ask.eligibility.and_then(eligibility)),
            _ => targets::link(moment, r.ask.subject, r.ask.target, name),
        }
    }
}

/// `createdBy`, as its JSON: somebody, or a program that spoke for itself.
fn made_by(moment: &Moment, by: Option<PrincipalId>) -> Value<'static> {
    let program = |by| moment.state.principals.get(&by).is_some_and(|p| p.service().is_some());
    let identity = |by: Option<PrincipalId>, out: &mut Vec<u8>| match by {
        None => out.extend_from_slice(b"null"),
        Some(by) => {
            out.extend_from_slice(br#"{"displayName":null,"id":"#);
            Value::from(by).write(out);
            out.push(b'}');
        }
    };
    let mut out = br#"{"application":"#.to_vec();
    identity(by.filter(|by| program(*by)), &mut out);
    out.extend_from_slice(br#","device":null,"user":"#);
    identity(by.filter(|by| !program(*by)), &mut out);
    out.push(b'}');
    Value::written(out)
}

/// `ticketInfo`, as its JSON.
fn ticket(ticket: Option<&Ticket>) -> Value<'static> {
    let part = |of: fn(&Ticket) -> Option<&Personal>| Value::from(ticket.and_then(of).map(Personal::shown));
    let mut out = br#"{"ticketNumber":"#.to_vec();
    part(|t| t.number.as_ref()).write(&mut out);
    out.extend_from_slice(br#","ticketSystem":"#);
    part(|t| t.system.as_ref()).write(&mut out);
    out.push(b'}');
    Value::written(out)
}

/// With this annotation a `selfExtend` is about the caller's running activation.
const EXTEND_ACTIVATION: &str = "@writ.activation";

const ELIGIBILITIES: &str = "roleManagement/directory/roleEligibilityScheduleRequests";
const ASSIGNMENTS: &str = "roleManagement/directory/roleAssignmentScheduleRequests";
const ON: &[&str] = &["principal", "createdBy", "approver"];

/// What is offered.
pub const ROUTES: &[Route] = &[
    Route::get_later(ELIGIBILITIES, |ask| Box::pin(list(ask, Sort::Eligibility, Ok(Whose::Everybody)))),
    Route::post(ELIGIBILITIES, |ask| Box::pin(create(ask, Sort::Eligibility))),
    Route::get_later("roleManagement/directory/roleEligibilityScheduleRequests/filterByCurrentUser(on)", |ask| {
        Box::pin(list(ask, Sort::Eligibility, ask.current_user(ON)))
    }),
    Route::get_later("roleManagement/directory/roleEligibilityScheduleRequests/{id}", |ask| {
        Box::pin(one(ask, Sort::Eligibility))
    }),
    Route::get_later("roleManagement/directory/roleEligibilityScheduleRequests/{id}/{link}", |ask| {
        Box::pin(one(ask, Sort::Eligibility))
    }),
    Route::post("roleManagement/directory/roleEligibilityScheduleRequests/{id}/cancel", |ask| {
        Box::pin(cancel(ask, Sort::Eligibility))
    }),
    Route::get_later(ASSIGNMENTS, |ask| Box::pin(list(ask, Sort::Assignment, Ok(Whose::Everybody)))),
    Route::post(ASSIGNMENTS, |ask| Box::pin(create(ask, Sort::Assignment))),
    Route::get_later("roleManagement/directory/roleAssignmentScheduleRequests/filterByCurrentUser(on)", |ask| {
        Box::pin(list(ask, Sort::Assignment, ask.current_user(ON)))
    }),
    Route::get_later("roleManagement/directory/roleAssignmentScheduleRequests/{id}", |ask| {
        Box::pin(one(ask, Sort::Assignment))
    }),
    Route::get_later("roleManagement/directory/roleAssignmentScheduleRequests/{id}/{link}", |ask| {
        Box::pin(one(ask, Sort::Assignment))
    }),
    Route::post("roleManagement/directory/roleAssignmentScheduleRequests/{id}/cancel", |ask| {
        Box::pin(cancel(ask, Sort::Assignment))
    }),
];

fn named(sort: Sort) -> (&'static Entity, &'static str, &'static str) {
    match sort {
        Sort::Eligibility => {
            (&ELIGIBILITY_REQUEST, ELIGIBILITIES, "roleManagement/directory/roleEligibilityScheduleRequests/$entity")
        }
        Sort::Assignment => {
            (&ASSIGNMENT_REQUEST, ASSIGNMENTS, "roleManagement/directory/roleAssignmentScheduleRequests/$entity")
        }
    }
}

async fn list(ask: &Ask, sort: Sort, whose: Result<Whose, Problem>) -> Written {
    let whose = whose?;
    let view = ask.reads(Query::Grants)?;
    let (moment, me) = (&ask.moment, ask.moment.me);
    let (entity, path, _) = named(sort);
    let mine = move |r: &Request| match (whose, me) {
        (Whose::Everybody, _) => true,
        (Whose::Principal, Some(me)) => r.ask.subject == me,
        (Whose::CreatedBy, Some(me)) => r.ask.by == Some(me),
        (Whose::Approver, Some(me)) => may_decide(&moment.state, r, me, moment.now),
        (_, None) => false,
    };
    let query = ask.query(entity)?.given(&[("appScopeId", Value::Null), ("isValidationOnly", false.into())]);
    let Found { shape, rows } = asked::requests(ask, sort, &query, Seen { whose, view }).await?;
    let rows = rows.filter(|r| r.sort == sort).map(|request| RequestRow { moment, request, rehearsed: false });
    let shown = |row: &RequestRow| mine(row.request) && ask.sees_request(row.request, view);
    ask.page_of_shown(&query, path, &shape, rows, shown)
}

/// The request that the path names, if it is of this sort and may be seen: a live one, or one that was closed long ago.
async fn found(ask: &Ask, sort: Sort, view: View) -> Result<Arc<Request>, Problem> {
    let id: RequestId = ask.id_at("id")?;
    let request = match ask.moment.state.requests.get(&id) {
        Some(live) => Some(Arc::clone(live)),
        None => ask.history().await?.request(id).await.map_err(|fault| ask.faulted(&fault))?.map(Arc::new),
    };
    request.filter(|r| r.sort == sort && ask.sees_request(r, view)).ok_or_else(|| ask.missing("id"))
}

async fn one(ask: &Ask, sort: Sort) -> Written {
    let view = ask.reads(Query::Grants)?;
    let request = found(ask, sort, view).await?;
    let (entity, _, context) = named(sort);
    ask.one(entity, context, &RequestRow { moment: &ask.moment, request: &request, rehearsed: false })
}

async fn cancel(ask: &Ask, sort: Sort) -> Written {
    let view = ask.reads(Query::Grants)?;
    let request = found(ask, sort, view).await?.ask.request;
    ask.submit_as(Command::CancelRequest { request }, Part::Cancelling).await?;
    Ok(Answer::Nothing)
}

async fn create(ask: &Ask, sort: Sort) -> Written {
    let body = ask.body()?;
    let wish = wish(&body.fields(), sort)?;
    asked(ask, sort, &wish).await.map(Answer::Made)
}

/// What a body asks for.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    /// The command that it becomes.
    pub(super) command: Command,
    /// For whom, and what.
    pub(super) about: (PrincipalId, Target),
    /// Whether it is only to be rehearsed.
    pub(super) rehearse: bool,
}

/// Reads what a body asks for.
pub(super) fn wish(fields: &Fields<'_>, sort: Sort) -> Result<Wish, Problem> {
    let read = || {
        let (command, rehearse) = read(fields, sort)?;
        Ok(Wish { command, about: (fields.required_id("principalId")?, target(fields)?), rehearse })
    };
    read().map_err(as_request)
}

/// Asks for it, or rehearses it: the request as it then stands.
async fn asked(ask: &Ask, sort: Sort, wish: &Wish) -> Result<Json, Problem> {
    let (moment, answer) = match wish.rehearse {
        true => ask.rehearse(&wish.command, Part::Requests)?,
        false => ask.submit_as(wish.command.clone(), Part::Requests).await?,
    };
    shown(ask, sort, &moment, &answer, wish.rehearse)
}

/// The request that was made, as it stands at this moment.
pub(super) fn shown(
    ask: &Ask,
    sort: Sort,
    moment: &Moment,
    answer: &Decided,
    rehearsed: bool,
) -> Result<Json, Problem> {
    let made = match answer {
        Decided::Asked(asked) => moment.state.requests.get(&asked.request),
        _ => None,
    };
    let row = made.map(|request| RequestRow { moment, request, rehearsed });
    let (entity, _, context) = named(sort);
    match ask.created(entity, context, row.as_ref())? {
        Answer::Made(json) => Ok(finer(json)),
        _ => Err(Problem::internal()),
    }
}

/// The moment at which a request was made has seven digits behind the second in the answer that makes it, and three
/// in every later one: so Graph writes it.
fn finer(mut request: Json) -> Json {
    let made = request["createdDateTime"].as_str().unwrap_or_default().to_owned();
    let finer = |time: &mut Json| {
        if let Some(text) = time.as_str().filter(|text| *text == made).and_then(|text| text.strip_suffix('Z')) {
            *time = json!(format!("{text}0000Z"));
        }
    };
    for path in ["/createdDateTime", "/completedDateTime", "/scheduleInfo/startDateTime"] {
        request.pointer_mut(path).map(finer);
    }
    request
}

/// A body that cannot be read has its own code here.
fn as_request(problem: Problem) -> Problem {
    invalid(format!("The role assignment request is invalid. {}", problem.message()))
}

fn invalid(message: impl Into<String>) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "InvalidRoleAssignmentRequest", message)
}

/// The command that a body asks for, and whether it is only to be rehearsed.
fn read(fields: &Fields<'_>, sort: Sort) -> Result<(Command, bool), Problem> {
    let names: Vec<&str> = ACTIONS.iter().map(|(_, name)| *name).collect();
    fields.required("action")?;
    let name = fields.one_of("action", &names)?.unwrap_or_default();
    let action = ACTIONS.iter().find(|(_, n)| *n == name).map_or(Action::AdminAssign, |(a, _)| *a);
    let principal: PrincipalId = fields.required_id("principalId")?;
    let target = target(fields)?;
    let reason = fields.text("justification")?.map(str::to_owned);
    let rehearse = fields.flag("isValidationOnly")?.unwrap_or(false);
    let (start, expiration) = schedule(fields)?;
    let ticket = match fields.object("ticketInfo")? {
        None => TicketGiven::default(),
        Some(ticket) => TicketGiven {
            number: ticket.text("ticketNumber")?.map(str::to_owned),
            system: ticket.text("ticketSystem")?.map(str::to_owned),
        },
    };
    let terms = Terms { principal, target, start, expiration, reason, ticket };
    let command = match (action, sort) {
        (Action::AdminAssign, _) => Command::Assign { sort, terms },
        (Action::AdminUpdate, _) => Command::Reassign { sort, terms },
        (Action::AdminRemove, _) => {
            Command::Remove { sort, principal, target, when: Removal::Now, reason: terms.reason }
        }
        (Action::SelfActivate, Sort::Assignment) => Command::RequestActivation(terms),
        (Action::SelfDeactivate, Sort::Assignment) => Command::Deactivate { principal, target, reason: terms.reason },
        (Action::SelfActivate | Action::SelfDeactivate, Sort::Eligibility) => {
            return Err(invalid(format!("'{name}' is asked of roleAssignmentScheduleRequests.")));
        }
        // Writ's own: Graph knows no action that lengthens what is switched on, so a client has to say that it means it.
        (Action::SelfExtend, Sort::Assignment) if fields.bool(EXTEND_ACTIVATION)?.unwrap_or(false) => {
            Command::ExtendActivation(terms)
        }
        (Action::AdminExtend | Action::AdminRenew, _) => {
            let more = if action == Action::AdminExtend { More::Extension } else { More::Renewal };
            Command::Prolong { more, sort, terms }
        }
        (Action::SelfExtend | Action::SelfRenew, _) => {
            let more = if action == Action::SelfExtend { More::Extension } else { More::Renewal };
            Command::AskToProlong { more, sort, terms }
        }
    };
    Ok((command, rehearse))
}

fn target(fields: &Fields<'_>) -> Result<Target, Problem> {
    let role: RoleId = fields.required_id("roleDefinitionId")?;
    if fields.text("appScopeId")?.is_some_and(|s| !s.is_empty()) {
        return Err(invalid("'appScopeId' is not offered; give a 'directoryScopeId'."));
    }
    fields.required("directoryScopeId")?;
    let wanted = "'/', '/administrativeUnits/{id}' or '/{object id}'";
    let scope: Option<Scope> = fields.read("directoryScopeId", wanted)?;
    Ok(Target::role(role, scope.unwrap_or(Scope::Tenant)))
}

/// `scheduleInfo`. Without one, or without a type, the expiration is not specified and the core decides.
fn schedule(fields: &Fields<'_>) -> Result<(Option<writ_core::time::Time>, Expiration), Problem> {
    let Some(info) = fields.object("scheduleInfo")? else { return Ok((None, Expiration::Unspecified)) };
    // Serialisers that know the property write it empty; only one that says something would be lost.
    let says = |v: &Json| v.as_object().is_none_or(|fields| fields.values().any(|field| !field.is_null()));
    if info.value("recurrence").is_some_and(says) {
        return Err(invalid("'scheduleInfo/recurrence' is not offered: recurring schedules are unsupported."));
    }
    let start = info.time("startDateTime")?;
    let Some(expiration) = info.object("expiration")? else { return Ok((start, Expiration::Unspecified)) };
    let end = expiration.time("endDateTime")?;
    let duration = expiration.span("duration")?;
    let kinds = ["notSpecified", "noExpiration", "afterDateTime", "afterDuration"];
    let kind = expiration.one_of("type", &kinds)?;
    let needed = |name: &str| invalid(format!("'scheduleInfo/expiration/{name}' is needed with this type."));
    let one = |expiration| Ok((start, expiration));
    match kind {
        Some("noExpiration") if end.is_none() && duration.is_none() => one(Expiration::Never),
        Some("noExpiration") => Err(invalid("'noExpiration' goes with neither endDateTime nor duration.")),
        Some("afterDateTime") => one(Expiration::At(end.ok_or_else(|| needed("endDateTime"))?)),
        Some("afterDuration") => one(Expiration::For(duration.ok_or_else(|| needed("duration"))?)),
        _ => match (end, duration) {
            (Some(_), Some(_)) => Err(invalid("Give either endDateTime or duration, and the type that says which.")),
            (Some(end), None) => one(Expiration::At(end)),
            (None, Some(span)) => one(Expiration::For(span)),
            (None, None) => one(Expiration::Unspecified),
        },
    }
}
