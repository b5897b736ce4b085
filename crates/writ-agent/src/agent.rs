//! The agent's loop: a round, a report, and rest until something happens or becomes due.
//! Orders come by a thread that asks the server, reports leave by another; neither touches the host.
//!
//! Always: the first round runs from what is written down, before the server is asked anything.

use crate::clock::{self, Now};
use crate::config::Limits;
use crate::places::{LOG_DIR, RUN_DIR};
use crate::round::Host;
use crate::state::{State, device_key};
use crate::transport::Transport;
use crate::{files, sessions, uninstall};
use ed25519_dalek::SigningKey;
use rustix::fs::{FlockOperation, flock};
use std::convert::Infallible;
use std::fs::File;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;
use writ_core::ids::DeviceId;
use writ_core::order::{GrantKey, Report, SignedOrder, Standing};
use writ_core::time::Time;

/// How long to wait after the server could not be reached: at first, and at most.
const RETRY: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));
/// How often a report is sent when nothing has changed.
const REPORT_EVERY_MS: i64 = 60_000;

/// What happens to the agent.
enum Event {
    /// The server has an order; the sender hears whether this host obeys it.
    Order(Box<SignedOrder>, Option<Time>, SyncSender<(bool, (u64, u64))>),
    /// The server answered.
    Heard(Option<Time>),
    /// The server took a report in which these were over.
    Reported(Vec<GrantKey>, Option<Time>),
    /// The server did not answer, or refused.
    Trouble(String),
}

/// One line for the host's journal.
pub fn log(line: &str) {
    eprintln!("writ-agent: {line}");
}

/// Takes the lock that only one agent holds; the file is to be kept open.
pub fn lock() -> Result<File, String> {
    files::private_dir(RUN_DIR)?;
    let path = format!("{RUN_DIR}/lock");
    let file = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(|e| format!("cannot open {path}: {e}"))?;
    flock(&file, FlockOperation::NonBlockingLockExclusive)
        .map_err(|_| "the agent is running; stop it first (systemctl stop writ-agent)".to_owned())?;
    Ok(file)
}

/// Runs until the process is ended. `program` is how PAM is to call this program.
pub fn run(program: &[String]) -> Result<Infallible, String> {
    let _lock = lock()?;
    let state = match State::load() {
        Ok(Some(state)) => state,
        Ok(None) => return Err("this host is not enrolled; run `writ-agent enrol SERVER`".into()),
        // Nobody can say any more what should be in force, so nothing is.
        Err(why) => {
            uninstall::withdraw()?;
            return Err(format!("{why}; every right that Writ gave here was taken back"));
        }
    };
    files::private_dir(LOG_DIR)?;
    let hook = sessions::install(program);
    let (id, key) = (state.enrolment.host, device_key()?);
    let server = state.enrolment.server.clone();
    let mut host = Host::new(state);
    match hook {
        Ok(true) => {}
        Ok(false) => host.notice("no_hook", "PAM has no service for sudo here; sessions are found by parentage".into()),
        Err(why) => host.notice("no_hook", why),
    }
    host.round(&clock::now());
    log(&format!("host {id}, server {server}"));

    let (tx, rx) = sync_channel(16);
    let outbox = Outbox::default();
    let held = host.state.held.as_ref().map_or((0, 0), |held| (held.epoch, held.seq));
    spawn("orders", {
        let (server, key, tx) = (server.clone(), key.clone(), tx.clone());
        move || connect(&server, &key, &tx, |transport| ask_for_orders(transport, id, held, &tx))
    })?;
    spawn("reports", {
        let outbox = outbox.clone();
        move || connect(&server, &key, &tx, |transport| send_reports(transport, id, &outbox, &tx))
    })?;
    live(&mut host, &rx, &outbox)
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), String> {
    let thread = std::thread::Builder::new().name(name.into()).spawn(work);
    thread.map(drop).map_err(|e| format!("cannot start a thread: {e}"))
}

/// Makes the way to the server. Without one the rounds go on all the same: rights still end on time.
fn connect(server: &str, key: &SigningKey, tx: &SyncSender<Event>, work: impl FnOnce(&Transport)) {
    loop {
        // A file that is wrong in other ways is noticed by the rounds; here it is only for the certificates.
        let authority = Limits::read().unwrap_or_default().certificate_authority;
        match Transport::new(server, authority.as_deref(), key.clone()) {
            Ok(transport) => return work(&transport),
            Err(why) => {
                if tx.send(Event::Trouble(why)).is_err() {
                    return;
                }
                std::thread::park_timeout(RETRY.1);
            }
        }
    }
}

