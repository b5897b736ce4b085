//! Puts the server together: the only place that knows every part.
//! It decides nothing; it opens, wires, listens, and takes down in the opposite order.
//!
//! Always: a part that cannot start stops the start, with a sentence for the operator; what was asked before the end is
//! finished, and what comes after it is turned away.

mod connections;
pub mod tenant;

use crate::config::{Settings, Tls};
use crate::connectors::hosts::Hosts;
use crate::connectors::reconcile;
use crate::history::History;
use crate::http::api::changes::Streams;
use crate::http::graph::page::PageKey;
use crate::http::router::{App, router};
use crate::identity::Identity;
use crate::store::Fault;
use crate::vault::{Expected, Key, Kind, VaultError};
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use connections::{HEADERS_MAX, Places};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;
use tenant::Tenant;
use zeroize::Zeroizing;

/// How long requests that run may go on after the server was told to end.
const LAST_ANSWERS: Duration = Duration::from_secs(10);
/// How many requests one HTTP/2 connection may have open at once.
const STREAMS_MAX: u32 = 64;
/// The longest head of a request over HTTP/2, in bytes.
const HEADERS_BYTES_MAX: u32 = 64 * 1024;
/// How often what has expired is collected.
const TEND_EVERY: Duration = Duration::from_secs(60);

/// A server that listens.
pub struct Serving {
    /// The address clients use.
    pub url: String,
    /// Who somebody is.
    pub identity: Identity,
    /// The tenant that is served.
    pub tenant: Tenant,
    handle: axum_server::Handle<SocketAddr>,
    door: tokio::task::JoinHandle<std::io::Result<()>>,
    tending: tokio::task::JoinHandle<()>,
    reconciling: tokio::task::JoinHandle<()>,
    streams: Arc<Streams>,
}

/// The runtime that everything asynchronous runs on.
///
/// # Errors
/// When the system gives no threads.
pub fn runtime() -> Result<tokio::runtime::Runtime, Fault> {
    let built = tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("writ").build();
    built.map_err(|e| Fault::new(format!("no threads to run on: {e}")))
}

/// Listens and serves; returns as soon as connections are accepted.
///
/// # Errors
/// When the address is taken, the certificate is not usable, or a part does not start.
pub async fn serve(settings: &Settings, tenant: Tenant) -> Result<Serving, Fault> {
    let taken = |e: std::io::Error| Fault::new(format!("cannot listen on {}: {e}", settings.listen));
    let listener = TcpListener::bind(settings.listen).map_err(taken)?;
    listener.set_nonblocking(true).map_err(taken)?;
    let bound = listener.local_addr().map_err(taken)?;
    let url = settings.url_at(bound);
    let tls = match &settings.tls {
        Some(tls) => Some(certificate(tls).await?),
        None => None,
    };
    let identity = Identity::open(tenant.engine.clone(), tenant.vault.clone(), &url, &settings.audiences).await?;
    let file = tenant.place.dir().join("history.db");
    let history = History::start(&file, tenant.place.tenant(), tenant.store.clone(), &tenant.engine).await?;
    let hosts =
        Hosts::start(tenant.engine.clone(), tenant.vault.clone()).await.map_err(|e| Fault::new(e.to_string()))?;
    let reconciling = reconcile::spawn(tenant.engine.clone(), vec![Arc::new(hosts.clone())]);
    let streams = Arc::<Streams>::default();
    let app = App {
        engine: tenant.engine.clone(),
        identity: identity.clone(),
        history,
        hosts,
        pages: page_key(&tenant).await?,
        public: settings.url.as_deref().map(Into::into),
        tls: tls.is_some(),
        behind_proxy: settings.behind_proxy,
        devices: settings.device_codes,
        throttle: Arc::default(),
        streams: streams.clone(),
        walks: Arc::default(),
    };
    let service = router(app).into_make_service_with_connect_info::<SocketAddr>();
    let handle = axum_server::Handle::new();
    let places = Places::new(settings.behind_proxy);
    let server = axum_server::from_tcp(listener).map_err(taken)?.handle(handle.clone());
    let door = match tls {
        Some(tls) => {
            let mut server = server.acceptor(RustlsAcceptor::new(tls).acceptor(places));
            patient(server.http_builder(), HEADERS_MAX);
            tokio::spawn(server.serve(service))
        }
        None => {
            let mut server = server.acceptor(places);
            patient(server.http_builder(), HEADERS_MAX);
            tokio::spawn(server.serve(service))
        }
    };
    let tended = identity.clone();
    let tending = tokio::spawn(async move {
        let mut ticks = tokio::time::interval(TEND_EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if let Err(why) = tended.tend().await {
                tracing::warn!("what has expired could not be collected: {why}");
            }
        }
    });
    Ok(Serving { url, identity, tenant, handle, door, tending, reconciling, streams })
}

