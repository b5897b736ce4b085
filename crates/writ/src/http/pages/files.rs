//! The two files that pages load: a style sheet and a picture. Both are part of the program.

use crate::http::router::App;
use axum::Router;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::routing::get;
use sha2::{Digest, Sha256};
use std::sync::LazyLock;

const STYLE: &str = include_str!("../../../static/writ.css");
const PICTURE: &str = include_str!("../../../static/writ.svg");

/// Changes with the style sheet, so that browsers may keep the one they have for as long as it is the same.
pub fn version() -> &'static str {
    static VERSION: LazyLock<String> = LazyLock::new(|| hex::encode(&Sha256::digest(STYLE)[..6]));
    &VERSION
}

pub(super) fn routes() -> Router<App> {
    let kept = |kind, text| ([(CONTENT_TYPE, kind), (CACHE_CONTROL, "public, max-age=86400")], text);
    Router::new()
        .route("/static/writ.css", get(move || async move { kept("text/css; charset=utf-8", STYLE) }))
        .route("/static/writ.svg", get(move || async move { kept("image/svg+xml", PICTURE) }))
}
