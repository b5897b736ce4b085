//! `$batch`: up to twenty requests in one, each answered as if it had come alone.
//! Every one passes the same doors with the same caller; none sees more than it would alone.
//!
//! Always: a batch never contains a batch; once its answers are as large as [`ANSWERS_MAX`], nothing more is asked, and
//! what was not asked says so.

use super::ask::{Answer, Ask, Route, Written};
use super::body::{Fields, JsonBody};
use super::dispatch::{Answered, Incoming, again, answer, eventual};
use super::route::segments;
use crate::http::problem::{Problem, shown};
use axum::body::Bytes;
use http::StatusCode;
use serde_json::{Map, Value as Json, json};

/// How many requests a batch may have, as in Graph.
pub const REQUESTS_MAX: usize = 20;

/// How large the answers of a batch may be together, in bytes, before the rest is left to be asked alone.
pub const ANSWERS_MAX: usize = 4 << 20;

/// What is offered.
pub const ROUTES: &[Route] = &[Route::post("$batch", |ask| Box::pin(run(ask)))];

/// One request of a batch.
struct Part {
    id: String,
    method: String,
    url: String,
    body: Bytes,
    eventual: bool,
    after: Vec<String>,
}

async fn run(ask: &Ask) -> Written {
    let body = ask.body()?;
    let parts = read(&body)?;
    let mut statuses: Vec<(String, StatusCode)> = Vec::new();
    let mut responses = Vec::new();
    let mut size = 0;
    for part in parts {
        let failed =
            part.after.iter().any(|id| !statuses.iter().any(|(i, s)| i.eq_ignore_ascii_case(id) && s.is_success()));
        let result = if failed {
            let why = "A request that this one depends on was not answered with success.";
            Answered {
                told: Vec::new(),
                result: Err(Problem::new(StatusCode::FAILED_DEPENDENCY, "FailedDependency", why)),
            }
        } else if size > ANSWERS_MAX {
            let why = "The answers before this one fill the batch, so this was not asked; ask it alone.";
            let problem = Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", why);
            Answered { told: Vec::new(), result: Err(problem) }
        } else {
            one(ask, &part).await.unwrap_or_else(|problem| Answered { told: Vec::new(), result: Err(problem) })
        };
        let mut headers = json!({"Content-Type": "application/json", "Cache-Control": "no-store"});
        for (name, value) in result.told {
            headers[name] = json!(value);
        }
        if let Err(problem) = &result.result
            && let Some(seconds) = problem.retry_after()
        {
            headers["Retry-After"] = json!(seconds.to_string());
        }
        let (status, body) = match result.result {
            Ok(answer) => (answer.status(), Some(answer.into_json())),
            Err(problem) => (problem.status(), Some(problem.body(ask.app.engine.now(), &ask.ids))),
        };
        size += body.as_ref().map_or(0, weight);
        let mut response = Map::new();
        response.insert("id".into(), json!(part.id));
        response.insert("status".into(), json!(status.as_u16()));
        response.insert("headers".into(), headers);
        response.insert("body".into(), body.unwrap_or(Json::Null));
        responses.push(Json::Object(response));
        statuses.push((part.id, status));
    }
    Ok(Answer::Found(json!({ "responses": responses })))
}

/// About how many bytes a value takes when it is written.
fn weight(json: &Json) -> usize {
    8 + match json {
        Json::String(text) => text.len(),
        Json::Array(items) => items.iter().map(weight).sum(),
        Json::Object(map) => map.iter().map(|(name, value)| name.len() + weight(value)).sum(),
        _ => 0,
    }
}

fn read(body: &JsonBody) -> Result<Vec<Part>, Problem> {
    let requests = body.fields().objects("requests")?;
    let requests = requests.ok_or_else(|| Problem::bad_request("A value is required for property 'requests'."))?;
    if requests.is_empty() {
        return Err(Problem::bad_request("Invalid batch payload format. The batch has no requests."));
    }
    if requests.len() > REQUESTS_MAX {
        return Err(Problem::bad_request(format!(
            "Number of requests inside batch exceeds the limit. A batch has at most {REQUESTS_MAX}."
        )));
    }
    let mut parts: Vec<Part> = Vec::new();
    for fields in &requests {
        let part = part(fields)?;
        // In Graph an id that differs only in case is the same.
        if parts.iter().any(|p| p.id.eq_ignore_ascii_case(&part.id)) {
            return Err(Problem::bad_request(format!("Request Id {} has to be unique in a batch.", shown(&part.id))));
        }
        if let Some(later) = part.after.iter().find(|id| !parts.iter().any(|p| p.id.eq_ignore_ascii_case(id))) {
            return Err(Problem::bad_request(format!(
                "Request '{}' depends on '{}', which does not come before it.",
                shown(&part.id),
                shown(later)
            )));
        }
        parts.push(part);
    }
    Ok(parts)
}

fn part(fields: &Fields<'_>) -> Result<Part, Problem> {
    // The Python SDK writes depends_on, others dependsOn.
    let after = match fields.texts("dependsOn")? {
        Some(after) => after,
        None => fields.texts("depends_on")?.unwrap_or_default(),
    };
    let body = match fields.value("body") {
        None => Bytes::new(),
        Some(body @ Json::Object(_)) => Bytes::from(body.to_string()),
        Some(_) => return Err(Problem::bad_request("A body in a batch must be one JSON object.")),
    };
    let header = |name: &str| fields.object("headers").ok().flatten().and_then(|h| h.text(name).ok().flatten());
    Ok(Part {
        eventual: header("ConsistencyLevel").is_some_and(|value| eventual(value.as_bytes())),
        // Some clients number their requests; Graph reads that and answers with texts all the same.
        id: match fields.value("id") {
            Some(Json::Number(number)) => number.to_string(),
            _ => fields.required("id")?.to_owned(),
        },
        method: fields.required("method")?.to_owned(),
        url: fields.required("url")?.to_owned(),
        body,
        after: after.into_iter().map(str::to_owned).collect(),
    })
}

async fn one(ask: &Ask, part: &Part) -> Result<Answered, Problem> {
    let (path, raw) = part.url.split_once('?').unwrap_or((&part.url, ""));
    // Absolute (with any host: clients write the one they know), rooted at the version, or relative to it.
    let path = match path.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("", |at| &rest[at..]),
        None => path,
    };
    let own = ask.version.segment();
    let inner = path.trim_start_matches('/');
    let inner = match inner.split_once('/') {
        Some((version, rest)) if version.eq_ignore_ascii_case(own) => rest,
        Some((version, _)) if matches!(version, "v1.0" | "beta") => {
            return Err(Problem::bad_request(format!("This batch is for '{own}', not for '{}'.", shown(version))));
        }
        _ => inner,
    };
    if segments(inner)?.first().is_some_and(|first| first.eq_ignore_ascii_case("$batch")) {
        return Err(Problem::bad_request("A batch cannot contain a batch."));
    }
    let method = http::Method::from_bytes(part.method.to_ascii_uppercase().as_bytes())
        .map_err(|_| Problem::bad_request("A method in a batch is GET, POST, PATCH or DELETE."))?;
    let incoming = Incoming {
        app: ask.app.clone(),
        caller: again(&ask.caller),
        ids: ask.ids.clone(),
        version: ask.version,
        origin: ask.origin.clone(),
        path: inner.to_owned(),
        raw: raw.to_owned(),
        method,
        body: part.body.clone(),
        eventual: part.eventual,
    };
    Ok(Box::pin(answer(incoming)).await)
}
