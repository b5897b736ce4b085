//! `GET /writ/v1/changes`: a stream of what changes among the eligibilities, assignments, requests and rules that the
//! caller may see, as server-sent events (WHATWG HTML, section 9.2), so that nobody has to poll. An event says where to
//! look, by ids; what is there is asked as always.
//!
//! Known attacks and the defence: a reader that does not read (a small buffer, and the stream ends when it stays full);
//! many streams (so many per caller, so many in all); a stream that outlives its token (the token is looked at again
//! before anything is sent, and the stream ends with it); a stream that outlives the role that opened it (what may be seen
//! is judged at each change, as of then).
//!
//! Always: events come in the log's order, each once; `Last-Event-ID` goes on after the last one that was seen.

use crate::history::Change;
use crate::http::problem::Problem;
use crate::http::router::App;
use crate::http::session::{bearer, origin};
use crate::identity::Origin;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{FromRequestParts, Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use parking_lot::Mutex;
use serde_json::json;
use std::collections::HashMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use writ_core::command::Caller;
use writ_core::ids::{PrincipalId, Seq, Uuid};
use writ_core::may::{Query, may, may_see_change, told_of_change};

/// How many streams one caller may have open.
pub const STREAMS_MAX: usize = 4;
/// How many streams there may be in all.
pub const STREAMS_ALL_MAX: usize = 1024;
/// How often a quiet stream says that it is alive; also how soon it notices that its token has ended.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How long a reader may leave a full buffer before the stream ends.
const PATIENCE: Duration = Duration::from_secs(30);
/// How many pieces wait for a reader.
const BUFFER: usize = 16;
/// How many entries are looked at in one go.
const STEP: u32 = 200;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Which streams are open.
#[derive(Default)]
pub struct Streams {
    open: Mutex<HashMap<PrincipalId, usize>>,
    closing: watch::Sender<bool>,
}

/// One open stream's place among them.
struct Open {
    streams: Arc<Streams>,
    of: PrincipalId,
}

impl Streams {
    /// Ends all of them, and any that is opened later: the server ends.
    pub fn close(&self) {
        self.closing.send_replace(true);
    }

    fn open(self: &Arc<Self>, of: PrincipalId) -> Option<Open> {
        let mut open = self.open.lock();
        let all: usize = open.values().sum();
        let own = open.entry(of).or_default();
        if *own >= STREAMS_MAX || all >= STREAMS_ALL_MAX {
            if *own == 0 {
                open.remove(&of);
            }
            return None;
        }
        *own += 1;
        Some(Open { streams: self.clone(), of })
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut open = self.streams.open.lock();
        if let Some(own) = open.get_mut(&self.of) {
            *own -= 1;
            if *own == 0 {
                open.remove(&self.of);
            }
        }
    }
}

/// Opens a stream.
pub(super) async fn changes(State(app): State<App>, request: Request) -> Result<Response, Problem> {
    let (mut parts, _) = request.into_parts();
    let caller = Caller::from_request_parts(&mut parts, &app).await?;
    let me = caller.principal.ok_or_else(|| Problem::unauthenticated("Sign in first."))?;
    let state = app.engine.state();
    may(&state, Query::Grants, &app.engine.context(&caller)).map_err(|refusal| Problem::from(&refusal))?;
    let after = match parts.headers.get(LAST_EVENT_ID) {
        None => state.seq,
        Some(said) => {
            let said = said.to_str().ok().and_then(|text| text.trim().parse::<Seq>().ok());
            said.filter(|seq| *seq <= state.seq)
                .ok_or_else(|| Problem::bad_request("Last-Event-ID is not the id of an event of this server."))?
        }
    };
    let open = app.streams.open(me).ok_or_else(|| Problem::throttled(30))?;
    let token = bearer(&parts.headers).unwrap_or_default().to_owned();
    let (pieces, read) = mpsc::channel(BUFFER);
    let stream = Stream { app, token, origin: origin(&parts), me, pieces, after, _open: open };
    tokio::spawn(stream.run());
    let kind = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    Ok((kind, Body::new(Pieces(read))).into_response())
}

/// What is being sent to one reader.
struct Stream {
    app: App,
    token: String,
    origin: Origin,
    me: PrincipalId,
    pieces: mpsc::Sender<Bytes>,
    after: Seq,
    _open: Open,
}

/// The stream is over.
struct Over;

impl Stream {
    async fn run(mut self) {
        let mut commits = self.app.engine.watch();
        let mut closing = self.app.streams.closing.subscribe();
        // The first piece says where the stream begins, so that a reader who loses it at once can go on there.
        let hello = format!(
            "retry: 2000\nid: {}\n: what you may see of eligibilities, assignments, requests, rules\n\n",
            self.after
        );
        let _ = async {
            self.send(hello).await?;
            loop {
                let newest = *commits.borrow_and_update();
                while self.after < newest {
                    self.step(newest).await?;
                }
                tokio::select! {
                    changed = commits.changed() => changed.map_err(|_| Over)?,
                    () = tokio::time::sleep(HEARTBEAT) => {
                        self.caller().await?;
                        // Without data it is no event, and still moves where the reader would go on.
                        self.send(format!(": alive\nid: {}\n\n", self.after)).await?;
                    }
                    () = async { drop(closing.wait_for(|closing| *closing).await) } => return Err(Over),
                    () = self.pieces.closed() => return Err::<(), Over>(Over),
                }
            }
        }
        .await;
    }

    /// Who reads, as long as the token holds.
    async fn caller(&self) -> Result<Caller, Over> {
        match self.app.identity.caller(&self.token, &self.origin).await {
            Ok(caller) if caller.principal == Some(self.me) => Ok(caller),
            _ => {
                // Best effort: a reader who is gone needs no farewell.
                let _ = self.pieces.try_send(Bytes::from_static(
                    b"event: end\ndata: {\"why\":\"The token has ended; sign in again.\"}\n\n",
                ));
                Err(Over)
            }
        }
    }

    /// Looks at the next entries and sends those that the reader may see.
    async fn step(&mut self, newest: Seq) -> Result<(), Over> {
        let caller = self.caller().await?;
        let read = async {
            self.app.history.wait_for(newest).await?;
            self.app.history.changes(self.after, STEP).await
        };
        let changes = read.await.map_err(|fault| {
            tracing::error!("a stream of changes ends: {fault}");
            Over
        })?;
        let Some(last) = changes.last().map(|change| change.seq) else { return Err(Over) };
        for change in changes {
            if let Some(about) = self.seen(&change, &caller)? {
                self.tell(&change, &about).await?;
            }
        }
        self.after = last;
        Ok(())
    }

    /// What the reader may know of a change, if anything, as things are now: whoever has lost a role hears no more of what
    /// it showed.
    fn seen(&self, change: &Change, caller: &Caller) -> Result<Option<Vec<Uuid>>, Over> {
        let state = self.app.engine.state();
        let context = self.app.engine.context(caller);
        let view = may(&state, Query::Grants, &context).map_err(|_| Over)?;
        let sees = may_see_change(&state, &change.kind, &change.about, view, &context);
        Ok(sees.then(|| told_of_change(&state, &change.kind, &change.about, view)))
    }

    async fn tell(&self, change: &Change, about: &[Uuid]) -> Result<(), Over> {
        let data = json!({"seq": change.seq, "at": change.at, "kind": change.kind, "about": about});
        self.send(format!("id: {}\nevent: {}\ndata: {data}\n\n", change.seq, change.kind)).await
    }

    async fn send(&self, piece: String) -> Result<(), Over> {
        match tokio::time::timeout(PATIENCE, self.pieces.send(Bytes::from(piece))).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(Over),
        }
    }
}

/// What waits for the reader, as a body.
struct Pieces(mpsc::Receiver<Bytes>);

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|piece| piece.map(|piece| Ok(http_body::Frame::data(piece))))
    }
}
