//! A refusal in Graph's words: which status, which code, which sentence.
//! It decides nothing; what is refused, and why, is the core's.
//!
//! Always: Graph's own sentence stands first and unchanged, because clients look for it; what would make it right
//! follows.

use super::problem::{Problem, shown};
use http::StatusCode;
use writ_core::permission::Thing;
use writ_core::refusal::{Broken, Refusal, What};
use writ_core::role::Duty;

/// Which part of Graph answers: a few refusals have different codes in different parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The directory: users, groups, units, roles, policies.
    Directory,
    /// Requests for eligibilities and assignments.
    Requests,
    /// Cancelling a request.
    Cancelling,
    /// Deciding a request.
    Approvals,
    /// Rules of roles.
    Rules,
}

impl From<&Refusal> for Problem {
    fn from(refusal: &Refusal) -> Self {
        problem(refusal, Part::Directory)
    }
}

/// The problem that tells a refusal.
pub fn problem(refusal: &Refusal, part: Part) -> Problem {
    let told = refusal.told();
    let bad = |code, message: String| Problem::new(StatusCode::BAD_REQUEST, code, message);
    let after = |graphs: &str| format!("{graphs} {told}");
    match refusal {
        Refusal::Malformed { .. } if part == Part::Requests => {
            bad("InvalidRoleAssignmentRequest", after("The role assignment request is invalid."))
        }
        Refusal::Malformed { .. } => bad("BadRequest", told),
        Refusal::Schedule { .. } => bad("InvalidRoleAssignmentRequestSchedule", told),
        Refusal::NoSuch { what, id } => no_such(*what, id, part, told),
        Refusal::MissingScope { thing, any_of, has } => missing_scope(*thing, any_of, has),
        Refusal::NotAllowed { duty: Duty::ReadAudit } => Problem::new(
            StatusCode::FORBIDDEN,
            "Authentication_RequestFromUnsupportedUserRole",
            after("User is not in the allowed roles."),
        ),
        Refusal::AccountDisabled
        | Refusal::NotAllowed { .. }
        | Refusal::SelfOnly { .. }
        | Refusal::PeopleOnly { .. }
        | Refusal::ConsoleOnly { .. }
        | Refusal::OwnRequest { .. }
        | Refusal::NotApprover { .. }
        | Refusal::Climb { .. } => Problem::denied(after("Insufficient privileges to complete the operation.")),
        Refusal::NotEligible { .. } => bad(
            "RoleAssignmentRequestPolicyValidationFailed",
            format!("The following policy rules failed: EligibilityRule - {told}"),
        ),
        Refusal::AlreadyThere { what: what @ ("membership" | "ownership"), .. } => bad(
            "Request_BadRequest",
            after(&format!(
                "One or more added object references already exist for the following modified properties: '{}'.",
                references(what)
            )),
        ),
        Refusal::NothingThere { what: "membership" | "ownership", role } => Problem::not_found(role),
        Refusal::AlreadyThere { .. } | Refusal::AlreadyActive { .. } => {
            bad("RoleAssignmentExists", after("The Role assignment already exists."))
        }
        Refusal::AlreadyAsked { .. } => {
            bad("PendingRoleAssignmentRequest", after("There is already an existing pending Role assignment request."))
        }
        Refusal::NothingThere { .. } => bad("RoleAssignmentDoesNotExist", after("The Role assignment does not exist.")),
        Refusal::NotAtScope { .. } => bad(
            "Request_BadRequest",
            after("The given built-in role is not supported to be assigned to a single resource scope."),
        ),
        // The spelling is Graph's.
        Refusal::TooYoung { .. } => {
            bad("ActiveDurationTooShort", after("The Active duration is too short. Miniumum Required is 5 minutes."))
        }
        // Graph's own answer to this is not known; the request is one that cannot be made now.
        Refusal::TooEarly { .. } => {
            bad("InvalidRoleAssignmentRequest", after("The role assignment request is invalid."))
        }
        Refusal::Rules { broken, .. } => rules(broken, &told),
        Refusal::NotOpen { .. } if part == Part::Approvals => Problem::new(StatusCode::CONFLICT, "Conflict", told),
        Refusal::OtherStage { .. } | Refusal::DecidedBefore | Refusal::Changed { .. } => {
            Problem::new(StatusCode::CONFLICT, "Conflict", told)
        }
        Refusal::NotOpen { .. } => bad("RequestCannotBeCancelled", told),
        Refusal::Taken { .. } => {
            bad("Request_BadRequest", after("Another object with the same value for property already exists."))
        }
        Refusal::LastWayIn
        | Refusal::Unsatisfiable { .. }
        | Refusal::Conflict { .. }
        | Refusal::TooMany { .. }
        | Refusal::NotSupported { .. } => bad("Request_BadRequest", told),
        Refusal::ClockInDoubt { .. } => Problem::unavailable(told, 60),
    }
}