impl Serving {
    /// Ends: no new connection, the running requests finished within a bound, the log closed.
    pub async fn stop(self) {
        self.tending.abort();
        self.reconciling.abort();
        // Streams would never end by themselves.
        self.streams.close();
        self.handle.graceful_shutdown(Some(LAST_ANSWERS));
        // A long poll may use the whole bound; it is cut off then.
        if tokio::time::timeout(LAST_ANSWERS * 2, self.door).await.is_err() {
            tracing::warn!("connections were still open when the server ended");
        }
        self.tenant.engine.stop().await;
    }
}

/// Waits until somebody tells this process to end: Ctrl-C, or TERM as service managers send it.
///
/// # Errors
/// When signals cannot be received here.
pub async fn told_to_end() -> Result<(), Fault> {
    use tokio::signal::unix::{SignalKind, signal};
    let deaf = |e: std::io::Error| Fault::new(format!("signals cannot be received: {e}"));
    let mut term = signal(SignalKind::terminate()).map_err(deaf)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(deaf)?;
    tokio::select! {
        _ = term.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

/// How long requests may take to arrive, and how much of one connection's work is done at once.
fn patient(http: &mut Builder<TokioExecutor>, headers: Duration) {
    http.http1().timer(TokioTimer::new()).header_read_timeout(headers);
    // Whoever keeps an HTTP/2 connection open is asked now and then whether they are still there.
    let (every, within) = (Some(Duration::from_secs(30)), Duration::from_secs(20));
    http.http2().timer(TokioTimer::new()).keep_alive_interval(every).keep_alive_timeout(within);
    http.http2().max_concurrent_streams(STREAMS_MAX).max_header_list_size(HEADERS_BYTES_MAX);
}

async fn certificate(tls: &Tls) -> Result<RustlsConfig, Fault> {
    let unusable = |e: std::io::Error| {
        Fault::new(format!(
            "{} and {} are not a usable certificate and key: {e}",
            tls.cert.display(),
            tls.key.display()
        ))
    };
    RustlsConfig::from_pem_chain_file(&tls.cert, &tls.key).await.map_err(unusable)
}

/// The key that page tokens are signed with: one per tenant, made at the first start, so that a list can be read on
/// after a restart.
async fn page_key(tenant: &Tenant) -> Result<PageKey, Fault> {
    let fault = |e: VaultError| Fault::new(e.to_string());
    let at = Key::new(Kind::ServerKey, "", "pages");
    if let Some(row) = tenant.vault.get(&at).await.map_err(fault)?
        && let Ok(bytes) = <[u8; 32]>::try_from(row.secret.as_slice())
    {
        return Ok(PageKey::new(&bytes));
    }
    let mut bytes = Zeroizing::new([0u8; 32]);
    getrandom::fill(&mut *bytes).map_err(|e| Fault::new(format!("no randomness from the system: {e}")))?;
    tenant.vault.put(&at, Expected::Absent, &*bytes, None).await.map_err(fault)?;
    Ok(PageKey::new(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::http::graph::odata::options::{Of, Query, pairs_of};
    use crate::http::graph::odata::render::Room;
    use crate::http::graph::odata::tests::{THING, Thing};
    use crate::http::graph::page::{Page, Place, Shape, page};
    use crate::http::problem::Problem;
    use serde_json::json;
    use writ_core::ids::{PrincipalId, TenantId};
    use writ_core::time::Time;

    const URL: &str = "http://localhost/v1.0/things";

    fn ask(key: &PageKey, raw: &str) -> Result<Page, Problem> {
        let rows = (0..5).map(|n| Thing(json!({"id": format!("r{n}")})));
        let query = Query::parse(raw, &THING, Of::Many)?;
        let place = Place::of(key, PrincipalId::from_u128(1), URL, &pairs_of(raw)?);
        let after = query.skiptoken.as_deref().map(|token| place.resumed(token)).transpose()?;
        page(rows, |_| true, &query, &Shape::by_id().sorted(), after.as_deref(), || Ok(&place), &Room::PLAIN)
    }

    #[tokio::test]
    async fn a_list_is_read_on_after_a_restart_and_by_no_other_tenant() {
        let folder = tempfile::tempdir().unwrap();
        let open = async |tenant| {
            let clock = Clock::by_hand(Time::from_millis(1_795_251_600_000));
            let opened = tenant::open(folder.path(), TenantId::from_u128(tenant), clock, true).await.unwrap();
            let key = page_key(&opened).await.unwrap();
            opened.engine.stop().await;
            key
        };
        let next = ask(&open(1).await, "$top=2").unwrap().next.unwrap();
        let raw = next.strip_prefix(URL).and_then(|rest| rest.strip_prefix('?')).unwrap();
        let on = ask(&open(1).await, raw).unwrap();
        assert!(String::from_utf8_lossy(&on.rows).contains("r2"));
        assert!(ask(&open(2).await, raw).is_err());
    }
}
