//! From an HTTP request to the resource that answers it, and back.
//! Who asks is established before anything is looked up, so a stranger learns nothing, not even which paths exist.

use super::absent::{APP_ROLE_ASSIGNMENT, ENDPOINT, ORG_CONTACT};
use super::applications::APPLICATION;
use super::ask::{Answer, Ask, Moment, Standing};
use super::directory_objects::DIRECTORY_OBJECT;
use super::odata::Entity;
use super::route::{Refused, Route, Table, Verb, segments};
use super::throttle::{self, Charge, Cost, Kind};
use super::walk::{self, Reach};
use super::{negotiation, permissions, properties};
use crate::engine::fresh_id;
use crate::http::problem::{Ids, Problem};
use crate::http::router::{App, BODY_MAX};
use crate::http::session;
use axum::body::{Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderValue, Method, header};
use axum::response::{IntoResponse, Response};
use std::sync::LazyLock;
use writ_core::command::Caller;
use writ_core::permission::permitted;

/// One of Graph's versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// `v1.0`
    V1,
    /// `beta`
    Beta,
}

impl Version {
    /// As it stands in a path.
    pub const fn segment(self) -> &'static str {
        match self {
            Version::V1 => "v1.0",
            Version::Beta => "beta",
        }
    }
}

/// Every resource's routes.
pub const ALL: &[&[Route]] = &[
    super::users::ROUTES,
    super::delta::ROUTES,
    super::groups::ROUTES,
    super::units::ROUTES,
    super::devices::ROUTES,
    super::organization::ROUTES,
    super::service_principals::ROUTES,
    super::applications::ROUTES,
    super::memberships::ROUTES,
    super::role_definitions::ROUTES,
    super::schedule_requests::ROUTES,
    super::schedules::ROUTES,
    super::instances::ROUTES,
    super::plain_assignments::ROUTES,
    super::approvals::ROUTES,
    super::policies::ROUTES,
    super::directory_objects::ROUTES,
    super::directory_roles::ROUTES,
    super::absent::ROUTES,
    super::directory_audits::ROUTES,
    super::sign_ins::ROUTES,
    super::transitive_assignments::ROUTES,
    super::scoped_members::ROUTES,
    super::batch::ROUTES,
    super::explain::ROUTES,
    super::together::ROUTES,
    super::own_rules::ROUTES,
];

/// The same, cut for finding one.
static TABLE: LazyLock<Table> = LazyLock::new(|| Table::of(ALL));

/// A request whose caller is known, alone or in a batch.
pub struct Incoming {
    /// The server.
    pub app: App,
    /// Who asks.
    pub caller: Caller,
    /// The request's ids.
    pub ids: Ids,
    /// Graph's version.
    pub version: Version,
    /// Scheme and host as the caller knows them.
    pub origin: String,
    /// The host that the caller named, which may be another where something stands in front of the server.
    pub host: String,
    /// The path below the version, as it came.
    pub path: String,
    /// The query part, as it came.
    pub raw: String,
    /// The method.
    pub method: Method,
    /// The body.
    pub body: Bytes,
    /// Whether the caller sent `ConsistencyLevel: eventual`, which Graph wants for some queries.
    pub eventual: bool,
}

/// Answers everything below `/v1.0`.
pub async fn v1(State(app): State<App>, request: Request) -> Response {
    handle(app, Version::V1, request).await
}

/// Answers everything below `/beta`.
pub async fn beta(State(app): State<App>, request: Request) -> Response {
    handle(app, Version::Beta, request).await
}