fn live(host: &mut Host, rx: &Receiver<Event>, outbox: &Outbox) -> Result<Infallible, String> {
    let mut last: Option<(Report, i64)> = None;
    loop {
        let now = clock::now();
        host.round(&now);
        let report = host.report(&now);
        let is_news = last.as_ref().is_none_or(|(sent, at)| {
            now.boot.millis() - at >= REPORT_EVERY_MS || Report { at: report.at, ..sent.clone() } != report
        });
        if is_news {
            outbox.put(report.clone());
            last = Some((report, now.boot.millis()));
        }
        let rest = u64::try_from(host.rest(&clock::now()).millis()).unwrap_or(0);
        match rx.recv_timeout(Duration::from_millis(rest)) {
            Ok(event) => happen(host, event, &clock::now()),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Err("a thread of the agent has ended".into()),
        }
    }
}

fn happen(host: &mut Host, event: Event, now: &Now) {
    match event {
        Event::Order(signed, server_time, answer) => {
            host.heard(server_time, now);
            let obeyed = host.take(&signed);
            let held = host.state.held.as_ref().map_or((0, 0), |held| (held.epoch, held.seq));
            // Nobody waits for the answer any more when the thread was cut off.
            let _ = answer.send((obeyed, held));
        }
        Event::Heard(server_time) => host.heard(server_time, now),
        Event::Reported(over, server_time) => {
            host.heard(server_time, now);
            host.acknowledged(&over);
        }
        Event::Trouble(why) => log(&why),
    }
}

fn ask_for_orders(transport: &Transport, id: DeviceId, mut held: (u64, u64), tx: &SyncSender<Event>) {
    let mut retry = RETRY.0;
    let mut wait = false;
    loop {
        let event = match transport.order(id, held, wait) {
            Ok(answer) => {
                wait = true;
                match answer.told {
                    Some(signed) => {
                        let (answer_to, answered) = sync_channel(1);
                        if tx.send(Event::Order(Box::new(signed), answer.server_time, answer_to)).is_err() {
                            return;
                        }
                        match answered.recv() {
                            Ok((true, now_held)) => {
                                held = now_held;
                                retry = RETRY.0;
                                continue;
                            }
                            // Asking again at once would bring the same order again.
                            Ok((false, _)) => Event::Trouble("the server's newest order is not obeyed".into()),
                            Err(_) => return,
                        }
                    }
                    None => {
                        retry = RETRY.0;
                        if tx.send(Event::Heard(answer.server_time)).is_err() {
                            return;
                        }
                        continue;
                    }
                }
            }
            Err(why) => Event::Trouble(why),
        };
        if tx.send(event).is_err() {
            return;
        }
        std::thread::park_timeout(retry);
        retry = (retry * 2).min(RETRY.1);
    }
}

fn send_reports(transport: &Transport, id: DeviceId, outbox: &Outbox, tx: &SyncSender<Event>) {
    let mut retry = RETRY.0;
    loop {
        let report = outbox.take();
        let is_over = |standing: &Standing| matches!(standing, Standing::Ended { .. });
        let over = report.grants.iter().filter(|grant| is_over(&grant.standing)).map(|grant| grant.grant).collect();
        let event = match transport.report(id, &report) {
            Ok(answer) => {
                retry = RETRY.0;
                Event::Reported(over, answer.server_time)
            }
            Err(why) => {
                outbox.put_back(report);
                std::thread::park_timeout(retry);
                retry = (retry * 2).min(RETRY.1);
                Event::Trouble(why)
            }
        };
        if tx.send(event).is_err() {
            return;
        }
    }
}

/// The newest report that is to be sent. An older one that was not sent yet is not worth sending.
#[derive(Clone, Default)]
struct Outbox(Arc<(Mutex<Option<Report>>, Condvar)>);

impl Outbox {
    fn put(&self, report: Report) {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(report);
        self.0.1.notify_one();
    }

    fn put_back(&self, report: Report) {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(report);
    }

    fn take(&self) -> Report {
        let mut slot = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(report) = slot.take() {
                return report;
            }
            slot = self.0.1.wait(slot).unwrap_or_else(PoisonError::into_inner);
        }
    }
}