/// The property in which Graph keeps these.
fn references(what: &str) -> &'static str {
    if what == "ownership" { "owners" } else { "members" }
}

/// A missing permission as each part of Graph tells it; which permissions would do always stands in it, and which the
/// token has.
fn missing_scope(thing: Thing, any_of: &[&'static str], has: &[String]) -> Problem {
    let has = if has.is_empty() { "none".to_owned() } else { shown(&has.join(",")) };
    let any_of = if any_of.is_empty() { "none: a person must sign in for it".to_owned() } else { any_of.join(",") };
    let (code, graphs) = match thing {
        Thing::Eligibilities
        | Thing::EligibilityRequests
        | Thing::Assignments
        | Thing::AssignmentRequests
        | Thing::Rules => {
            ("PermissionScopeNotGranted", format!("Authorization failed due to missing permission scope {any_of}."))
        }
        // Graph's code is empty here.
        Thing::Approvals => (
            "",
            format!(
                "Valid permissions not present. User needs one of the following permissions for this action : {any_of}."
            ),
        ),
        Thing::Audit => (
            "Authentication_MSGraphPermissionMissing",
            format!("Calling principal does not have required MSGraph permissions {any_of}."),
        ),
        _ => (
            "Authorization_RequestDenied",
            format!(
                "Insufficient privileges to complete the operation. The token lacks the permission: one of {any_of} would do."
            ),
        ),
    };
    let told = Problem::new(StatusCode::FORBIDDEN, code, format!("{graphs} The token has: {has}."));
    if code == "PermissionScopeNotGranted" { told.wrapped() } else { told }
}

fn no_such(what: What, id: &str, part: Part, told: String) -> Problem {
    let bad = |code| Problem::new(StatusCode::BAD_REQUEST, code, told.clone());
    match (part, what) {
        // As documented. Clients that wait for a 404 here wait for copies to catch up; there are none to wait for.
        (Part::Requests, What::Principal) => bad("SubjectNotFound"),
        (Part::Requests, What::Role) => bad("RoleNotFound"),
        (Part::Requests, What::Scope | What::Unit | What::Object) => bad("InvalidScope"),
        // An approver who is not there is a mistake in the body, not in the path.
        (Part::Rules, What::Principal) => bad("BadRequest"),
        _ => Problem::not_found(id),
    }
}

/// Every rule that failed, by Graph's name for it. A missing authentication context alone is Graph's claims
/// challenge: the message is then nothing but what the client has to add to its next sign-in.
fn rules(broken: &[Broken], told: &str) -> Problem {
    let context = broken.iter().find_map(|b| match b {
        Broken::NoContext { claim } => Some(claim),
        _ => None,
    });
    if let (Some(claim), [_]) = (context, broken) {
        let challenge = format!(
            "&claims=%7B%22access_token%22%3A%7B%22acrs%22%3A%7B%22essential%22%3Atrue%2C%20%22value%22%3A%22{claim}%22%7D%7D%7D"
        );
        return Problem::new(StatusCode::BAD_REQUEST, "RoleAssignmentRequestAcrsValidationFailed", challenge);
    }
    let each: Vec<String> = broken.iter().map(|b| format!("{} - {}", b.rule(), b.graph_text())).collect();
    Problem::new(
        StatusCode::BAD_REQUEST,
        "RoleAssignmentRequestPolicyValidationFailed",
        format!("The following policy rules failed: {}. {told}", each.join(", ")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_rules_are_all_named_as_graph_names_them() {
        let broken = vec![Broken::NoReason, Broken::NoTicket];
        let p = problem(&Refusal::Rules { broken, role: "DBA".into() }, Part::Requests);
        insta::assert_snapshot!(p.message(), @"The following policy rules failed: JustificationRule - Justification is required, TicketingRule - Ticket information is required. DBA asks for more: reason (none given); ticket (none given).");
        assert_eq!((p.status().as_u16(), p.code()), (400, "RoleAssignmentRequestPolicyValidationFailed"));
    }

    #[test]
    fn a_missing_authentication_context_is_a_claims_challenge() {
        let broken = vec![Broken::NoContext { claim: "c1".into() }];
        let p = problem(&Refusal::Rules { broken, role: "DBA".into() }, Part::Requests);
        assert_eq!(
            p.message(),
            "&claims=%7B%22access_token%22%3A%7B%22acrs%22%3A%7B%22essential%22%3Atrue%2C%20%22value%22%3A%22c1%22%7D%7D%7D"
        );
    }
}
