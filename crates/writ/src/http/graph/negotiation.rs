//! In which form a caller takes answers and sends bodies. Answers are JSON (a bare number for `/$count`), and so are
//! bodies; whoever wants another form is told so in that form all the same, because every client can read it.

use crate::http::problem::Problem;
use axum::http::header::HeaderMap;
use axum::http::header::{ACCEPT, CONTENT_TYPE};

/// Refuses a caller who takes no form that the answer can have. Parameters such as `odata.metadata=none` are not
/// looked at: every client reads the form with annotations.
pub(super) fn acceptable(path: &str, headers: &HeaderMap) -> Result<(), Problem> {
    let all: Vec<&str> = headers.get_all(ACCEPT).iter().filter_map(|v| v.to_str().ok()).collect();
    let counting = path.to_ascii_lowercase().ends_with("count");
    let fits = |range: &str| {
        let kind = range.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        matches!(kind.as_str(), "" | "*" | "*/*" | "application/*" | "application/json" | "text/json")
            || (counting && matches!(kind.as_str(), "text/plain" | "text/*"))
    };
    let refused = |range: &str| {
        let weight = range.split(';').skip(1).find_map(|p| p.trim().strip_prefix("q="));
        weight.is_some_and(|q| q.trim().parse() == Ok(0.0_f32))
    };
    if all.is_empty() || all.iter().flat_map(|v| v.split(',')).any(|range| fits(range) && !refused(range)) {
        return Ok(());
    }
    Err(Problem::not_acceptable(&all.join(", ")))
}

/// Refuses a body whose own header says that it is not JSON. One without a header is taken for what it is.
pub(super) fn readable(headers: &HeaderMap, body: &[u8]) -> Result<(), Problem> {
    let Some(sent) = headers.get(CONTENT_TYPE).filter(|_| !body.is_empty()) else { return Ok(()) };
    let sent = sent.to_str().unwrap_or_default();
    let kind = sent.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let json = matches!(kind.as_str(), "application/json" | "text/json") || kind.ends_with("+json");
    if json { Ok(()) } else { Err(Problem::not_json(sent)) }
}
