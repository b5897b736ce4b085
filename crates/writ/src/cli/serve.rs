//! Runs the server until it is told to end.

use super::stop::Stop;
use super::terminal::Terminal;
use crate::clock::Clock;
use crate::config::{Flags, Settings};
use crate::server::{self, tenant};
use std::io::IsTerminal;
use std::path::PathBuf;
use tracing_subscriber::EnvFilter;

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// The data directory (else WRIT_DATA, else /var/lib/writ)
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The settings file (else WRIT_CONFIG, else writ.toml in the data directory)
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The address to listen on, such as 0.0.0.0:443 (else WRIT_LISTEN, else 127.0.0.1:8443)
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// The address under which clients reach the server (else WRIT_URL)
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// The certificate chain, PEM
    #[arg(long, value_name = "FILE")]
    tls_cert: Option<PathBuf>,
    /// The private key, PEM
    #[arg(long, value_name = "FILE")]
    tls_key: Option<PathBuf>,
    /// A proxy on a trusted path ends TLS
    #[arg(long)]
    behind_proxy: bool,
    /// From where somebody may sign in for a program that shows a device code: same-network (the program's; so by
    /// default), anywhere, or off
    #[arg(long, value_name = "WHERE")]
    device_codes: Option<String>,
}

pub(super) fn run(args: &Args, terminal: &Terminal) -> Result<(), Stop> {
    let flags = Flags {
        config: args.config.clone(),
        data: args.data.clone(),
        listen: args.listen.clone(),
        url: args.url.clone(),
        tls_cert: args.tls_cert.clone(),
        tls_key: args.tls_key.clone(),
        behind_proxy: args.behind_proxy,
        device_codes: args.device_codes.clone(),
    };
    let settings = Settings::gather(&flags, &terminal.env)?;
    messages(&settings.log)?;
    let fault = |e: crate::store::Fault| Stop::Fault(e.to_string());
    let id = tenant::only(&settings.data).map_err(fault)?;
    let runtime = server::runtime().map_err(fault)?;
    runtime.block_on(async {
        let clock = Clock::system();
        let tenant = tenant::open(&settings.data, id, clock.clone(), false).await.map_err(fault)?;
        if !clock.health().is_good() {
            tracing::warn!("no new power is given: {}", clock.health());
        }
        let serving = server::serve(&settings, tenant).await.map_err(fault)?;
        let name = serving.identity.state().settings.as_ref().map_or_else(String::new, |s| s.name.clone());
        if terminal.json {
            terminal.value(&serde_json::json!({"url": serving.url, "tenant": {"id": id, "name": name}}));
        } else {
            terminal.say(format!("Writ serves {name} at {} (Ctrl-C ends it)", serving.url));
        }
        let told = server::told_to_end().await.map_err(fault);
        tracing::info!("ending: no new connections, the running requests are finished");
        serving.stop().await;
        told
    })
}

/// The server's messages go to the error output, so that the answer of `--json` stays alone on the other.
fn messages(filter: &str) -> Result<(), Stop> {
    let filter =
        EnvFilter::try_new(filter).map_err(|e| Stop::Usage(format!("WRIT_LOG `{filter}` is not a filter: {e}")))?;
    let messages = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal());
    messages.try_init().map_err(|e| Stop::Fault(format!("messages cannot be written: {e}")))
}
