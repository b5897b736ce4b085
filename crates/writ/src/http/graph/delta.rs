//! Delta: what changed among users or groups since the caller last asked, down to the single membership.
//! It keeps nothing for anybody: where a caller stands is in the signed token that it brings back.
//!
//! Always: whoever follows every link has in the end what is there, and was told each change once; a change made while
//! pages are read is on a later page or behind the delta link. Pages are bounded, memberships counted like rows.

use super::ask::{Ask, Route, Written};
use super::directory_objects::Object;
use super::odata::filter::{Filter, Literal, Op};
use super::odata::options::{Of, Query as Options, pairs_of};
use super::odata::render::render;
use super::odata::{Entity, Row as _};
use super::page::{PAGE_USUAL, Place};
use super::{ask::Answer, groups, users};
use crate::history::ROWS_MAX;
use crate::history::latest::{At, Latest, LatestQuery, Side, Sort};
use crate::http::problem::{Problem, shown};
use http::StatusCode;
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeMap;
use uuid::Uuid;
use writ_core::ids::{PrincipalId, Seq};
use writ_core::may::Query;

/// What can be followed.
struct Feed {
    entity: &'static Entity,
    sort: Sort,
    context: &'static str,
}

static USERS: Feed = Feed { entity: &users::USER, sort: Sort::User, context: "users" };
static GROUPS: Feed = Feed { entity: &groups::GROUP, sort: Sort::Group, context: "groups" };

/// What is offered.
pub const ROUTES: &[Route] = &[
    Route::get_later("users/delta()", |ask| Box::pin(delta(ask, &USERS))),
    Route::get_later("groups/delta()", |ask| Box::pin(delta(ask, &GROUPS))),
];

/// Where a caller stands: what it has seen, by which entry it first asked, and in which epoch. A restore that is on
/// record begins another epoch; without that, a log which has grown past a token of the old one would look like it.
#[derive(Clone, Copy)]
struct Stand {
    seen: At,
    since: Seq,
    epoch: u64,
}

impl Stand {
    fn values(self) -> Vec<Json> {
        let At { seq, what, side, other } = self.seen;
        vec![json!("delta"), json!(seq), json!(what), json!(side), json!(other), json!(self.since), json!(self.epoch)]
    }

    fn read(values: Vec<Json>) -> Option<Self> {
        let [kind, seq, what, side, other, since, epoch] = <[Json; 7]>::try_from(values).ok()?;
        let side = serde_json::from_value(side).ok()?;
        let id = |value: &Json| Uuid::try_parse(value.as_str()?).ok();
        let seen = At { seq: seq.as_u64()?, what: id(&what)?, side, other: id(&other)? };
        (kind == "delta").then_some(Stand { seen, since: since.as_u64()?, epoch: epoch.as_u64()? })
    }
}

/// The options that a delta link keeps, and the token, which it does not.
fn options(raw: &str) -> Result<(String, Option<String>), Problem> {
    let (mut kept, mut token) = (Vec::new(), None);
    for piece in raw.split('&').filter(|p| !p.is_empty()) {
        let Some((name, value)) = pairs_of(piece)?.pop() else { continue };
        match name.trim_start_matches('$').to_ascii_lowercase().as_str() {
            "deltatoken" | "skiptoken" if token.is_some() => {
                return Err(Problem::bad_request("There is more than one token in the URL."));
            }
            "deltatoken" | "skiptoken" => token = Some(value),
            "select" | "filter" | "top" | "format" => kept.push(piece),
            _ => {
                return Err(Problem::unsupported_query(format!(
                    "Query option '{}' is not supported with delta. Supported: $select, $filter on id, $top.",
                    shown(&name)
                )));
            }
        }
    }
    Ok((kept.join("&"), token.filter(|t| !t.is_empty())))
}

