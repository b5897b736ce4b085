//! Signs in to a server and remembers the session; signs out.
//! Password and code are asked for without echo, or come from the environment; never from arguments, which others can see.
//!
//! Always: a failed sign-in leaves an earlier session as it was.

use super::client::{Client, SignIn};
use super::stop::Stop;
use super::table::Accent;
use super::terminal::Terminal;
use super::{Common, ca, continuity, server, session, ticked};
use crate::http::api::shape::About;
use serde_json::{Value, json};
use ureq::http::Method;

/// Where a server is when nobody says.
const SERVER: &str = "http://127.0.0.1:8443";

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Your account, such as ana@northwind.example; its first part suffices
    account: Option<String>,
    /// Sign in to an emergency account with its secret alone
    #[arg(long, conflicts_with = "enrol")]
    emergency: bool,
    /// Set up a password and one-time codes first, with the single-use code an administrator gave you
    #[arg(long)]
    enrol: bool,
}

pub(super) fn run(common: &Common, args: &Args, terminal: &Terminal) -> Result<(), Stop> {
    let env = &terminal.env;
    let dir = env.state_dir()?;
    let earlier = session::load(&dir).unwrap_or(None);
    let server = server(common, env)?.or_else(|| earlier.as_ref().map(|s| s.server.clone()));
    let server = server.unwrap_or_else(|| SERVER.into());
    let ca = ca(common, env).or_else(|| earlier.as_ref().filter(|s| s.server == server).and_then(|s| s.ca.clone()));
    let mut client = Client::stranger(&server, ca.as_deref(), terminal.clock.clone())?;
    let about: About = client.get("/writ/v1/about")?;
    if args.enrol {
        return enrol(&mut client, &about, terminal);
    }
    let account = match &args.account {
        Some(account) => account.clone(),
        None => terminal.ask("Account", "it: writ login ana@example.org")?,
    };
    if args.emergency {
        let secret = terminal.secret("Emergency secret", "WRIT_PASSWORD")?;
        client.sign_in(
            &about.tenant.id,
            &SignIn::Emergency { account: &account, secret: &secret },
            Some(&dir),
            ca.as_deref(),
        )?;
    } else {
        let password = terminal.secret("Password", "WRIT_PASSWORD")?;
        let otp = terminal.secret("One-time code", "WRIT_OTP")?;
        let how = SignIn::Password { account: &account, password: &password, otp: &otp };
        client.sign_in(&about.tenant.id, &how, Some(&dir), ca.as_deref())?;
    }
    // Signed in all the same, so that a log that went back can be looked into and accepted.
    continuity::look(&mut client, terminal)?;
    let me: Value = client.get("/v1.0/me")?;
    let name = me["displayName"].as_str().unwrap_or(&account).to_owned();
    if terminal.json {
        terminal.value(
            &json!({"server": server, "tenant": about.tenant, "account": account, "name": name, "id": me["id"]}),
        );
    } else {
        let told = format!("{name} to {} ({server})", about.tenant.name);
        terminal.say(ticked(terminal, Accent::Good, "✓", "signed in", &told));
        if args.emergency {
            terminal.say("  This is an emergency account: its use is an alert to every administrator.");
        }
    }
    Ok(())
}

/// Binds a password and an authenticator with a single-use code.
fn enrol(client: &mut Client, about: &About, terminal: &Terminal) -> Result<(), Stop> {
    let code = terminal.secret("Your single-use code", "WRIT_CODE")?;
    let invited: Value = client.post("/writ/v1/enrol", &json!({"code": &*code}))?;
    let (name, account) =
        (invited["name"].as_str().unwrap_or_default(), invited["account"].as_str().unwrap_or_default());
    if !terminal.json {
        terminal.say(format!("{name} ({account}), at {}.", about.tenant.name));
    }
    let password = terminal.secret("A new password", "WRIT_PASSWORD")?;
    if terminal.can_ask() && *terminal.secret("The same again", "WRIT_PASSWORD")? != *password {
        return Err(Stop::Usage("The two passwords differ; nothing was changed. Start again.".into()));
    }
    let offered: Value = client.post("/writ/v1/enrol", &json!({"code": &*code, "password": &*password}))?;
    let (seed, link) = (offered["seed"].as_str().unwrap_or_default(), offered["link"].as_str().unwrap_or_default());
    if !terminal.can_ask() {
        return Err(Stop::Usage(format!(
            "The second step needs a terminal, since the secret for one-time codes has to reach an authenticator. \
             A browser can do both: {}/enrol",
            client.server()
        )));
    }
    terminal.say("Add this to your authenticator app:");
    terminal.say(format!("  {}", terminal.paint(Accent::Strong, seed)));
    terminal.say(terminal.paint(Accent::Dim, &format!("  {link}")));
    let otp = terminal.secret("The code it shows", "WRIT_OTP")?;
    let _: Value = client.post("/writ/v1/enrol", &json!({"code": &*code, "otp": &*otp}))?;
    terminal.say(ticked(
        terminal,
        Accent::Good,
        "✓",
        "set up",
        &format!("sign in with the next code: writ login {account}"),
    ));
    Ok(())
}

pub(super) fn out(terminal: &Terminal) -> Result<(), Stop> {
    let dir = terminal.env.state_dir()?;
    // The server forgets the session too; if it cannot be told, the tokens end by themselves.
    let told = match session::load(&dir) {
        Ok(Some(session)) => {
            let server = session.server.clone();
            let ended = Client::resume(session, dir.clone(), terminal.clock.clone())
                .and_then(|mut client| client.send(Method::POST, "/writ/v1/signout", None));
            ended.map_err(|stop| format!("{server} could not be told ({stop}); its tokens end by themselves."))
        }
        _ => Ok(()),
    };
    let was = session::forget(&dir)?;
    if terminal.json {
        terminal.value(&json!({"signedOut": was}));
    } else {
        terminal.say(if was { "Signed out." } else { "Nobody was signed in here." });
        if let Err(why) = told {
            terminal.complain(&why);
        }
    }
    Ok(())
}
