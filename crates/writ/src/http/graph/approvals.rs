//! Approvals of requests: who may see them, and deciding their steps. In beta only, as in Graph.

use super::ask::{Answer, Ask, Moment, Route, Whose, Written};
use super::ids;
use super::odata::{Entity, Link, Linked, Property, Row};
use super::schedule_requests::{ASSIGNMENT_REQUEST, RequestRow};
use crate::http::problem::Problem;
use crate::http::refused::Part;
use serde_json::{Value as Json, json};
use writ_core::command::Command;
use writ_core::decide::may_decide;
use writ_core::ids::{PrincipalId, RequestId};
use writ_core::may::Query;
use writ_core::state::{Request, Status, Verdict};

/// `approvalStep`
pub static STEP: Entity = Entity {
    name: "approvalStep",
    properties: &[
        Property::id("id"),
        Property::bool("assignedToMe"),
        Property::text("displayName").shown(),
        Property::text("justification"),
        Property::text("reviewResult"),
        Property::object(
            "reviewedBy",
            &[
                Property::id("id"),
                Property::text("displayName"),
                Property::text("userPrincipalName"),
                Property::text("mail"),
            ],
        ),
        Property::time("reviewedDateTime"),
        Property::text("status"),
    ],
    links: &[],
    special: &[],
    or: true,
};

/// `approval`
pub static APPROVAL: Entity = Entity {
    name: "approval",
    properties: &[Property::id("id")],
    links: &[
        Link::many("steps", &STEP),
        Link::many("completedSteps", &STEP),
        Link::many("pendingSteps", &STEP),
        Link::one("request", &ASSIGNMENT_REQUEST),
    ],
    special: &[],
    or: true,
};

struct Approval<'a> {
    moment: &'a Moment,
    request: &'a Request,
}

struct Step<'a> {
    moment: &'a Moment,
    request: &'a Request,
    stage: usize,
}

impl Approval<'_> {
    fn steps(&self) -> impl Iterator<Item = Step<'_>> {
        (0..self.request.stages.len()).map(|stage| Step { moment: self.moment, request: self.request, stage })
    }
}

impl Row for Approval<'_> {
    fn entity(&self) -> &'static Entity {
        &APPROVAL
    }
    fn get(&self, property: &str) -> Json {
        if property == "id" { json!(self.request.ask.request) } else { Json::Null }
    }
    fn link(&self, name: &str) -> Linked<'_> {
        let steps = |wanted: fn(&Step<'_>) -> bool| {
            Linked::Many(self.steps().filter(wanted).map(|s| Box::new(s) as Box<dyn Row>).collect())
        };
        match name {
            "steps" => steps(|_| true),
            "completedSteps" => steps(|s| s.decided().is_some()),
            "pendingSteps" => steps(|s| s.decided().is_none() && s.request.status == Status::PendingApproval),
            _ => {
                Linked::One(Some(Box::new(RequestRow { moment: self.moment, request: self.request, rehearsed: false })))
            }
        }
    }
}

impl Step<'_> {
    /// The decision that settled it, once there is one.
    fn decided(&self) -> Option<&Verdict> {
        let stage = &self.request.stages[self.stage];
        stage.decided.last().filter(|_| stage.approved() || stage.denied())
    }

    /// Who decided it, with what a program shows of them.
    fn reviewer(&self, by: PrincipalId) -> Json {
        let state = &self.moment.state;
        let upn = state.principals.get(&by).and_then(|p| p.user()).map(|user| user.upn.shown());
        json!({"id": by, "displayName": state.name_of(by), "userPrincipalName": upn, "mail": upn})
    }
}

impl Row for Step<'_> {
    fn entity(&self) -> &'static Entity {
        &STEP
    }
    fn get(&self, property: &str) -> Json {
        let (r, moment) = (self.request, self.moment);
        let last = self.decided();
        match property {
            "id" => json!(ids::step(r.ask.request, self.stage)),
            "assignedToMe" => {
                let may = |me| r.open_stage() == Some(self.stage) && may_decide(&moment.state, r, me, moment.now);
                json!(moment.me.is_some_and(may))
            }
            "justification" => json!(last.and_then(|v| v.reason.as_ref()).map(|t| t.shown())),
            "reviewResult" => json!(match last {
                None => "NotReviewed",
                Some(v) if v.approve => "Approve",
                Some(_) => "Deny",
            }),
            "reviewedBy" => json!(last.map(|v| self.reviewer(v.by))),
            "reviewedDateTime" => json!(last.map(|v| v.at)),
            "status" => json!(match r.status {
                _ if last.is_some() => "Completed",
                Status::PendingApproval if r.open_stage() == Some(self.stage) => "InProgress",
                Status::PendingApproval => "Initializing",
                Status::TimedOut => "Expired",
                _ => "Completed",
            }),
            _ => Json::Null,
        }
    }
}

