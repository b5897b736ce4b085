//! What the machine can do at most: a flush of the disk, a commit of SQLite, an answer of an empty web server.
//! Nothing of Writ runs here.

use crate::report::{Failed, Report, Times, count, middle, span};
use rusqlite::{Connection, params};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// About the bytes of one entry.
const ROW_BYTES: usize = 800;
const ROUND: Duration = Duration::from_millis(1_500);
const ROUNDS: usize = 3;

/// Commits of plain SQLite, as durable as Writ's own, in rows a second.
pub(crate) struct Sqlite {
    connection: Connection,
    next: i64,
    row: Vec<u8>,
}

impl Sqlite {
    /// Rows of so many bytes, in a new file.
    pub(crate) fn open(folder: &Path, row_bytes: usize) -> Result<Sqlite, Failed> {
        let connection = Connection::open(folder.join("limit.db"))?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        connection.pragma_update(None, "synchronous", "full")?;
        connection.execute_batch("CREATE TABLE entry (seq INTEGER PRIMARY KEY, at INTEGER, kind TEXT, bytes BLOB)")?;
        Ok(Sqlite { connection, next: 1, row: vec![7; row_bytes] })
    }

    /// One transaction of so many rows.
    fn commit(&mut self, rows: i64) -> Result<(), Failed> {
        let change = self.connection.transaction()?;
        {
            let mut insert = change.prepare_cached("INSERT INTO entry VALUES (?1, ?2, 'activation_began', ?3)")?;
            for seq in self.next..self.next + rows {
                insert.execute(params![seq, seq, self.row])?;
            }
        }
        change.commit()?;
        self.next += rows;
        Ok(())
    }

    /// Rows a second with so many rows in each transaction.
    pub(crate) fn rows_per_second(&mut self, rows: i64, span: Duration) -> Result<f64, Failed> {
        Ok(Times::of(span, || self.commit(rows))?.per_second() * rows as f64)
    }
}

/// A folder on the disk the build is on; a memory file system would make every flush free.
pub(crate) fn folder() -> Result<tempfile::TempDir, Failed> {
    let place = std::env::current_exe()?;
    let beside = place.parent().ok_or("the program lies in no folder")?;
    Ok(tempfile::Builder::new().prefix("bench-").tempdir_in(beside)?)
}

pub(crate) fn run(report: &mut Report) -> Result<(), Failed> {
    let folder = folder()?;
    report.section("The machine's limits", &["what", "a second", "median", "p99"]);

    let mut file = std::fs::File::create(folder.path().join("flush"))?;
    let block = [7_u8; 4096];
    let mut flushes = Times::of(ROUND, || {
        file.write_all(&block)?;
        Ok(file.sync_data()?)
    })?;
    row(report, "append 4 KiB and fdatasync", flushes.per_second(), &mut flushes);

    let mut sqlite = Sqlite::open(folder.path(), ROW_BYTES)?;
    for (what, rows) in [("SQLite, one row in a commit", 1), ("SQLite, 64 rows in a commit (rows)", 64)] {
        let (mut all, mut rounds) = (Times::default(), Vec::new());
        for _ in 0..ROUNDS {
            let times = Times::of(ROUND, || sqlite.commit(rows))?;
            rounds.push(times.per_second() * rows as f64);
            all.join(times);
        }
        row(report, what, middle(rounds), &mut all);
    }

    let runtime = tokio::runtime::Runtime::new()?;
    let (per_second, mut times) = runtime.block_on(empty_server(64))?;
    row(report, "axum, an empty answer, 64 connections on loopback", per_second, &mut times);
    Ok(())
}

fn row(report: &mut Report, what: &str, per_second: f64, times: &mut Times) {
    report.row(&[what.to_owned(), count(per_second), span(times.within(0.5)), span(times.within(0.99))]);
}

async fn empty_server(connections: usize) -> Result<(f64, Times), Failed> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let router = axum::Router::new().route("/", axum::routing::get(|| async { "ok" }));
    let server = tokio::spawn(async move { axum::serve(listener, router).await });
    let request: Arc<[u8]> = Arc::from(&b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n"[..]);
    let measured = ask(address, request, connections, ROUND * 2).await;
    server.abort();
    measured
}

/// Sends one request over and over on each of so many connections. Errors: any answer other than a 200 of known length.
pub(crate) async fn ask(
    address: std::net::SocketAddr,
    request: Arc<[u8]>,
    connections: usize,
    span: Duration,
) -> Result<(f64, Times), Failed> {
    let begun = Instant::now();
    let callers: Vec<_> = (0..connections)
        .map(|_| {
            let request = Arc::clone(&request);
            tokio::spawn(async move {
                let mut stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                let (mut times, mut answer) = (Times::default(), Vec::with_capacity(16 * 1024));
                while begun.elapsed() < span {
                    let one = Instant::now();
                    stream.write_all(&request).await?;
                    read_answer(&mut stream, &mut answer).await?;
                    times.add(one.elapsed());
                }
                Ok::<Times, Failed>(times)
            })
        })
        .collect();
    let mut all = Times::default();
    for caller in callers {
        all.join(caller.await??);
    }
    Ok((all.count() as f64 / begun.elapsed().as_secs_f64(), all))
}

async fn read_answer(stream: &mut TcpStream, answer: &mut Vec<u8>) -> Result<(), Failed> {
    answer.clear();
    let mut whole = None;
    while whole.is_none_or(|length| answer.len() < length) {
        if stream.read_buf(answer).await? == 0 {
            return Err("the server closed the connection".into());
        }
        if whole.is_none() {
            whole = length(answer)?;
        }
    }
    Ok(())
}

/// Header and body together, once the header is whole.
fn length(answer: &[u8]) -> Result<Option<usize>, Failed> {
    let text = String::from_utf8_lossy(answer);
    let Some(end) = text.find("\r\n\r\n") else { return Ok(None) };
    let header = text[..end].to_lowercase();
    if !header.starts_with("http/1.1 200") {
        return Err(format!("an unexpected answer: {text}").into());
    }
    let named = header.lines().find_map(|line| line.strip_prefix("content-length:"));
    let body: usize = named.ok_or("an answer without a length")?.trim().parse()?;
    Ok(Some(end + 4 + body))
}