async fn handle(app: App, version: Version, request: Request) -> Response {
    let (told, result) = match received(app, version, request).await {
        Ok(Answered { told, result }) => (told, result),
        Err(problem) => (Vec::new(), Err(problem)),
    };
    let mut response = match result {
        Ok(answer) => response(answer),
        Err(problem) => problem.into_response(),
    };
    for (name, value) in told {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

async fn received(app: App, version: Version, request: Request) -> Result<Answered, Problem> {
    let (parts, body) = request.into_parts();
    let caller = session::known(&parts, &app).await?;
    let ids = parts.extensions.get::<Ids>().cloned().ok_or_else(Problem::internal)?;
    negotiation::acceptable(parts.uri.path(), &parts.headers)?;
    let body = to_bytes(body, BODY_MAX).await.map_err(|_| Problem::too_large(BODY_MAX))?;
    negotiation::readable(&parts.headers, &body)?;
    let path = parts.uri.path();
    let path = path.trim_start_matches('/').split_once('/').map_or("", |(_, rest)| rest).to_owned();
    let incoming = Incoming {
        origin: origin(&app, &parts)?,
        host: named_host(&parts).to_owned(),
        raw: parts.uri.query().unwrap_or_default().to_owned(),
        eventual: parts.headers.get("consistencylevel").is_some_and(|v| eventual(v.as_bytes())),
        method: parts.method,
        app,
        caller,
        ids,
        version,
        path,
        body,
    };
    Ok(answer(incoming).await)
}

/// Whether this value of the ConsistencyLevel header is the one that Graph asks for.
pub fn eventual(value: &[u8]) -> bool {
    value.trim_ascii().eq_ignore_ascii_case(b"eventual")
}

/// Scheme and host for absolute links: the configured address, or the one the caller used. HTTP/1.1 says it in the
/// Host header, HTTP/2 in the request's target.
fn origin(app: &App, parts: &Parts) -> Result<String, Problem> {
    if let Some(public) = &app.public {
        return Ok(public.trim_end_matches('/').to_owned());
    }
    let host = named_host(parts);
    let plain = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'-' | b':' | b'[' | b']');
    if host.is_empty() || host.len() > 255 || !host.bytes().all(plain) {
        return Err(Problem::bad_request("The Host header is not a host."));
    }
    Ok([if app.tls { "https://" } else { "http://" }, host].concat())
}

/// The host that a request names.
fn named_host(parts: &Parts) -> &str {
    let named = parts.headers.get(header::HOST).map(|h| h.to_str().unwrap_or_default());
    named.or_else(|| parts.uri.authority().map(Authority::as_str)).unwrap_or("localhost")
}

/// What became of a request, alone or in a batch.
pub struct Answered {
    /// What the caller is told of their budget, as headers.
    pub told: Vec<(&'static str, String)>,
    /// The answer.
    pub result: Result<Answer, Problem>,
}

/// Finds the resource and lets it answer, if the caller's budget allows.
pub async fn answer(incoming: Incoming) -> Answered {
    let (caller, tenant) = (incoming.caller.principal, incoming.app.engine.state().tenant);
    let mut charge = None;
    let result = charged(incoming, &mut charge).await;
    let mut told = Vec::new();
    if let Some(charge) = charge {
        told.push(("x-ms-resource-unit", charge.units.to_string()));
        told.extend(charge.told().map(|spent| ("x-ms-throttle-limit-percentage", spent)));
        if let Some((_, limit)) = charge.wait {
            let caller = caller.map(|c| c.to_string()).unwrap_or_default();
            told.push(("x-ms-throttle-scope", format!("Tenant_Application/ReadWrite/{caller}/{tenant}")));
            told.push(("x-ms-throttle-information", limit.name().to_owned()));
        }
    }
    Answered { told, result }
}

async fn charged(incoming: Incoming, cost: &mut Option<Charge>) -> Result<Answer, Problem> {
    let Incoming { app, caller, ids, version, origin, host, path, raw, method, body, eventual } = incoming;
    let mut parts = segments(&path)?;
    // Some clients say whose directory they mean, as Graph lets them: it can only be this one.
    let tenant = app.engine.state().tenant;
    if parts.len() > 1 && (parts[0].eq_ignore_ascii_case("myorganization") || parts[0].parse() == Ok(tenant)) {
        parts.remove(0);
    }
    let verb = match method {
        Method::GET => Some(Verb::Get),
        Method::POST => Some(Verb::Post),
        Method::PATCH => Some(Verb::Patch),
        Method::DELETE => Some(Verb::Delete),
        _ => None,
    };
    let reads = verb == Some(Verb::Get);
    let ends_with = |parts: &[String], name: &str| reads && parts.len() > 1 && parts.last().is_some_and(|s| s == name);
    let counting = ends_with(&parts, "$count");
    if counting {
        parts.pop();
    }
    let references = !counting && ends_with(&parts, "$ref");
    if references {
        parts.pop();
    }
    let cast = parts.last().filter(|_| reads && parts.len() > 1).and_then(|s| cast_to(s));
    if cast.is_some() {
        parts.pop();
    }
    let found = TABLE.find(version == Version::Beta, verb, &parts);
    let kind = found.as_ref().map_or(Kind::Read, |found| throttle::kind(found.route, &body));
    let times = found.as_ref().map_or(1, |found| throttle::times(found.route, &body));
    let units = throttle::cost(&raw).saturating_mul(times);
    let charge = app.charge(&caller, kind, Cost { units, changes: times });
    *cost = Some(charge);
    if let Some((seconds, _)) = charge.wait {
        return Err(Problem::throttled(seconds));
    }
    let found = found.map_err(|refused| match refused {
        // A link that can be looked at and not changed.
        Refused::Segment(segment) if segment == "$ref" && is_link(version, &parts) => {
            Problem::method_not_allowed(&method).allowing(vec![Verb::Get.name()])
        }
        Refused::Segment(segment) => Problem::unknown_segment(&segment),
        Refused::Method(allowed) => {
            Problem::method_not_allowed(&method).allowing(allowed.into_iter().map(Verb::name).collect())
        }
    })?;
    let own = caller.principal.is_some_and(|me| {
        let state = app.engine.state();
        let is_me = |id: &str| id.parse() == Ok(me) || state.user_named(id).is_some_and(|user| user.id == me);
        found.parameters.iter().any(|(name, id)| *name == "id" && is_me(id))
    });
    let link = found.parameters.iter().find(|(name, _)| *name == "link").map_or("", |(_, link)| link);
    if let Some((thing, act)) = permissions::needed(found.route, link, own) {
        let thing = permissions::narrowed(thing, act, kind == Kind::Relief, &body);
        permitted(&caller, thing, act).map_err(|refusal| Problem::from(&refusal))?;
    }
    properties::known(found.route, &body)?;
    // Only what a link leads to can be told as references or cut down to one type; and what lies in a bin.
    let at = found.route.path;
    let linked = at.ends_with("{link}") || at.ends_with("/members");
    let casts = linked || at.ends_with("/{item}") || at.starts_with("directory/deletedItems");
    if (references && !linked) || (cast.is_some() && !casts) {
        let segment = cast.map_or("$ref".to_owned(), |c| format!("microsoft.graph.{}", c.name));
        return Err(Problem::unknown_segment(&segment));
    }
    let base = [&origin, "/", version.segment()].concat();
    // It is large, and futures are moved while they are put together.
    let ask = Box::new(Ask {
        moment: Moment::of(&app, &caller),
        url: [&base, "/", path.trim_start_matches('/')].concat(),
        parameters: found.parameters,
        own: own || found.route.path == "me",
        bytes: body,
        app,
        caller,
        ids,
        version,
        origin,
        host,
        base,
        raw,
        counting,
        references,
        cast,
        eventual,
        page: Standing::default(),
        reach: if permissions::looks(found.route) { Reach::near() } else { Reach::unbounded() },
    });
    let answer = walk::answered(found.route, ask).await?;
    match (counting, answer) {
        (true, Answer::Count(n)) => Ok(Answer::Count(n)),
        // What is not a list cannot be counted.
        (true, _) => Err(Problem::unknown_segment("$count")),
        (false, answer) => Ok(answer),
    }
}

/// Whether this is a link with `/$ref` behind it.
fn is_link(version: Version, path: &[String]) -> bool {
    let Some((_, link)) = path.split_last() else { return false };
    let found = TABLE.find(version == Version::Beta, Some(Verb::Get), link);
    found.is_ok_and(|found| found.route.path.ends_with("/{link}"))
}

/// The kind of resource that a cast such as `microsoft.graph.user` names.
fn cast_to(segment: &str) -> Option<&'static Entity> {
    let bare = |prefix: &str| {
        segment.get(..prefix.len()).filter(|p| p.eq_ignore_ascii_case(prefix)).map(|p| &segment[p.len()..])
    };
    let name = bare("microsoft.graph.").or_else(|| bare("graph."))?;
    kind(name)
}

/// The kind of directory object of this name, in any case, whether or not there are any here.
pub fn kind(name: &str) -> Option<&'static Entity> {
    let others = [&APPLICATION, &APP_ROLE_ASSIGNMENT, &ENDPOINT, &ORG_CONTACT];
    DIRECTORY_OBJECT.special.iter().copied().chain(others).find(|e| e.name.eq_ignore_ascii_case(name))
}

/// The same caller for another command.
pub fn again(caller: &Caller) -> Caller {
    Caller { command: fresh_id(), ..caller.clone() }
}

fn response(answer: Answer) -> Response {
    let status = answer.status();
    let json = |body: Vec<u8>| {
        let kind = "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8";
        (status, [(header::CONTENT_TYPE, HeaderValue::from_static(kind))], body).into_response()
    };
    match answer {
        Answer::Written(body) => json(body),
        Answer::Found(body) | Answer::Made(body) => json(body.to_string().into_bytes()),
        Answer::Nothing => status.into_response(),
        Answer::Count(n) => {
            (status, [(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"))], n.to_string()).into_response()
        }
    }
}