const PATH: &str = "roleManagement/directory/roleAssignmentApprovals";

/// What is offered.
pub const ROUTES: &[Route] = &[
    Route::get(PATH, |ask| list(ask, Whose::Everybody)),
    Route::get("roleManagement/directory/roleAssignmentApprovals/filterByCurrentUser(on)", |ask| {
        list(ask, ask.current_user(&["approver", "target", "createdBy"])?)
    }),
    Route::get("roleManagement/directory/roleAssignmentApprovals/{id}", one),
    Route::get("roleManagement/directory/roleAssignmentApprovals/{id}/{link}", one),
    Route::get("roleManagement/directory/roleAssignmentApprovals/{id}/steps/{step}", step),
    Route::patch("roleManagement/directory/roleAssignmentApprovals/{id}/steps/{step}", |ask| Box::pin(decide(ask))),
];

fn list(ask: &Ask, whose: Whose) -> Result<Answer, Problem> {
    let view = ask.reads(Query::Grants)?;
    let (moment, me) = (&ask.moment, ask.moment.me);
    let mine = move |r: &Request| match (whose, me) {
        (Whose::Everybody, _) => true,
        (Whose::Principal, Some(me)) => r.ask.subject == me,
        (Whose::CreatedBy, Some(me)) => r.ask.by == Some(me),
        (Whose::Approver, Some(me)) => {
            r.stages.iter().flat_map(|s| &s.decided).any(|v| v.by == me) || may_decide(&moment.state, r, me, moment.now)
        }
        (_, None) => false,
    };
    ask.list(&APPROVAL, PATH, |_, from| {
        let all = ask.reach.count(moment.state.requests.range(RequestId(from)..)).map(|(_, r)| &**r);
        all.filter(|r| !r.stages.is_empty())
            .filter(move |r| mine(r) && ask.sees_request(r, view))
            .map(move |request| Approval { moment, request })
    })
}

fn found(ask: &Ask) -> Result<Approval<'_>, Problem> {
    let view = ask.reads(Query::Grants)?;
    let id: RequestId = ask.id_at("id")?;
    let request = ask.moment.state.requests.get(&id).map(|r| &**r).filter(|r| !r.stages.is_empty());
    let request = request.filter(|r| ask.sees_request(r, view)).ok_or_else(|| ask.missing("id"))?;
    Ok(Approval { moment: &ask.moment, request })
}

fn one(ask: &Ask) -> Result<Answer, Problem> {
    ask.one(&APPROVAL, "roleManagement/directory/roleAssignmentApprovals/$entity", &found(ask)?)
}

/// Which stage the path names.
fn stage(ask: &Ask, approval: &Approval<'_>) -> Result<usize, Problem> {
    let id: uuid::Uuid = ask.id_at("step")?;
    let (request, stages) = (approval.request.ask.request, approval.request.stages.len());
    (0..stages).find(|n| ids::step(request, *n) == id).ok_or_else(|| ask.missing("step"))
}

fn step(ask: &Ask) -> Result<Answer, Problem> {
    let approval = found(ask)?;
    let stage = stage(ask, &approval)?;
    let row = Step { moment: &ask.moment, request: approval.request, stage };
    ask.one(&STEP, "roleManagement/directory/roleAssignmentApprovals/steps/$entity", &row)
}

async fn decide(ask: &Ask) -> Written {
    let body = ask.body()?;
    let fields = body.fields();
    let result = fields.one_of("reviewResult", &["Approve", "Deny"])?;
    let Some(result) = result else {
        return Err(Problem::bad_request("A value is required for property 'reviewResult': Approve or Deny."));
    };
    let reason = fields.text("justification")?.map(str::to_owned);
    // Whether the caller may know of the request is judged with the decision itself.
    let id: RequestId = ask.id_at("id")?;
    let request =
        ask.moment.state.requests.get(&id).filter(|r| !r.stages.is_empty()).ok_or_else(|| ask.missing("id"))?;
    let approval = Approval { moment: &ask.moment, request };
    let stage = u8::try_from(stage(ask, &approval)?).map_err(|_| ask.missing("step"))?;
    let decision = Command::DecideRequest { request: id, stage, approve: result == "Approve", reason };
    ask.submit_as(decision, Part::Approvals).await?;
    Ok(Answer::Nothing)
}
