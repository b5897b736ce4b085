//! `writ token`: the access token of whoever is signed in here, for scripts and SDKs that speak Graph.
//! It prints no refresh token, and nothing on a screen unless that is asked for.
//!
//! Always: what is printed ends within the hour and with the sign-in session, and opens nothing that its person may not do.

use super::stop::Stop;
use super::terminal::Terminal;
use super::{Common, open};
use serde_json::json;

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Ask for a one-time code first, for what needs a fresh second factor
    #[arg(long)]
    fresh: bool,
    /// Print it on a screen too
    #[arg(long)]
    show: bool,
}

pub(super) fn run(common: &Common, args: &Args, terminal: &Terminal) -> Result<(), Stop> {
    if terminal.shows() && !args.show {
        return Err(Stop::Usage(
            "A token on the screen stays in the terminal's memory and over shoulders. Hand it on, as in \
             TOKEN=$(writ token), or add --show."
                .into(),
        ));
    }
    let mut client = open(common, terminal)?;
    if args.fresh {
        let code = terminal.secret("One-time code", "WRIT_OTP")?;
        client.step_up(&code)?;
    }
    let token = client.access_token()?;
    if terminal.json {
        let session = client.session();
        terminal.value(&json!({
            "server": client.server(),
            "tenant": session.map(|session| session.tenant.clone()),
            "accessToken": token,
            "expiresOn": session.map(|session| session.expires.to_string()),
        }));
    } else {
        terminal.say(token);
    }
    Ok(())
}
