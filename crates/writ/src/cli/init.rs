//! Creates a tenant on this machine: its rules, its first administrator, and two emergency accounts.
//!
//! Always: secrets are shown once, here, and are nowhere else afterwards.

use super::stop::Stop;
use super::table::Accent;
use super::terminal::Terminal;
use super::ticked;
use crate::clock::Clock;
use crate::config::{Flags, Settings};
use crate::identity::Identity;
use crate::identity::founding::{Founded, Founding};
use crate::server::{runtime, tenant};
use std::path::PathBuf;
use writ_core::ids::TenantId;
use writ_core::rules::RuleChoice;
use writ_core::time::Span;

/// How long the first administrator holds Global Administrator without asking, to set things up.
const SETUP: Span = Span::from_hours(8);
/// The shortest activation, as in Entra.
const SPAN_MIN: Span = Span::from_minutes(5);

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// The organisation's name
    #[arg(long)]
    name: Option<String>,
    /// The first administrator's name
    #[arg(long, value_name = "NAME")]
    admin: Option<String>,
    /// The first administrator's account, such as dana@northwind.example
    #[arg(long, value_name = "ACCOUNT")]
    account: Option<String>,
    /// Which rules roles begin with: three tiers, or Entra's own defaults
    #[arg(long, value_enum, default_value_t = Choice::Tiers)]
    rules: Choice,
    /// The data directory (else WRIT_DATA, else /var/lib/writ)
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The address under which clients will reach the server (else WRIT_URL)
    #[arg(long, value_name = "URL")]
    url: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Choice {
    /// Critical: 2 h, MFA, reason, ticket, approval. High: 4 h, MFA, reason, approval. Routine: 8 h, MFA, reason
    Tiers,
    /// Entra's defaults: 8 h, MFA for privileged roles, reason, no approval
    Entra,
}

pub(super) fn run(args: &Args, terminal: &Terminal) -> Result<(), Stop> {
    let flags = Flags { data: args.data.clone(), url: args.url.clone(), behind_proxy: true, ..Flags::default() };
    let settings = Settings::gather(&flags, &terminal.env)?;
    let there = tenant::tenants(&settings.data).map_err(|e| Stop::Fault(e.to_string()))?;
    if !there.is_empty() {
        return Err(Stop::Usage(format!(
            "{} holds a tenant already. Serve it with: writ serve --data {}",
            settings.data.display(),
            settings.data.display()
        )));
    }
    let ask = |given: &Option<String>, label: &str, flag: &str| match given {
        Some(given) => Ok(given.clone()),
        None => terminal.ask(label, flag),
    };
    let name = ask(&args.name, "Organisation", "--name NAME")?;
    let admin = ask(&args.admin, "First administrator's name", "--admin NAME")?;
    let account = ask(&args.account, "Their account", "--account dana@northwind.example")?;
    let Some((_, domain)) = account.split_once('@') else {
        return Err(Stop::Usage(format!("`{account}` is not an account; it has the form dana@northwind.example")));
    };
    let emergency = [1, 2].map(|n| (format!("Emergency {n}"), format!("emergency{n}@{domain}")));
    let founding = Founding {
        name: name.clone(),
        rules: match args.rules {
            Choice::Tiers => RuleChoice::Tiers,
            Choice::Entra => RuleChoice::Entra,
        },
        span_min: SPAN_MIN,
        setup: SETUP,
        administrator: (admin.clone(), account.clone()),
        emergency,
        code_span: crate::identity::enrol::CODE_SPAN,
    };
    let id = TenantId(crate::engine::fresh_id());
    let url = settings.url_at(settings.listen);
    let runtime = runtime().map_err(|e| Stop::Fault(e.to_string()))?;
    let founded = runtime.block_on(async {
        let fault = |e: crate::store::Fault| Stop::Fault(e.to_string());
        let tenant = tenant::open(&settings.data, id, Clock::system(), true).await.map_err(fault)?;
        let identity = Identity::open(tenant.engine.clone(), tenant.vault.clone(), &url, &[]).await.map_err(fault)?;
        let founded = identity.found(founding).await;
        tenant.engine.stop().await;
        founded.map_err(|why| Stop::Fault(why.to_string()))
    });
    let founded = match founded {
        Ok(founded) => founded,
        Err(why) => {
            // Nothing was founded: what was made for it goes again, so that the next try begins afresh.
            let _ = std::fs::remove_dir_all(settings.data.join(id.to_string()));
            return Err(why);
        }
    };
    if terminal.json {
        terminal.value(&json(id, &name, &account, &url, &founded));
    } else {
        tell(&settings, &url, args.rules, (&name, &admin), &founded, terminal);
    }
    Ok(())
}

fn json(id: TenantId, name: &str, account: &str, url: &str, founded: &Founded) -> serde_json::Value {
    let emergency: Vec<serde_json::Value> =
        founded.emergency.iter().map(|e| serde_json::json!({"account": e.upn, "secret": e.secret.shown()})).collect();
    serde_json::json!({
        "tenant": {"id": id, "name": name},
        "administrator": {"account": account, "code": founded.code.code.shown(), "expires": founded.code.expires, "url": format!("{url}/enrol")},
        "emergency": emergency,
    })
}

fn tell(
    settings: &Settings,
    url: &str,
    rules: Choice,
    (name, admin): (&str, &str),
    founded: &Founded,
    terminal: &Terminal,
) {
    let good = |word: &str, told: &str| terminal.say(ticked(terminal, Accent::Good, "✓", word, told));
    let reader = terminal.reader();
    good("tenant", &format!("{name}, in {}", settings.data.display()));
    good(
        "rules",
        match rules {
            Choice::Tiers => "three tiers: critical 2 h, high 4 h, routine 8 h; privileged roles need approval",
            Choice::Entra => "Entra's own defaults: 8 h, no approval; tighter ones: writ init --rules tiers",
        },
    );
    let until = reader.moment(reader.now() + SETUP);
    good(
        "administrator",
        &format!("{admin}: eligible for Global Administrator, and holds it until {until} for the set-up"),
    );
    let expires = reader.moment(founded.code.expires);
    terminal.say(format!("\n{admin}'s code for setting up their sign-in, good once, until {expires}:"));
    terminal.say(format!(
        "  {}   at {url}/enrol, or: writ login --enrol",
        terminal.paint(Accent::Strong, founded.code.code.shown())
    ));
    terminal.say(format!(
        "\n{}",
        terminal.paint(Accent::Wait, "Emergency accounts. These secrets are shown now and never again:")
    ));
    for one in &founded.emergency {
        terminal.say(format!("  {}   {}", one.upn, terminal.paint(Accent::Strong, one.secret.shown())));
    }
    terminal.say("  Print each, seal it, and keep the two in different places. Each opens everything, alone; each use is on record.");
    terminal.say(format!("\nNext: writ serve --data {}", settings.data.display()));
}
