//! Which roles somebody holds now, through groups too: one question about one principal, which Graph has in beta.
//! A row is the assignment that says so; held through a group, it names the group.

use super::ask::{Answer, Ask, Route};
use super::instances::{self, ASSIGNMENT};
use super::odata::filter::Filter;
use super::page::Shape;
use crate::http::problem::Problem;
use writ_core::holds;
use writ_core::ids::PrincipalId;
use writ_core::may::Query;

const PATH: &str = "roleManagement/directory/transitiveRoleAssignments";

/// What is offered.
pub const ROUTES: &[Route] = &[Route::get(PATH, list).beta()];

fn list(ask: &Ask) -> Result<Answer, Problem> {
    let view = ask.reads(Query::Grants)?;
    let mut query = ask.query(&ASSIGNMENT)?;
    // As Graph documents it; a script that leaves one out there is refused there.
    if !ask.eventual || !(query.count || ask.counting) {
        return Err(Problem::unsupported_query(
            "transitiveRoleAssignments needs the header 'ConsistencyLevel: eventual' and $count=true.",
        ));
    }
    let holder = match query.pins("principalId").as_deref() {
        Some([id]) => (*id).to_owned(),
        _ => {
            return Err(Problem::unsupported_query(
                "transitiveRoleAssignments needs a filter on one principal: $filter=principalId eq '…'.",
            ));
        }
    };
    // Whoever is asked about is not always whom the row names, so that condition is not asked of the rows.
    let about = |part: &&Filter| part.pins("principalId").is_some_and(|ids| ids == [holder.as_str()]);
    let rest = query.filter.as_ref().into_iter().flat_map(Filter::conjuncts).filter(|part| !about(part));
    query.filter = Some(Filter::And(rest.cloned().collect()));
    let moment = &ask.moment;
    let held =
        holder.parse::<PrincipalId>().into_iter().flat_map(|holder| holds::held(&moment.state, holder, moment.now));
    let rows = held.filter(|a| ask.sees_held(a.principal, view)).map(|a| instances::plain(moment, a));
    ask.page_of(&query, PATH, &Shape::by_id(), rows)
}
