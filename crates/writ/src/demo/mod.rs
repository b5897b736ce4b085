//! The demo: a small organisation, a real host, and the whole story told live, each line checked before it is printed.
//! It has no door of its own: what the people do goes through the server's API with tokens from its token endpoint.
//!
//! Always: what it started it also ends; a claim that is not true ends it with a sentence and a status.

mod host;
mod kept;
mod organisation;
mod people;
mod proof;
mod running;
mod script;
mod setting;
mod stage;
mod standing;
mod story;

use crate::cli::stop::Stop;
use crate::cli::table::Accent;
use crate::cli::terminal::Terminal;
use crate::clock::Clock;
use crate::config::Settings;
use crate::server;
use host::Host;
use running::Running;
use setting::Setting;
use stage::Stage;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use writ_core::time::Span;

pub use running::{Wanted, code};

/// What the demo is to do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// End after the story.
    pub once: bool,
    /// Tell no story; only serve.
    pub quiet: bool,
    /// Where the data stays; a temporary directory if absent.
    pub data: Option<PathBuf>,
    /// The server's settings, apart from the data directory.
    pub settings: Settings,
    /// Whether somebody chose the address, rather than taking what is usual.
    pub address_chosen: bool,
    /// How old something must be before it can be removed; nothing waits if absent.
    pub age_min: Option<Span>,
    /// Where to write what scripts need.
    pub env_file: Option<PathBuf>,
}

/// How long proofs count as fresh once the story is told: as in a real tenant.
const FRESH: Span = Span::from_minutes(5);
/// How long they count as fresh for scripts, so that these can finish.
const SCRIPT_FRESH: Span = Span::from_hours(1);

/// A claim that turned out not to be true.
fn untrue(claim: &str) -> Stop {
    Stop::NotWhole(format!(
        "\nThis turned out not to be true: {claim}.\nThe demo ends here; what is printed above was checked."
    ))
}

/// Runs the demo.
///
/// # Errors
/// When something does not start, or a claim of the story is not true.
pub fn run(plan: Plan, terminal: &Terminal) -> Result<(), Stop> {
    let runtime = server::runtime().map_err(|e| Stop::Fault(e.to_string()))?;
    let ended = Arc::new(AtomicBool::new(false));
    let told = ended.clone();
    let (tell, mut hear) = tokio::sync::mpsc::channel::<()>(1);
    runtime.spawn(async move {
        // Whoever ends the demo ends it in order: the story stops at its next step, and everything is taken down.
        if server::told_to_end().await.is_ok() {
            told.store(true, Ordering::SeqCst);
            let _ = tell.send(()).await;
        }
    });
    let mut stage = Stage::new(terminal.clone(), ended.clone());
    let state_dir = terminal.env.state_dir()?;
    let mut setting = Setting::open(&plan, &runtime, &mut stage)?;
    let running = Running::begin(&state_dir, &setting.serving.url, &setting.data, &terminal.clock)?;
    let done = play(&plan, &mut setting, &mut stage, &runtime).map(|host| {
        if !plan.once {
            // Without a file for scripts, only this says where the server listens.
            if !plan.quiet || plan.env_file.is_none() {
                look_around(&setting, host.is_some(), terminal);
            }
            runtime.block_on(hear.recv());
        }
        // The host goes before the server that it talks to.
        drop(host);
    });
    drop(running);
    setting.close(&runtime);
    if ended.load(Ordering::SeqCst) {
        match &plan.data {
            None => terminal.say("\nThe demo is over; the host and everything else it made is gone."),
            Some(data) => {
                let data = data.display();
                terminal.say(format!("\nThe demo is over; its host is gone. It goes on with: writ demo --data {data}"));
            }
        }
        return Ok(());
    }
    done
}

