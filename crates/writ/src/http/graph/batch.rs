//! `$batch`: up to twenty requests in one, each answered as if it had come alone.
//! Every one passes the same doors with the same caller; none sees more than it would alone.
//!
//! Always: a batch never contains a batch, and nothing in it is sent anywhere else: a URL of another server is refused;
//! once its answers are as large as [`ANSWERS_MAX`], nothing more is asked, and
//! what was not asked says so.

use super::ask::{Answer, Ask, Route, Written};
use super::body::{Fields, JsonBody};
use super::dispatch::{Answered, Incoming, again, answer, eventual};
use super::negotiation;
use super::route::segments;
use crate::http::problem::{Ids, Problem, shown};
use axum::body::Bytes;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use http::StatusCode;
use serde_json::{Value as Json, json};

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
    headers: HeaderMap,
    after: Vec<String>,
}

async fn run(ask: &Ask) -> Written {
    let body = ask.body()?;
    let parts = read(&body)?;
    let mut statuses: Vec<(String, StatusCode)> = Vec::new();
    // Answers are put together as they were written: the large ones are never taken apart again.
    let mut out = b"{\"responses\":[".to_vec();
    for part in parts {
        // Each is a request with an id of its own, under the name that the caller gave all of them.
        let ids = Ids::fresh(Some(&ask.ids.client));
        let well = |id: &String| statuses.iter().any(|(i, s)| i.eq_ignore_ascii_case(id) && s.is_success());
        let failed = !part.after.iter().all(well);
        let result = if failed {
            let why = "A request that this one depends on was not answered with success.";
            Answered {
                told: Vec::new(),
                result: Err(Problem::new(StatusCode::FAILED_DEPENDENCY, "FailedDependency", why)),
            }
        } else if out.len() > ANSWERS_MAX {
            let why = "The answers before this one fill the batch, so this was not asked; ask it alone.";
            let problem = Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", why);
            Answered { told: Vec::new(), result: Err(problem) }
        } else {
            one(ask, &part, &ids).await.unwrap_or_else(|problem| Answered { told: Vec::new(), result: Err(problem) })
        };
        let kind = if matches!(result.result, Ok(Answer::Count(_))) { "text/plain" } else { "application/json" };
        let mut headers = json!({"Content-Type": kind, "Cache-Control": "no-store"});
        for (name, value) in result.told {
            headers[name] = json!(value);
        }
        if let Err(problem) = &result.result
            && let Some(seconds) = problem.retry_after()
        {
            headers["Retry-After"] = json!(seconds.to_string());
        }
        let (status, body) = match result.result {
            Ok(answer) => (answer.status(), answer.into_bytes()),
            Err(problem) => (problem.status(), problem.body(ask.app.engine.now(), &ids).to_string().into_bytes()),
        };
        if status.is_server_error() {
            let status = status.as_u16();
            tracing::error!(request_id = ids.request, batch = ask.ids.request, status, "request in a batch failed");
        }
        if !statuses.is_empty() {
            out.push(b',');
        }
        let (id, code) = (json!(part.id), status.as_u16());
        out.extend_from_slice(format!(r#"{{"id":{id},"status":{code},"headers":{headers},"body":"#).as_bytes());
        out.extend_from_slice(&body);
        out.push(b'}');
        statuses.push((part.id, status));
    }
    out.extend_from_slice(b"]}");
    Ok(Answer::Written(out))
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
                "Invalid dependency for request Id '{}': it depends on '{}', which does not come before it.",
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
    // Some clients number their requests; Graph reads that and answers with texts all the same.
    let id = match fields.value("id") {
        Some(Json::Number(id)) => id.to_string(),
        _ => fields.required("id")?.to_owned(),
    };
    Ok(Part {
        id,
        method: fields.required("method")?.to_owned(),
        url: fields.required("url")?.to_owned(),
        body: fields.value("body").map(bytes_of).unwrap_or_default(),
        headers: headers_of(fields)?,
        after: after.into_iter().map(str::to_owned).collect(),
    })
}

/// Base64 of either alphabet, with or without its padding.
const EITHER: [GeneralPurpose; 2] = [
    GeneralPurpose::new(&base64::alphabet::STANDARD, PADDING),
    GeneralPurpose::new(&base64::alphabet::URL_SAFE, PADDING),
];
const PADDING: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);

/// A body as it would have come alone: JSON as it stands, or a text that is JSON or the base64 of it.
fn bytes_of(body: &Json) -> Bytes {
    match body {
        Json::String(text) => {
            let decoded = EITHER.iter().find_map(|form| form.decode(text.trim()).ok());
            decoded.map_or_else(|| Bytes::copy_from_slice(text.as_bytes()), Bytes::from)
        }
        json => Bytes::from(json.to_string()),
    }
}

/// The headers of a request that make a difference to its answer. Who asks is never among them: that is the batch's.
fn headers_of(fields: &Fields<'_>) -> Result<HeaderMap, Problem> {
    let mut found = HeaderMap::new();
    let Some(given) = fields.object("headers")? else { return Ok(found) };
    for name in [ACCEPT, CONTENT_TYPE, CONSISTENCY] {
        if let Some(text) = given.text(name.as_str())? {
            let value = HeaderValue::from_str(text)
                .map_err(|_| Problem::bad_request(format!("The header '{name}' of a request is no header.")))?;
            found.insert(name, value);
        }
    }
    Ok(found)
}

const CONSISTENCY: HeaderName = HeaderName::from_static("consistencylevel");

/// Whether a URL's host is this server, as the caller named it or as it is known.
fn is_here(ask: &Ask, url: &str) -> bool {
    let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme);
    let (asked, named) = (host_of(url), host_of(&format!("{scheme}://{}", ask.host)));
    asked.is_some() && (asked == named || asked == host_of(&ask.origin))
}

/// The host and the port that a URL names, without the port that is usual.
fn host_of(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let usual = match scheme.to_ascii_lowercase().as_str() {
        "https" => ":443",
        "http" => ":80",
        _ => return None,
    };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default().to_ascii_lowercase();
    Some(host.strip_suffix(usual).map_or(host.clone(), str::to_owned))
}

async fn one(ask: &Ask, part: &Part, ids: &Ids) -> Result<Answered, Problem> {
    let (path, raw) = part.url.split_once('?').unwrap_or((&part.url, ""));
    // Absolute, rooted at the version, or relative to it.
    let path = match path.split_once("://") {
        Some(_) if !is_here(ask, path) => {
            let why =
                "A request of a batch goes to the server that the batch was sent to; leave the host out of its url.";
            return Err(Problem::bad_request(why));
        }
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
    // Wherever it stands: the tenant may be named before it.
    if segments(inner)?.iter().any(|segment| segment.eq_ignore_ascii_case("$batch")) {
        return Err(Problem::bad_request("A batch cannot contain a batch."));
    }
    let method = http::Method::from_bytes(part.method.to_ascii_uppercase().as_bytes())
        .map_err(|_| Problem::bad_request("A method in a batch is GET, POST, PATCH or DELETE."))?;
    negotiation::acceptable(path, &part.headers)?;
    negotiation::readable(&part.headers, &part.body)?;
    let incoming = Incoming {
        app: ask.app.clone(),
        caller: again(&ask.caller),
        ids: ids.clone(),
        version: ask.version,
        origin: ask.origin.clone(),
        host: ask.host.clone(),
        path: inner.to_owned(),
        raw: raw.to_owned(),
        method,
        body: part.body.clone(),
        eventual: part.headers.get(CONSISTENCY).is_some_and(|value| eventual(value.as_bytes())),
    };
    Ok(Box::pin(answer(incoming)).await)
}
