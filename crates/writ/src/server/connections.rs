//! Connections as they come in: how many there may be, and how long each may be silent.
//! It reads nothing of what they carry.
//!
//! Known attacks and the defence: opening connections and saying nothing, or half a request, until no file is left for
//! anybody else (a silent connection is closed after [`IDLE_MAX`], and half a request after [`HEADERS_MAX`]); many
//! connections from one place (it gets a quarter of all at most, so that somebody else's sign-in still has a place);
//! asking for much and never reading it (writing counts as silence too while nothing is taken).
//!
//! Always: bounded; a connection gives its place back when it is dropped, however it ended.

use axum_server::accept::Accept;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::future::Future as _;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

/// How many connections there may be at once. Each takes a file and some 20 KiB.
const ALL_MAX: usize = 8_192;
/// How long nothing may move on a connection: longer than the longest answer takes, with the wait of a host in it.
pub(super) const IDLE_MAX: Duration = Duration::from_secs(90);
/// How long the head of a request may take to arrive.
pub(super) const HEADERS_MAX: Duration = Duration::from_secs(20);

/// Lets connections in. Clones share the count.
#[derive(Clone)]
pub(super) struct Places {
    taken: Arc<Mutex<Taken>>,
    all_max: usize,
    /// Of one address; a proxy in front is one address for everybody.
    each_max: usize,
    idle: Duration,
}

#[derive(Default)]
struct Taken {
    all: usize,
    from: HashMap<IpAddr, usize>,
}

impl Places {
    /// Nobody is connected yet. As many places as the system gives files for, with some left for the server's own.
    pub(super) fn new(behind_proxy: bool) -> Self {
        Self::of(ALL_MAX.min(files() / 4 * 3).max(64), behind_proxy, IDLE_MAX)
    }

    fn of(all_max: usize, behind_proxy: bool, idle: Duration) -> Self {
        let each_max = if behind_proxy { all_max } else { all_max / 4 };
        Self { taken: Arc::default(), all_max, each_max, idle }
    }

    fn take(&self, from: IpAddr) -> Option<Place> {
        let from = network(from);
        let mut taken = self.taken.lock();
        let theirs = taken.from.get(&from).copied().unwrap_or(0);
        if taken.all >= self.all_max || theirs >= self.each_max {
            return None;
        }
        taken.all += 1;
        taken.from.insert(from, theirs + 1);
        Some(Place { places: self.clone(), from })
    }
}

/// An IPv6 customer has a whole /64, and counts as one.
fn network(from: IpAddr) -> IpAddr {
    match from.to_canonical() {
        IpAddr::V6(ip) => IpAddr::V6((u128::from(ip) & (u128::MAX << 64)).into()),
        v4 => v4,
    }
}

/// How many files this process may have open, raised to what the system allows it.
fn files() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let now = getrlimit(Resource::Nofile);
    let wanted = now.maximum.unwrap_or(65_536).min(65_536).max(now.current.unwrap_or(0));
    // Where it cannot be raised, what there is must do.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum: now.maximum });
    let files = getrlimit(Resource::Nofile).current.unwrap_or(wanted);
    usize::try_from(files).unwrap_or(usize::MAX)
}

/// A place that is taken; given back when dropped.
struct Place {
    places: Places,
    from: IpAddr,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock();
        taken.all = taken.all.saturating_sub(1);
        let left = taken.from.get(&self.from).copied().unwrap_or(0).saturating_sub(1);
        if left == 0 {
            taken.from.remove(&self.from);
        } else {
            taken.from.insert(self.from, left);
        }
    }
}

impl<S> Accept<TcpStream, S> for Places {
    type Stream = Connection;
    type Service = S;
    type Future = std::future::Ready<io::Result<(Connection, S)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let connection = stream.peer_addr().and_then(|peer| {
            let full = || io::Error::new(io::ErrorKind::ConnectionRefused, "too many connections");
            let place = self.take(peer.ip()).ok_or_else(full)?;
            let deadline = Box::pin(tokio::time::sleep(self.idle));
            Ok(Connection { stream, deadline, idle: self.idle, moved: false, _place: place })
        });
        std::future::ready(connection.map(|connection| (connection, service)))
    }
}

/// A connection that ends when nothing has moved on it for too long.
pub(super) struct Connection {
    stream: TcpStream,
    deadline: Pin<Box<Sleep>>,
    idle: Duration,
    /// Whether anything has moved since the deadline was set. It is set anew only when it has come, so that reading
    /// and writing cost nothing more.
    moved: bool,
    _place: Place,
}