/// The host, the story, and what scripts need.
fn play(
    plan: &Plan,
    setting: &mut Setting,
    stage: &mut Stage,
    runtime: &tokio::runtime::Runtime,
) -> Result<Option<Host>, Stop> {
    let mut host = None;
    let made = setting.made()?;
    let (role, other) = (made.northwind.role, made.northwind.script_role);
    let engine = setting.serving.tenant.engine.clone();
    let mut in_the_way = None;
    if setting.resumed {
        if !plan.quiet {
            let lines = standing::told(&made, &engine, &stage.reader());
            lines.iter().for_each(|line| stage.say(line));
        }
        in_the_way = standing::in_the_way(&made, &engine);
    }
    if let Some(why) = in_the_way {
        if plan.once {
            return Err(Stop::Usage(format!("The story cannot be told here: {why}. Give an empty directory.")));
        }
        if !plan.quiet {
            stage.say(&format!("The story is not told again: {why}. There is no host; the server stands as it was."));
        }
    } else {
        if !plan.quiet {
            setting.fresh_for(&[role], organisation::STORY_FRESH, runtime)?;
            host = prologue(setting, stage)?;
            let mut story = story::Story {
                stage,
                cast: &mut setting.cast,
                url: &setting.serving.url,
                ca: setting.ca.as_deref(),
                tenant: &setting.serving.tenant,
                runtime: runtime.handle(),
                role,
                fresh: organisation::STORY_FRESH,
                host: host.as_ref(),
            };
            story.tell()?;
        }
        setting.fresh_for(&[role], FRESH, runtime)?;
    }
    if let Some(file) = &plan.env_file {
        setting.fresh_for(&[role, other], SCRIPT_FRESH, runtime)?;
        script::write(file, setting, stage)?;
    }
    Ok(host)
}

fn prologue(setting: &mut Setting, stage: &mut Stage) -> Result<Option<Host>, Stop> {
    let cannot = host::cannot();
    let mut cast: Vec<(String, String)> = organisation::PEOPLE
        .iter()
        .take(2)
        .map(|(_, name, _, does)| ((*name).to_owned(), (*does).to_owned()))
        .collect();
    cast.push((
        host::NAME.to_owned(),
        match &cannot {
            None => "a Linux host in a sandbox on this machine (real sudo, real root)".to_owned(),
            Some(_) => "is missing: see below".to_owned(),
        },
    ));
    stage.title(organisation::NAME, &cast);
    if let Some(why) = cannot {
        let program = std::env::current_exe().map_or_else(|_| "writ".to_owned(), |path| path.display().to_string());
        stage.say(&stage.paint(Accent::Wait, &format!("  No host, so nothing is enforced here: {why}.")));
        stage.say(&format!("  With one, for real:  sudo {program} demo\n"));
        return Ok(None);
    }
    let mut administrator =
        story::sign_in(&mut setting.cast, "dana", &setting.serving.url, setting.ca.as_deref(), stage)?.0;
    let unit = setting.made()?.northwind.finance.to_string();
    let host = Host::start(&mut administrator, &unit, setting.ca.as_deref())?;
    setting.has_host(host.id)?;
    Ok(Some(host))
}

fn look_around(setting: &Setting, host: bool, terminal: &Terminal) {
    let url = &setting.serving.url;
    terminal.say(format!("\n{}", if host { "Everything above was real. Look around:" } else { "Look around:" }));
    terminal.say(format!("  sign in   {url}/signin   as ana, ben, carla or dana; codes: writ demo code ana"));
    terminal.say(format!("  command   writ login ana --server {url}"));
    terminal.say("            then: writ status · writ explain \"Device Administrators\"");
    terminal.say("            as dana: writ audit · writ host list · writ roles");
    let ca = setting.ca.as_deref().map(|ca| format!("--cacert {} ", ca.display())).unwrap_or_default();
    terminal.say(format!("  Graph     curl {ca}-H \"Authorization: Bearer $(writ token)\" {url}/v1.0/me"));
    terminal.say(terminal.paint(Accent::Dim, "Ctrl-C ends the demo and removes the host."));
}

/// The address the demo listens on when nobody chose one and the usual one is taken.
fn any_port() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// The demo's own clock: the machine's.
fn clock() -> Clock {
    Clock::system()
}