async fn delta(ask: &Ask, feed: &'static Feed) -> Written {
    ask.reads(Query::Directory)?;
    let (kept, token) = options(&ask.raw)?;
    let kept = pairs_of(&kept)?;
    let query = Options::of(&kept, feed.entity, Of::Many)?;
    let only = query.filter.as_ref().map(ids_of).transpose()?;
    let (newest, epoch) = (ask.moment.state.seq, ask.moment.state.epoch);
    let place = Place::of(&ask.app.pages, ask.asker(), &ask.url, &kept);
    let stand = match token.as_deref() {
        None => Stand { seen: At::FIRST, since: newest, epoch },
        Some(latest) if latest.eq_ignore_ascii_case("latest") => {
            Stand { seen: At::after(newest), since: newest, epoch }
        }
        Some(token) => {
            let values = place.held_in(token).and_then(|held| serde_json::from_slice(&held).ok());
            values.and_then(Stand::read).ok_or_else(|| {
                Problem::bad_request(
                    "Badly formed token: it is not one that this server gave to this caller for this query. Follow \
                     @odata.nextLink and @odata.deltaLink exactly as they were given.",
                )
            })?
        }
    };
    if stand.seen.seq > newest || stand.epoch != epoch {
        return Err(Problem::new(
            StatusCode::GONE,
            "syncStateNotFound",
            "The log was set back to an older one since this token was given: begin anew, without a token.",
        ));
    }
    let names = |name: &str| query.select.as_ref().is_some_and(|s| s.contains(&name));
    let size = query.top.unwrap_or(PAGE_USUAL).min(ROWS_MAX - 1);
    let wanted = LatestQuery {
        sort: feed.sort,
        after: stand.seen,
        until: newest,
        gone_since: stand.since,
        // As in Graph, members come along unless other properties are chosen; owners only when they are named.
        members: query.select.is_none() || names("members"),
        owners: names("owners"),
        limit: size + 1,
    };
    let changes = ask.history().await?.latest(wanted).await.map_err(|fault| ask.faulted(&fault))?;
    let more = changes.len() > size as usize;
    let page = &changes[..changes.len().min(size as usize)];
    let (name, annotation, stand) = match page.last() {
        Some(last) if more => ("$skiptoken", "@odata.nextLink", Stand { seen: last.at, ..stand }),
        _ => ("$deltatoken", "@odata.deltaLink", Stand { seen: At::after(newest), since: newest, epoch }),
    };
    let mut out = Map::new();
    out.insert("@odata.context".into(), json!(ask.context_url(feed.context)));
    out.insert(annotation.into(), json!(place.link(name, Json::Array(stand.values()).to_string().into_bytes())));
    out.insert("value".into(), Json::Array(told(ask, &query, page, only.as_deref())));
    Ok(Answer::Found(Json::Object(out)))
}

/// The ids that a filter pins. Graph takes no other filter here.
fn ids_of(filter: &Filter) -> Result<Vec<Uuid>, Problem> {
    let id = |value: &Literal| match value {
        Literal::Id(text) => Some(Uuid::try_parse(text).unwrap_or_default()),
        _ => None,
    };
    let found: Option<Vec<Uuid>> = match filter {
        Filter::Compare(path, Op::Eq, value) if path.is("id") => id(value).map(|id| vec![id]),
        Filter::In(path, values) if path.is("id") => values.iter().map(id).collect(),
        Filter::Or(parts) => {
            let each: Result<Vec<Vec<Uuid>>, Problem> = parts.iter().map(ids_of).collect();
            return Ok(each?.concat());
        }
        _ => None,
    };
    found.ok_or_else(|| Problem::unsupported_query("With delta, $filter takes ids only: id eq '…' or id eq '…'."))
}

/// What the rows of a page say, one object for each thing in the order of its first row.
fn told(ask: &Ask, query: &Options, page: &[Latest], only: Option<&[Uuid]>) -> Vec<Json> {
    let mut at: BTreeMap<Uuid, usize> = BTreeMap::new();
    let mut out: Vec<Map<String, Json>> = Vec::new();
    for change in page.iter().filter(|c| only.is_none_or(|ids| ids.contains(&c.at.what))) {
        let n = *at.entry(change.at.what).or_insert_with(|| {
            out.push(thing(ask, query, change.at.what));
            out.len() - 1
        });
        let name = match change.at.side {
            Side::Own => continue,
            Side::Member => "members@delta",
            Side::Owner => "owners@delta",
        };
        if let Some(Json::Array(list)) = out.get_mut(n).map(|o| o.entry(name).or_insert_with(|| json!([]))) {
            list.push(other(ask, change));
        }
    }
    out.into_iter().map(Json::Object).collect()
}

fn thing(ask: &Ask, query: &Options, id: Uuid) -> Map<String, Json> {
    let mut shown = match Object::principal(&ask.moment, PrincipalId(id)) {
        Some(object) => render(&object, query, false),
        None => Map::from_iter([("@removed".to_owned(), json!({"reason": "deleted"}))]),
    };
    // Whatever was selected, a change says what changed.
    shown.insert("id".into(), json!(id));
    shown
}

fn other(ask: &Ask, change: &Latest) -> Json {
    let object = Object::principal(&ask.moment, PrincipalId(change.at.other));
    let kind = object.map_or("directoryObject", |o| o.entity().name);
    let mut shown = json!({"@odata.type": format!("#microsoft.graph.{kind}"), "id": change.at.other});
    if change.gone {
        shown["@removed"] = json!({"reason": "deleted"});
    }
    shown
}
