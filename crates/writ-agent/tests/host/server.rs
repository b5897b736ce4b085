//! A server that knows three routes: just enough to give a real agent real orders and hear its reports.

use ed25519_dalek::{SigningKey, VerifyingKey};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;
use writ_agent::clock;
use writ_core::ids::{DeviceId, TenantId};
use writ_core::log::Head;
use writ_core::order::{
    Code, EnrolAnswer, EnrolAsk, HEADER_HOST, HEADER_NONCE, HEADER_SIGNATURE, HEADER_TIME, Hex, Order, OrderGrant,
    Report, RequestFacts, SignedEnrolment, SignedOrder, VERSION, fingerprint,
};
use writ_core::time::Time;

pub(crate) const TENANT: TenantId = TenantId::from_u128(0x7e);
pub(crate) const HOST: DeviceId = DeviceId::from_u128(0x105);

#[derive(Default)]
struct Facts {
    order: Option<(SignedOrder, (u64, u64))>,
    reports: Vec<Report>,
    device: Option<VerifyingKey>,
    silent: bool,
    /// How far the server's clock is ahead, in milliseconds.
    ahead: i64,
    bad_requests: usize,
}

/// The server. It ends with the test's process.
#[derive(Clone)]
pub(crate) struct Server {
    facts: Arc<(Mutex<Facts>, Condvar)>,
    pub(crate) key: SigningKey,
    pub(crate) address: String,
}

impl Server {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let server = Self { facts: Arc::default(), key: SigningKey::from_bytes(&[7; 32]), address };
        let ours = server.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let ours = ours.clone();
                std::thread::spawn(move || while ours.answer(&stream).is_some() {});
            }
        });
        server
    }

    pub(crate) fn code(&self) -> Code {
        Code { secret: Hex([0x5e; 16]), order_key: fingerprint(&self.key.verifying_key()) }
    }

    pub(crate) fn sign(&self, epoch: u64, seq: u64, grants: &[OrderGrant]) -> SignedOrder {
        let order = Order {
            v: VERSION,
            tenant: TENANT,
            host: HOST,
            epoch,
            seq,
            made_at: clock::now().wall,
            log: Head { size: seq, root: [0; 32] },
            grants: grants.to_vec(),
        };
        SignedOrder::sign(&order, &self.key).unwrap()
    }

    /// Gives this out from now on, whatever it is.
    pub(crate) fn give_out(&self, signed: SignedOrder, number: (u64, u64)) {
        self.facts.0.lock().unwrap().order = Some((signed, number));
        self.facts.1.notify_all();
    }

    pub(crate) fn order(&self, seq: u64, grants: &[OrderGrant]) {
        self.give_out(self.sign(1, seq, grants), (1, seq));
    }

    pub(crate) fn silent(&self, silent: bool) {
        self.facts.0.lock().unwrap().silent = silent;
        self.facts.1.notify_all();
    }

    pub(crate) fn ahead(&self, millis: i64) {
        self.facts.0.lock().unwrap().ahead = millis;
    }

    pub(crate) fn bad_requests(&self) -> usize {
        self.facts.0.lock().unwrap().bad_requests
    }

    /// Waits until the newest report is as wanted, and returns it.
    pub(crate) fn hears(
        &self,
        within: Duration,
        wanted: impl Fn(&Report) -> bool,
    ) -> Result<Report, Box<Option<Report>>> {
        let good = |facts: &Facts| facts.reports.last().is_some_and(&wanted);
        let facts = self.facts.0.lock().unwrap();
        let (facts, _) = self.facts.1.wait_timeout_while(facts, within, |facts| !good(facts)).unwrap();
        let last = facts.reports.last().cloned();
        if good(&facts) { Ok(last.unwrap()) } else { Err(Box::new(last)) }
    }

    fn now(&self) -> Time {
        Time::from_millis(clock::now().wall.millis() + self.facts.0.lock().unwrap().ahead)
    }

    fn answer(&self, stream: &TcpStream) -> Option<()> {
        let mut reader = BufReader::new(stream);
        let mut first = String::new();
        if reader.read_line(&mut first).ok()? == 0 {
            return None;
        }
        let mut words = first.split_whitespace();
        let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
        let mut headers = std::collections::BTreeMap::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            match line.trim_end().split_once(':') {
                Some((name, value)) => headers.insert(name.to_lowercase(), value.trim().to_owned()),
                None => break,
            };
        }
        let length = headers.get("content-length").and_then(|n| n.parse().ok()).unwrap_or(0);
        let mut body = vec![0u8; length];
        reader.read_exact(&mut body).ok()?;
        if self.facts.0.lock().unwrap().silent {
            return None;
        }
        let (status, text) = self.serve(&method, &path, &headers, &body);
        let mut out = stream;
        write!(out, "HTTP/1.1 {status} X\r\n{HEADER_TIME}: {}\r\ncontent-length: {}\r\n\r\n", self.now(), text.len())
            .ok()?;
        out.write_all(text.as_bytes()).ok()
    }

    fn serve(
        &self,
        method: &str,
        path: &str,
        headers: &std::collections::BTreeMap<String, String>,
        body: &[u8],
    ) -> (u16, String) {
        let header = |name: &str| headers.get(name).cloned().unwrap_or_default();
        let enrolling: Option<EnrolAsk> = (path == "/agent/v1/enrol").then(|| serde_json::from_slice(body).unwrap());
        let device = enrolling.as_ref().map(|ask| VerifyingKey::from_bytes(&ask.device_key.0).unwrap());
        let Some(device) = device.or(self.facts.0.lock().unwrap().device) else { return (401, String::new()) };
        let facts = RequestFacts {
            host: header(HEADER_HOST).parse().unwrap(),
            method,
            path,
            body,
            at: header(HEADER_TIME).parse().unwrap(),
            nonce: header(HEADER_NONCE).parse().unwrap(),
        };
        if !facts.is_signed_by(&device, &header(HEADER_SIGNATURE).parse().unwrap()) {
            self.facts.0.lock().unwrap().bad_requests += 1;
            return (401, String::new());
        }
        if let Some(ask) = enrolling {
            if ask.secret != self.code().secret {
                return (404, r#"{"error":{"message":"no such code; ask for a new one"}}"#.into());
            }
            self.facts.0.lock().unwrap().device = Some(device);
            let answer = EnrolAnswer {
                tenant: TENANT,
                host: HOST,
                order_key: Hex(self.key.verifying_key().to_bytes()),
                device_key: ask.device_key,
            };
            return (200, serde_json::to_string(&SignedEnrolment::sign(&answer, &self.key).unwrap()).unwrap());
        }
        if path == "/agent/v1/reports" {
            self.facts.0.lock().unwrap().reports.push(serde_json::from_slice(body).unwrap());
            self.facts.1.notify_all();
            return (204, String::new());
        }
        let asked = |name: &str| path.split(['?', '&']).find_map(|part| part.strip_prefix(name)?.parse::<u64>().ok());
        let held = (asked("epoch=").unwrap(), asked("seq=").unwrap());
        let wait = Duration::from_secs(asked("wait=").unwrap().min(5));
        // Anything but what the host holds is given out, so that refusals can be tried.
        let newer = |facts: &Facts| facts.order.as_ref().is_some_and(|(_, number)| *number != held);
        let facts = self.facts.0.lock().unwrap();
        let (facts, _) = self.facts.1.wait_timeout_while(facts, wait, |facts| !newer(facts) && !facts.silent).unwrap();
        match &facts.order {
            Some((signed, _)) if newer(&facts) => (200, serde_json::to_string(signed).unwrap()),
            _ => (204, String::new()),
        }
    }
}
