//! A client over HTTP/1.1 that costs little beside what it measures: one connection, one request at a time.
//! It checks the status and takes answers as they come.

use crate::report::{Failed, Times};
use serde_json::Value as Json;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The request line's target for the nth request.
pub(crate) type Ask = Arc<dyn Fn(u32) -> String + Send + Sync>;

/// As browsers write it: blanks and quotes escaped.
pub(crate) fn encoded(query: &str) -> String {
    query.replace(' ', "%20").replace('\'', "%27").replace('"', "%22")
}

pub(crate) fn request(target: &str, token: &str) -> Vec<u8> {
    // Graph wants the last header for searches and counts.
    format!(
        "GET {target} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n\
         consistencylevel: eventual\r\n\r\n"
    )
    .into_bytes()
}

pub(crate) fn post(target: &str, token: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "POST {target} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

pub(crate) async fn get(server: SocketAddr, token: &str, target: &str) -> Result<Json, Failed> {
    let mut client = Client::connect(server).await?;
    client.send(&request(target, token), 200).await?;
    Ok(serde_json::from_slice(client.body())?)
}

/// Asks over and over on so many connections.
pub(crate) async fn rate(
    server: SocketAddr,
    token: &str,
    ask: &Ask,
    callers: usize,
    round: Duration,
) -> Result<(f64, Times), Failed> {
    let begun = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for caller in 0..callers {
        let (ask, token) = (Arc::clone(ask), token.to_owned());
        tasks.spawn(async move {
            let mut client = Client::connect(server).await?;
            let (mut times, mut n) = (Times::default(), caller as u32);
            while begun.elapsed() < round {
                let request = request(&ask(n), &token);
                let one = Instant::now();
                client.send(&request, 200).await?;
                times.add(one.elapsed());
                n = n.wrapping_add(callers as u32);
            }
            Ok::<Times, Failed>(times)
        });
    }
    let mut all = Times::default();
    while let Some(done) = tasks.join_next().await {
        all.join(done??);
    }
    Ok((all.count() as f64 / begun.elapsed().as_secs_f64(), all))
}

/// One connection, one request at a time.
pub(crate) struct Client {
    stream: TcpStream,
    answer: Vec<u8>,
    body: usize,
}

impl Client {
    pub(crate) async fn connect(server: SocketAddr) -> Result<Client, Failed> {
        let stream = TcpStream::connect(server).await?;
        stream.set_nodelay(true)?;
        Ok(Client { stream, answer: Vec::with_capacity(64 * 1024), body: 0 })
    }

    /// Errors: another status than this one, or an answer of unknown length.
    pub(crate) async fn send(&mut self, request: &[u8], status: u16) -> Result<(), Failed> {
        self.stream.write_all(request).await?;
        self.answer.clear();
        let mut whole = usize::MAX;
        while self.answer.len() < whole {
            if self.stream.read_buf(&mut self.answer).await? == 0 {
                return Err("the server closed the connection".into());
            }
            if whole == usize::MAX
                && let Some(end) = self.answer.windows(4).position(|w| w == b"\r\n\r\n")
            {
                let header = String::from_utf8_lossy(&self.answer[..end]).to_lowercase();
                let named = header.lines().find_map(|line| line.strip_prefix("content-length:"));
                let length: usize = named.ok_or("an answer without a length")?.trim().parse()?;
                self.body = end + 4;
                whole = self.body + length;
            }
        }
        if self.answer.get(9..12) == Some(status.to_string().as_bytes()) {
            return Ok(());
        }
        let (asked, told) = (String::from_utf8_lossy(request), String::from_utf8_lossy(&self.answer));
        Err(format!("an unexpected answer to {}: {told}", asked.lines().next().unwrap_or_default()).into())
    }

    pub(crate) fn body(&self) -> &[u8] {
        &self.answer[self.body..]
    }
}