impl Connection {
    /// What came of reading or writing; when it waits, whether it has waited too long.
    fn watched<T>(&mut self, cx: &mut Context<'_>, done: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if done.is_ready() {
            self.moved = true;
            return done;
        }
        loop {
            ready!(self.deadline.as_mut().poll(cx));
            if !std::mem::take(&mut self.moved) {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            self.deadline = Box::pin(tokio::time::sleep(self.idle));
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        self.watched(cx, read)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.watched(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bytes);
        self.watched(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::get;
    use axum::{Router, response::IntoResponse};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    const SOON: Duration = Duration::from_secs(20);

    /// A server with few places and little patience; where it listens.
    async fn serving(all: usize, behind_proxy: bool, idle: Duration, headers: Duration) -> std::net::SocketAddr {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let at = listener.local_addr().unwrap();
        let app = Router::new().route("/", get(|| async { "here".into_response() }));
        let mut server = axum_server::from_tcp(listener).unwrap().acceptor(Places::of(all, behind_proxy, idle));
        super::super::patient(server.http_builder(), headers);
        tokio::spawn(server.serve(app.into_make_service()));
        at
    }

    /// What is answered to this text, until the server closes or nothing more comes for a while.
    async fn hears(at: std::net::SocketAddr, text: &str) -> String {
        let mut stream = TcpStream::connect(at).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut heard = Vec::new();
        tokio::time::timeout(SOON, stream.read_to_end(&mut heard)).await.expect("the server closes in time").ok();
        String::from_utf8_lossy(&heard).into_owned()
    }

    const WHOLE: &str = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";

    #[tokio::test]
    async fn who_says_nothing_or_half_of_something_is_not_waited_for_without_end() {
        let at = serving(100, false, Duration::from_millis(300), Duration::from_millis(300)).await;
        assert_eq!(hears(at, "").await, "", "a silent connection is closed");
        assert_eq!(hears(at, "PRI * HTTP/2").await, "", "and half of a greeting");
        hears(at, "GET / HTTP/1.1\r\nhost: x\r\n").await;
        assert!(hears(at, WHOLE).await.ends_with("here"), "a whole request is answered, and its connection not kept");
    }

    #[tokio::test]
    async fn who_drips_the_head_of_a_request_is_cut_off() {
        let at = serving(100, false, SOON * 3, Duration::from_millis(400)).await;
        let (mut reading, mut writing) = TcpStream::connect(at).await.unwrap().into_split();
        let dripping = tokio::spawn(async move {
            writing.write_all(b"GET / HTTP/1.1\r\nx: ").await.unwrap();
            while writing.write_all(b"y").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        let mut heard = Vec::new();
        tokio::time::timeout(SOON, reading.read_to_end(&mut heard)).await.expect("cut off").ok();
        tokio::time::timeout(SOON, dripping).await.expect("and nobody listens any more").unwrap();
    }

    #[tokio::test]
    async fn one_address_never_takes_every_place_and_places_are_given_back() {
        let places = Places::of(8, false, IDLE_MAX);
        let (here, there) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
        let mut held: Vec<Place> = (0..20).filter_map(|_| places.take(here)).collect();
        assert_eq!(held.len(), 2);
        held.extend(places.take(there));
        assert_eq!(held.len(), 3, "others still come in");
        let six: Vec<IpAddr> = (0..20u128).map(|n| IpAddr::V6((0x2001_0db8u128 << 96 | n).into())).collect();
        held.extend(six.iter().filter_map(|ip| places.take(*ip)));
        assert_eq!(held.len(), 5, "a whole /64 is one customer");
        held.clear();
        assert!(places.taken.lock().from.is_empty() && places.taken.lock().all == 0);
        let behind = Places::of(8, true, IDLE_MAX);
        let held: Vec<Place> = (0..20).filter_map(|_| behind.take(here)).collect();
        assert_eq!(held.len(), 8, "behind a proxy everybody has its address");
    }

    #[tokio::test]
    async fn a_connection_too_many_is_closed_and_the_next_has_a_place_again() {
        let at = serving(4, false, SOON * 3, SOON * 3).await;
        let mut first = TcpStream::connect(at).await.unwrap();
        first.write_all(WHOLE.as_bytes()).await.unwrap();
        let mut some = [0; 16];
        first.read_exact(&mut some).await.unwrap();
        assert_eq!(hears(at, WHOLE).await, "", "one of four places is a quarter, and it is taken");
        drop(first);
        let again = async {
            let close = WHOLE.replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n");
            while !hears(at, &close).await.ends_with("here") {}
        };
        tokio::time::timeout(SOON, again).await.expect("the place was given back");
    }
}
