//! One request to Graph's part of the API: who asks, for what, at which moment; and the answers there are.
//! Reads look at one frozen moment and pass `may`; writes become commands (`submit`). What a path goes on to behind one
//! resource is in `linked`.

mod linked;
mod submit;

use super::body::JsonBody;
use super::declared::type_named;
use super::directory_objects::in_directory;
use super::dispatch::Version;
use super::held::Seen;
use super::odata::options::{Of, Query, pairs_of};
use super::odata::render::{Room, write};
use super::odata::value::{Key, write_text};
use super::odata::{Entity, Row};
use super::page::{Place, ROWS_BYTES_MAX, Shape, fitting, page};
use super::permissions::needed_to_expand;
pub use super::route::Route;
use super::walk::Reach;
use crate::history::History;
use crate::http::problem::{Ids, Problem};
use crate::http::router::App;
use axum::body::Bytes;
use http::StatusCode;
use serde_json::Value as Json;
use std::str::FromStr;
use std::sync::{Arc, OnceLock};
use uuid::Uuid;
use writ_core::command::Caller;
use writ_core::decide::Context;
use writ_core::ids::PrincipalId;
use writ_core::may::{self, View, may};
use writ_core::permission::{Act, permitted};
use writ_core::state::{Request, State};
use writ_core::time::Time;

/// What a handler that writes returns.
pub type Written = Result<Answer, Problem>;

/// One frozen moment: what is read in one request is all as it was then.
#[derive(Clone)]
pub struct Moment {
    /// Everything that is so.
    pub state: Arc<State>,
    /// The time.
    pub now: Time,
    /// Who looks, for what only concerns them (`assignedToMe`).
    pub me: Option<PrincipalId>,
    /// The same with how they have shown who they are: every read in one request is judged with it.
    context: Arc<Context>,
    /// How much they may see of who holds which role, once somebody has asked.
    grants: OnceLock<Option<View>>,
}

impl Moment {
    /// This moment, as a caller sees it.
    pub fn of(app: &App, caller: &Caller) -> Self {
        let context = app.engine.context(caller);
        let (state, now, me) = (app.engine.state(), context.now, caller.principal);
        Self { state, now, me, context: Arc::new(context), grants: OnceLock::new() }
    }

    /// Whether the looker may see which roles this principal holds.
    pub fn sees_roles_of(&self, principal: PrincipalId) -> bool {
        let grants = self.grants.get_or_init(|| may(&self.state, may::Query::Grants, &self.context).ok());
        grants.is_some_and(|view| may::may_see_held(&self.state, principal, view))
    }
}

/// A request.
pub struct Ask {
    /// The server.
    pub app: App,
    /// Who asks.
    pub caller: Caller,
    /// The moment at which it is answered, if it only reads.
    pub moment: Moment,
    /// The absolute URL of the version: `https://host/v1.0`.
    pub base: String,
    /// The absolute URL that was asked for, without the query part.
    pub url: String,
    /// The query part, as it came.
    pub raw: String,
    /// What the path's parameters are.
    pub parameters: Vec<(&'static str, String)>,
    /// Whether only the number of rows is wanted (`/$count`).
    pub counting: bool,
    /// Whether only references to the rows are wanted (`/$ref`).
    pub references: bool,
    /// Whether only rows of this kind are wanted (`/microsoft.graph.user`).
    pub cast: Option<&'static Entity>,
    /// Whether the caller sent `ConsistencyLevel: eventual`.
    pub eventual: bool,
    /// Whether what the path names is the caller.
    pub own: bool,
    /// The body.
    pub bytes: Bytes,
    /// The request's ids.
    pub ids: Ids,
    /// Graph's version.
    pub version: Version,
    /// Scheme and host as the caller knows them.
    pub origin: String,
    /// The host that the caller named.
    pub host: String,
    /// Where the caller stands in a list.
    pub page: Standing,
    /// How many rows it may look at.
    pub reach: Reach,
}

/// Where a caller stands in a list: read and checked once, however many ask.
#[derive(Default)]
pub struct Standing {
    /// The query part, decoded.
    options: OnceLock<Vec<(String, String)>>,
    /// What tokens are bound to.
    place: OnceLock<Place>,
    /// The keys in the token that came, if one did.
    after: OnceLock<Vec<Key>>,
    /// What is listed.
    of: OnceLock<&'static Entity>,
}

/// An answer that is a success.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// 200 with a body.
    Found(Json),
    /// 200 with a body that is written already.
    Written(Vec<u8>),
    /// 201 with what was made.
    Made(Json),
    /// 204
    Nothing,
    /// 200 with a bare number.
    Count(u64),
}

