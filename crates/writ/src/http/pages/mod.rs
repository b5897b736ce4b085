//! Pages for people: signing in, setting up a sign-in, and who they are. Plain HTML that works without scripts.
//! No access rule is written here.

use super::router::App;
use axum::Router;

/// All pages.
pub fn routes() -> Router<App> {
    Router::new()
}
