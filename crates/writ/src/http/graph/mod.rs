//! Microsoft Graph's resources, in Graph's words and shapes: a request becomes a command or a query, and what comes
//! back becomes an answer. No rule about who may do or see what is in here: writing is judged by the core's
//! `decide`, reading by its `may`.
//!
//! One file per resource; each says in a table which properties it has and in another which routes. `dispatch` finds
//! the route, `ask` is what a handler works with, `odata` and `page` do the rest.

pub mod absent;
pub mod applications;
pub mod approvals;
pub mod ask;
pub mod asked;
pub mod batch;
pub mod body;
pub mod declared;
pub mod delta;
pub mod devices;
pub mod directory_audits;
pub mod directory_objects;
pub mod directory_roles;
pub mod dispatch;
pub mod explain;
pub mod groups;
pub mod held;
pub mod ids;
pub mod instances;
pub mod memberships;
pub mod named;
mod negotiation;
pub mod odata;
pub mod organization;
pub mod own_rules;
pub mod page;
pub mod permissions;
pub mod plain_assignments;
pub mod policies;
pub mod policy_rules;
pub mod properties;
pub mod records;
pub mod role_definitions;
pub mod route;
pub mod schedule_requests;
pub mod schedules;
pub mod scoped_members;
pub mod service_principals;
pub mod sign_ins;
pub mod targets;
pub mod throttle;
pub mod together;
pub mod transitive_assignments;
pub mod units;
pub mod users;
pub mod walk;

use super::router::App;
use axum::Router;
use axum::routing::any;

/// The versions in the spellings that scripts have, which Graph takes too; a doubled slash is what an address that ends
/// with one leaves.
const V1: [&str; 4] = ["/v1.0", "/V1.0", "//v1.0", "//V1.0"];
const BETA: [&str; 6] = ["/beta", "/Beta", "/BETA", "//beta", "//Beta", "//BETA"];

/// Everything below `/v1.0` and `/beta`.
pub fn routes() -> Router<App> {
    let all = Router::new();
    let all = V1.iter().fold(all, |all, root| {
        all.route(root, any(dispatch::v1)).route(&format!("{root}/{{*path}}"), any(dispatch::v1))
    });
    BETA.iter().fold(all, |all, root| {
        all.route(root, any(dispatch::beta)).route(&format!("{root}/{{*path}}"), any(dispatch::beta))
    })
}