impl Answer {
    /// The status it is sent with.
    pub fn status(&self) -> StatusCode {
        match self {
            Answer::Found(_) | Answer::Written(_) | Answer::Count(_) => StatusCode::OK,
            Answer::Made(_) => StatusCode::CREATED,
            Answer::Nothing => StatusCode::NO_CONTENT,
        }
    }

    /// The body as it is sent in a batch; null without one.
    pub fn into_bytes(self) -> Vec<u8> {
        match self {
            Answer::Written(bytes) => bytes,
            Answer::Found(json) | Answer::Made(json) => json.to_string().into_bytes(),
            Answer::Count(n) => n.to_string().into_bytes(),
            Answer::Nothing => b"null".to_vec(),
        }
    }

    /// The body as JSON; null without one.
    pub fn into_json(self) -> Json {
        match self {
            Answer::Found(json) | Answer::Made(json) => json,
            Answer::Written(bytes) => serde_json::from_slice(&bytes).unwrap_or_default(),
            Answer::Count(n) => Json::from(n),
            Answer::Nothing => Json::Null,
        }
    }
}

/// For whom a list is: `filterByCurrentUser`'s parameter, or nobody in particular.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// All that may be seen.
    Everybody,
    /// What is about the caller.
    Principal,
    /// What the caller made.
    CreatedBy,
    /// What the caller may decide.
    Approver,
}

impl Ask {
    /// A parameter of the path.
    pub fn at(&self, name: &str) -> &str {
        self.parameters.iter().find(|(n, _)| *n == name).map_or("", |(_, v)| v)
    }

    /// A parameter of the path that is an id. What is no id names nothing.
    pub fn id_at<T: FromStr>(&self, name: &str) -> Result<T, Problem> {
        self.at(name).parse().map_err(|_| self.missing(name))
    }

    /// The answer that there is nothing of that name.
    pub fn missing(&self, name: &str) -> Problem {
        Problem::not_found(self.at(name))
    }

    /// Who asks.
    pub fn me(&self) -> Result<PrincipalId, Problem> {
        self.caller
            .principal
            .filter(|_| !self.caller.app_only)
            .ok_or_else(|| Problem::bad_request("/me request is only valid with delegated authentication flow."))
    }

    /// The body as JSON.
    pub fn body(&self) -> Result<JsonBody, Problem> {
        JsonBody::parse(&self.bytes, false)
    }

    /// How much of something the caller may see.
    pub fn reads(&self, query: may::Query) -> Result<View, Problem> {
        may(&self.moment.state, query, &self.moment.context).map_err(|r| Problem::from(&r))
    }

    /// Whether a request may be seen.
    pub fn sees_request(&self, request: &Request, view: View) -> bool {
        may::may_see_request(&self.moment.state, request, view, &self.moment.context)
    }

    /// Whether something held by a principal may be seen.
    pub fn sees_held(&self, principal: PrincipalId, view: View) -> bool {
        may::may_see_held(&self.moment.state, principal, view)
    }

    /// The history, once it shows the moment that is asked about.
    pub async fn history(&self) -> Result<&History, Problem> {
        let history = &self.app.history;
        history.wait_for(self.moment.state.seq).await.map_err(|fault| self.faulted(&fault))?;
        Ok(history)
    }

    /// The answer when something that is not ours failed; the cause is in the server's log.
    pub fn faulted(&self, fault: &dyn std::fmt::Display) -> Problem {
        tracing::error!(request_id = self.ids.request, %fault, "the history cannot be read");
        Problem::unavailable("What happened earlier cannot be read right now; ask again.", 5)
    }

    /// `filterByCurrentUser`'s parameter, which must be one of these.
    pub fn current_user(&self, allowed: &[&str]) -> Result<Whose, Problem> {
        let on = self.at("on");
        match allowed.iter().find(|a| a.eq_ignore_ascii_case(on)) {
            Some(&"principal" | &"target") => Ok(Whose::Principal),
            Some(&"createdBy") => Ok(Whose::CreatedBy),
            Some(&"approver") => Ok(Whose::Approver),
            _ => Err(Problem::bad_request(format!("The value of 'on' must be one of: {}.", allowed.join(", ")))),
        }
    }

    /// Whether a list is of everything, whoever holds it.
    pub fn all(&self, seen: Seen) -> bool {
        seen.whose == Whose::Everybody && seen.view == View::All
    }

    /// The principal for whom a list is, if it is for one: what others hold in it is held through a group.
    pub fn seen_by(&self, whose: Whose) -> Option<PrincipalId> {
        if whose == Whose::Everybody { None } else { self.moment.me }
    }

