//! Shows the whole story live, with an organisation, a server and a host of its own.

use super::stop::Stop;
use super::terminal::Terminal;
use super::{Common, server};
use crate::config::{Environment, Flags, Settings};
use crate::demo::{self, Plan};
use crate::when::read_span;
use std::path::PathBuf;
use writ_core::time::Span;

#[derive(clap::Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,
    /// End after the story
    #[arg(long, conflicts_with = "quiet")]
    once: bool,
    /// Tell no story, start no host; only serve
    #[arg(long)]
    quiet: bool,
    /// Let nothing be removed or given up before it is so old, as Entra does with 5m
    #[arg(long, value_name = "SPAN", value_parser = read_span, requires = "quiet")]
    age_min: Option<Span>,
    /// Keep the data here instead of in a temporary directory; a demo that was kept goes on where it ended
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The address to listen on; 127.0.0.1:8443, or a free port if that is taken
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// The certificate chain, PEM
    #[arg(long, value_name = "FILE")]
    tls_cert: Option<PathBuf>,
    /// The private key, PEM
    #[arg(long, value_name = "FILE")]
    tls_key: Option<PathBuf>,
    /// Write what conformance scripts take: addresses, ids and tokens
    #[arg(long, value_name = "FILE")]
    env_file: Option<PathBuf>,
}

#[derive(clap::Subcommand, Debug)]
enum Verb {
    /// Show a one-time code, as the telephone of somebody in the running demo would
    Code {
        /// ana, ben, carla or dana
        who: String,
        /// The data directory of a demo, when it has ended and was kept
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
    },
}

pub(super) fn run(common: &Common, args: Args, terminal: &Terminal) -> Result<(), Stop> {
    if let Some(Verb::Code { who, data }) = &args.verb {
        let wanted = demo::Wanted { who, server: server(common, &Environment::default())?, data: data.as_deref() };
        return demo::code(&wanted, terminal);
    }
    let flags = Flags {
        data: args.data.clone(),
        listen: args.listen.clone(),
        tls_cert: args.tls_cert,
        tls_key: args.tls_key,
        behind_proxy: true,
        ..Flags::default()
    };
    let settings = Settings::gather(&flags, &terminal.env)?;
    if !settings.listen.ip().is_loopback() && settings.tls.is_none() {
        terminal
            .complain("The demo can be reached from other machines without TLS; its people's passwords are no secret.");
    }
    let plan = Plan {
        once: args.once,
        quiet: args.quiet,
        data: args.data,
        address_chosen: args.listen.is_some(),
        settings,
        age_min: args.age_min,
        env_file: args.env_file,
    };
    demo::run(plan, terminal)
}
