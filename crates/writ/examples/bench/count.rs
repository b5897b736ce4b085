//! How many instructions a request takes from the router's door to the last byte of its answer, counted by Valgrind's
//! callgrind: other work on the machine does not change them, so that two of them can be compared where times cannot.
//! It says nothing about time: an instruction that waits for memory counts as one that does not.
//!
//! Always: the same routes, organisation and queries as in the section `http`; each request was asked before it is counted.

use crate::http::{DEEP, PEOPLE, deep_lists, next_of, single_reads};
use crate::limits;
use crate::population::THEN;
use crate::report::{Failed, Report, count, middle};
use crate::world::World;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use std::io::ErrorKind;
use std::path::Path;
use std::process::{Command, Stdio};
use tokio::runtime::{Builder, Runtime};
use tower::ServiceExt as _;
use writ::clock::Clock;

/// The word by which this program is told that it runs inside callgrind.
pub(crate) const INSIDE: &str = "counted";
/// How often each is counted; the middle is told. Now and then one tidies up after others, in the allocator.
const TIMES: usize = 5;
/// The largest answer there is.
const ANSWER_MAX: usize = 16 << 20;

/// Runs this program once more inside callgrind, and tells what it counted.
pub(crate) fn run(report: &mut Report) -> Result<(), Failed> {
    let folder = limits::folder()?;
    let out = folder.path().join("out");
    let counting = Command::new("valgrind")
        .args([
            "--tool=callgrind",
            "--instr-atstart=no",
            "--toggle-collect=bench::count::counted",
            "--dump-after=bench::count::counted",
        ])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(std::env::current_exe()?)
        .arg(INSIDE)
        .stderr(Stdio::inherit())
        .output();
    let counting = match counting {
        Err(e) if e.kind() == ErrorKind::NotFound => {
            report.section("Instructions", &["not counted"]);
            report.row(&["Valgrind is not installed here; its package is called valgrind.".to_owned()]);
            return Ok(());
        }
        counting => counting?,
    };
    if !counting.status.success() {
        return Err(format!("counting failed: {}", counting.status).into());
    }
    let asked = String::from_utf8(counting.stdout)?;
    let mut counted: Vec<(&str, Vec<f64>)> = Vec::new();
    for (n, what) in asked.lines().enumerate() {
        let found = instructions(&out.with_extension((n + 1).to_string()))?;
        match counted.last_mut() {
            Some((last, all)) if *last == what => all.push(found),
            _ => counted.push((what, vec![found])),
        }
    }
    let counted: Vec<(&str, f64)> = counted.into_iter().map(|(what, all)| (what, middle(all))).collect();
    let of = |wanted: &str| counted.iter().find(|(what, _)| *what == wanted).map(|(_, n)| *n);
    let trivial = of("trivial").ok_or("nothing was counted")?;
    report.section(
        "Instructions of a single read",
        &["what", "instructions", "of the handler that only checks the token"],
    );
    for (what, n) in counted.iter().filter(|(what, _)| !what.starts_with("page 1") && !what.starts_with("deep")) {
        report.row(&[(*what).to_owned(), count(*n), format!("{:.2} ×", n / trivial)]);
    }
    report.section(&format!("Instructions of page 1 and page {DEEP}"), &["list", "page 1", "deep", "deep, of page 1"]);
    for (list, first) in counted.iter().filter_map(|(what, n)| Some((what.strip_prefix("page 1: ")?, *n))) {
        let deep = of(&format!("deep: {list}")).ok_or("a list without its deep page")?;
        report.row(&[list.to_owned(), count(first), count(deep), format!("{:.3} ×", deep / first)]);
    }
    Ok(())
}

/// The total of one of callgrind's files.
fn instructions(file: &Path) -> Result<f64, Failed> {
    let told = std::fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))?;
    let total = told.lines().find_map(|line| line.strip_prefix("totals: ").or(line.strip_prefix("summary: ")));
    Ok(total.ok_or("callgrind wrote no total")?.trim().parse()?)
}

/// What runs inside callgrind: says what it has counted, a line each.
pub(crate) fn inside() -> Result<(), Failed> {
    let folder = limits::folder()?;
    // One thread, so that what is counted is what the request did.
    // Reading the machine's clock is the kernel's page in this process, which is not there inside.
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let world = runtime.block_on(World::open(folder.path(), PEOPLE, Clock::by_hand(THEN)))?;
    let token = runtime.block_on(world.token(world.administrator))?;
    let mut asks = vec![("trivial".to_owned(), "/trivial".to_owned())];
    asks.extend(single_reads(&world).into_iter().map(|(what, ask)| (what.to_owned(), ask(1))));
    for (list, first) in deep_lists(&world) {
        let mut at = first.clone();
        for _ in 1..DEEP {
            let answer = counted(&runtime, &world.routes, request(&token, &at)?)?;
            at = next_of(&serde_json::from_slice(&answer)?)?;
        }
        asks.push((format!("page 1: {list}"), first));
        asks.push((format!("deep: {list}"), at));
    }
    for (_, at) in &asks {
        for _ in 0..4 {
            counted(&runtime, &world.routes, request(&token, at)?)?;
        }
    }
    let control = Command::new("callgrind_control").args(["-i", "on", &std::process::id().to_string()]).output()?;
    if !control.status.success() {
        return Err(format!("callgrind does not begin: {}", String::from_utf8_lossy(&control.stderr)).into());
    }
    for (what, at) in &asks {
        for _ in 0..TIMES {
            counted(&runtime, &world.routes, request(&token, at)?)?;
            println!("{what}");
        }
    }
    runtime.block_on(world.close());
    Ok(())
}

fn request(token: &str, at: &str) -> Result<Request<Body>, Failed> {
    let request = Request::get(at)
        .header("host", "localhost")
        .header("authorization", format!("Bearer {token}"))
        .header("consistencylevel", "eventual");
    Ok(request.body(Body::empty())?)
}

/// What is counted, found by its name.
#[inline(never)]
fn counted(runtime: &Runtime, routes: &Router, request: Request<Body>) -> Result<Vec<u8>, Failed> {
    let (status, answer) = runtime.block_on(async {
        let response = routes.clone().oneshot(request).await?;
        let (parts, body) = response.into_parts();
        Ok::<_, Failed>((parts.status, to_bytes(body, ANSWER_MAX).await?))
    })?;
    if status.as_u16() == 200 { Ok(answer.into()) } else { Err(format!("an unexpected answer: {status}").into()) }
}