    /// A list, a page of it, or its length. The rows are told the query and where they may begin: at the row with this
    /// id, if they come in the order of their ids. To begin earlier is never wrong, only slower.
    pub fn list<R: Row, I: Iterator<Item = R>>(
        &self,
        entity: &'static Entity,
        context: &str,
        rows: impl FnOnce(&Query, Uuid) -> I,
    ) -> Result<Answer, Problem> {
        self.list_as(entity, context, Shape::by_id().sorted(), rows)
    }

    /// The same, in another shape.
    pub fn list_as<R: Row, I: Iterator<Item = R>>(
        &self,
        entity: &'static Entity,
        context: &str,
        shape: Shape,
        rows: impl FnOnce(&Query, Uuid) -> I,
    ) -> Result<Answer, Problem> {
        let query = self.query(entity)?;
        let rows = rows(&query, self.begins_at(&query, &shape)?);
        self.page_of(&query, context, &shape, rows)
    }

    /// Graph answers two kinds of query on the directory only with a header; a script that lacks it there lacks it here.
    fn advanced(&self, entity: &'static Entity) -> Result<(), Problem> {
        if self.eventual || !in_directory(entity) {
            return Ok(());
        }
        if self.counting {
            return Err(Problem::unsupported_query(
                "Raw count (/$count) is not supported because the 'ConsistencyLevel:eventual' header is missing. Refer \
                 to https://aka.ms/graph-docs/advanced-queries for more information",
            ));
        }
        let searches = |name: &str| name.trim_start_matches('$').eq_ignore_ascii_case("search");
        if self.options()?.iter().any(|(name, _)| searches(name)) {
            return Err(Problem::unsupported_query(
                "Request with $search query parameter only works through MSGraph with a special request header: \
                 'ConsistencyLevel: eventual'",
            ));
        }
        Ok(())
    }

    /// Who asks, for what is bound to a caller; nil for a program that is nobody in the directory.
    pub fn asker(&self) -> PrincipalId {
        self.caller.principal.unwrap_or(PrincipalId::from_u128(0))
    }

