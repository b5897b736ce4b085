//! `POST /writ/v1/explain`: rule by rule, why somebody can or cannot activate a role. Nothing is asked by asking this.
//! For an ask that is ready to be made, the answer is the dry run of that very ask.

use super::shape::{Explained, Mark, Question, Row};
use super::status::{principal_called, role_called, scope_called};
use writ_core::command::{Command, Expiration, Terms, TicketGiven};
use writ_core::decide::{Context, decide};
use writ_core::explain::{self, explain};
use writ_core::ids::{PrincipalId, RoleId};
use writ_core::may::{Query, may};
use writ_core::refusal::{Broken, Refusal};
use writ_core::scope::{Scope, Target};
use writ_core::state::State;
use writ_core::time::Span;

/// Answers a question.
///
/// # Errors
/// When the question names nothing that exists, or is about somebody else and the caller may not know.
pub fn answer(state: &State, question: &Question, cx: &Context) -> Result<Explained, Refusal> {
    let malformed = |field, want: &str| Refusal::Malformed { field, want: want.to_owned() };
    let me = cx.caller.principal.ok_or(Refusal::PeopleOnly { act: "ask for a role" })?;
    let who: PrincipalId = match &question.principal {
        Some(id) => id.parse().map_err(|_| malformed("principal", "the id of a user"))?,
        None => me,
    };
    may(state, Query::Explain(who), cx)?;
    let role: RoleId = question.role.parse().map_err(|_| malformed("role", "the id of a role"))?;
    let scope = match &question.scope {
        Some(scope) => scope.parse().map_err(|_| malformed("scope", "/ or /administrativeUnits/{id}"))?,
        None => only_place(state, who, role, cx),
    };
    let target = Target::role(role, scope);
    let span_max = state.rules.get(&role).map(|rules| rules.activation.span_max);
    let asked = state.rules.get(&role).map(|rules| &rules.activation.context);
    let context = asked.filter(|asked| asked.enabled).and_then(|asked| asked.claim.clone());
    let own = who == me;
    let mfa = cx.caller.proof.mfa.filter(|_| own);
    let told = explain(state, who, target, mfa, cx.now);
    let mut rows: Vec<Row> = told.lines.iter().map(row).collect();
    let mut can = told.can;
    if own && question.ready {
        let refusal = rehearse(state, question, who, target, span_max, cx);
        can = refusal.is_none();
        if let Some(refusal) = refusal {
            rows = missing(&refusal, rows);
        }
    }
    let (name, what) = (state.name_of(who), state.role_name(role));
    let on = if scope == Scope::Tenant { String::new() } else { format!(" on {}", state.scope_name(scope)) };
    let told = if can {
        format!("{name} can activate {what}{on} now.")
    } else {
        format!("{name} cannot activate {what}{on} right now.")
    };
    Ok(Explained {
        who: principal_called(state, who),
        role: role_called(state, role),
        scope: scope_called(state, scope),
        can,
        told,
        span_max,
        context,
        rows,
    })
}

/// The one place where somebody is eligible for the role; the tenant if there is none, or there are several.
fn only_place(state: &State, who: PrincipalId, role: RoleId, cx: &Context) -> Scope {
    let mut places = writ_core::holds::eligible(state, who, cx.now).filter(|e| e.target.role_id() == role);
    match (places.next(), places.next()) {
        (Some(only), None) => only.target.scope(),
        _ => Scope::Tenant,
    }
}

/// The dry run of the ask; the refusal it would meet, if any.
fn rehearse(
    state: &State,
    question: &Question,
    principal: PrincipalId,
    target: Target,
    span_max: Option<Span>,
    cx: &Context,
) -> Option<Refusal> {
    let span = question.span.or(span_max);
    let command = Command::RequestActivation(Terms {
        principal,
        target,
        start: question.start,
        expiration: span.map_or(Expiration::Unspecified, Expiration::For),
        reason: question.reason.clone(),
        ticket: TicketGiven { number: question.ticket.clone(), system: None },
    });
    decide(state, &command, cx).answer.err()
}

/// What stands in the way of an ask that is ready, and what will come after it.
fn missing(refusal: &Refusal, rows: Vec<Row>) -> Vec<Row> {
    let mut told: Vec<Row> = match refusal {
        Refusal::Rules { broken, .. } => {
            broken.iter().map(|b| Row { mark: Mark::No, rule: b.name().to_owned(), told: broken_told(b) }).collect()
        }
        // The lines already say what is in the way, in more words than the refusal.
        _ if rows.iter().any(|row| row.mark == Mark::No) => return rows,
        other => vec![Row { mark: Mark::No, rule: "ask".to_owned(), told: other.told() }],
    };
    let answered: Vec<String> = told.iter().map(|row| row.rule.clone()).collect();
    told.extend(rows.into_iter().filter(|row| !answered.contains(&row.rule) && row.rule != "duration"));
    told
}

fn broken_told(broken: &Broken) -> String {
    match broken {
        Broken::TooLong { asked, max } => {
            format!("{} asked; this role allows {} at most", asked.told(), max.told())
        }
        Broken::NoReason => "say why".to_owned(),
        Broken::NoTicket => "name the ticket".to_owned(),
        other => other.told(),
    }
}

fn row(line: &explain::Line) -> Row {
    let mark = match line.mark {
        explain::Mark::Met => Mark::Yes,
        explain::Mark::Unmet => Mark::No,
        explain::Mark::Asked => Mark::Later,
    };
    Row { mark, rule: line.about.clone(), told: line.text.clone() }
}