    /// What is listed, once that is known.
    pub fn listed(&self) -> Option<&'static Entity> {
        self.page.of.get().copied()
    }

    /// The query part's names and values.
    ///
    /// # Errors
    /// When it cannot be decoded.
    pub fn options(&self) -> Result<&[(String, String)], Problem> {
        if let Some(options) = self.page.options.get() {
            return Ok(options);
        }
        let options = pairs_of(&self.raw)?;
        Ok(self.page.options.get_or_init(|| options))
    }

    /// What page tokens are bound to here.
    fn place(&self) -> Result<&Place, Problem> {
        if let Some(place) = self.page.place.get() {
            return Ok(place);
        }
        let place = Place::of(&self.app.pages, self.asker(), &self.url, self.options()?);
        Ok(self.page.place.get_or_init(|| place))
    }

    /// The keys of the last row of the page before, when a further page is asked for.
    pub fn resumed(&self, query: &Query, shape: &Shape) -> Result<Option<&[Key]>, Problem> {
        let Some(token) = &query.skiptoken else { return Ok(None) };
        let after = match self.page.after.get() {
            Some(after) => after,
            None => {
                let after = self.place()?.resumed(token)?;
                self.page.after.get_or_init(|| after)
            }
        };
        fitting(after, query, shape).map(Some)
    }

    /// What is asked of a list of these.
    pub fn query(&self, entity: &'static Entity) -> Result<Query, Problem> {
        self.advanced(entity)?;
        let _ = self.page.of.set(entity);
        let mut query = self.parsed(entity, Of::Many)?;
        // What `filterByCurrentUser` finds.
        query.typed = !self.at("on").is_empty() && type_named(entity.name).is_some();
        self.reach.weigh(query.row_cost());
        Ok(query)
    }

    /// What the query part asks for, if the token may have all that is to come along.
    pub fn parsed(&self, entity: &'static Entity, of: Of) -> Result<Query, Problem> {
        let query = Query::of(self.options()?, entity, of)?;
        // What a link leads to is somebody else.
        let own = self.own && self.at("link").is_empty();
        self.may_expand(&query, own).map(|()| query)
    }

    /// Whether the token may have what comes along, and what the filter asks about where links lead.
    fn may_expand(&self, query: &Query, own: bool) -> Result<(), Problem> {
        let judged = |link| match needed_to_expand(query.entity.name, link, own) {
            Some(thing) => permitted(&self.caller, thing, Act::Read).map_err(|refusal| Problem::from(&refusal)),
            None => Ok(()),
        };
        let mut asked = Ok(());
        if let Some(filter) = &query.filter {
            filter.follows(&mut |link| {
                asked = judged(link);
                asked.is_err()
            });
        }
        asked?;
        for expansion in &query.expand {
            judged(expansion.link.name)?;
            self.may_expand(&expansion.query, false)?;
        }
        Ok(())
    }

    /// The keys of the row that reading may begin after, if it may: not when all rows have to be counted or sorted.
    pub fn seeks(&self, query: &Query, shape: &Shape) -> Result<Option<&[Key]>, Problem> {
        if shape.seekable(query) && !self.counting { self.resumed(query, shape) } else { Ok(None) }
    }

    /// The id at which sorted rows may begin for this page; nil for the first page, and when all rows are needed.
    fn begins_at(&self, query: &Query, shape: &Shape) -> Result<Uuid, Problem> {
        let last = if query.order.is_empty() { self.seeks(query, shape)? } else { None };
        Ok(last.and_then(|keys| keys.first()?.guid()).unwrap_or_default())
    }

    /// The page that a query asks for of these rows, or their number.
    pub fn page_of<R: Row>(
        &self,
        query: &Query,
        context: &str,
        shape: &Shape,
        rows: impl Iterator<Item = R>,
    ) -> Result<Answer, Problem> {
        self.paged(query, context, shape, self.reach.count(rows), |_| true)
    }

    /// The same of those rows that are shown at all: that is asked only of what the filter lets through. Rows that are
    /// not shown count as looked at where they come from.
    pub fn page_of_shown<R: Row>(
        &self,
        query: &Query,
        context: &str,
        shape: &Shape,
        rows: impl Iterator<Item = R>,
        shown: impl Fn(&R) -> bool,
    ) -> Result<Answer, Problem> {
        let rows = rows.take_while(|_| !self.reach.over());
        self.paged(query, context, shape, rows, |row| shown(row) && self.reach.step())
    }

    fn paged<R: Row>(
        &self,
        query: &Query,
        context: &str,
        shape: &Shape,
        rows: impl Iterator<Item = R>,
        shown: impl Fn(&R) -> bool,
    ) -> Result<Answer, Problem> {
        // Where no row can fit, none is looked at.
        let rows = rows.take(if query.never() { 0 } else { usize::MAX });
        if self.counting {
            if let Some(known) = shape.known(query) {
                return Ok(Answer::Count(known as u64));
            }
            return Ok(Answer::Count(rows.filter(|row| query.lets(row) && shown(row)).count() as u64));
        }
        let after = self.resumed(query, shape)?;
        let page = self.room(|room| page(rows, shown, query, shape, after, || self.place(), room))?;
        let mut out = Vec::with_capacity(page.rows.len() + 512);
        out.extend_from_slice(b"{\"@odata.context\":");
        // A function's answer is of a type; a list's is what stands at its path.
        let of_type = query.typed.then(|| format!("Collection({})", query.entity.name));
        write_text(&self.context_url(of_type.as_deref().unwrap_or(context)), &mut out);
        if let Some(count) = page.count {
            out.extend_from_slice(format!(",\"@odata.count\":{count}").as_bytes());
        }
        if let Some(next) = page.next {
            out.extend_from_slice(b",\"@odata.nextLink\":");
            write_text(&next, &mut out);
        }
        out.extend_from_slice(b",\"value\":[");
        out.extend_from_slice(&page.rows);
        out.extend_from_slice(b"]}");
        Ok(Answer::Written(out))
    }

    /// What was made, as 201.
    pub fn created<R: Row>(&self, entity: &'static Entity, context: &str, row: Option<&R>) -> Written {
        let row = row.ok_or_else(Problem::internal)?;
        Ok(Answer::Made(self.written(&Query::plain(entity), context, row, false)?.into_json()))
    }

    /// One resource as an answer.
    fn written(&self, query: &Query, context: &str, row: &dyn Row, typed: bool) -> Result<Answer, Problem> {
        // As much as most have, so that it does not grow bit by bit: what comes along is larger than what it comes with.
        let mut out = Vec::with_capacity(if query.expand.is_empty() { 1 << 10 } else { 8 << 10 });
        self.room(|room| Ok(write(row, query, typed, &self.context_url(context), &mut out, room)?))?;
        Ok(Answer::Written(out))
    }

    /// Writes with the room that this answer has.
    fn room<T>(&self, written: impl FnOnce(&Room<'_>) -> Result<T, Problem>) -> Result<T, Problem> {
        written(&Room { looks: &|rows| self.reach.spend(rows), bytes_max: ROWS_BYTES_MAX })
    }

    /// Graph's address of a resource's description.
    pub fn context_url(&self, context: &str) -> String {
        [&self.base, "/$metadata#", context].concat()
    }
}
