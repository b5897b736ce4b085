//! The story, step by step: each claim is checked against the server or the host before it is printed.
//!
//! Always: what people do goes over HTTP with their own tokens; what the host does is seen on the host.

use super::host::Host;
use super::kept::{Cast, Shown};
use super::people::AT_ONCE;
use super::stage::Stage;
use super::{proof, untrue};
use crate::cli::client::{Client, SignIn};
use crate::cli::stop::Stop;
use crate::cli::table::{Accent, listed};
use crate::http::api::shape::{Explained, Mark, Progress, Question, Stage as Far, Status};
use crate::server::tenant::Tenant;
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;
use ureq::http::Method;
use writ_core::ids::RoleId;
use writ_core::time::{Span, Time};

/// How long the activation of the story lasts.
const HELD: Span = Span::from_seconds(40);
/// Why she asks, and her ticket.
const REASON: &str = "replace the failed disk";
const TICKET: &str = "CHG-417";
/// How long the host may take before the story counts as untrue.
const HOST_MAX: Span = Span::from_seconds(20);
const REQUESTS: &str = "/v1.0/roleManagement/directory/roleAssignmentScheduleRequests";

/// Everything the story needs.
pub(super) struct Story<'a> {
    pub(super) stage: &'a mut Stage,
    pub(super) cast: &'a mut Cast,
    pub(super) url: &'a str,
    pub(super) ca: Option<&'a Path>,
    pub(super) tenant: &'a Tenant,
    pub(super) runtime: &'a tokio::runtime::Handle,
    pub(super) role: RoleId,
    /// How old a proof may be.
    pub(super) fresh: Span,
    /// The host, where there can be one.
    pub(super) host: Option<&'a Host>,
}

impl Story<'_> {
    /// Tells it.
    ///
    /// # Errors
    /// The first claim that turns out not to be true.
    pub(super) fn tell(&mut self) -> Result<(), Stop> {
        let (mut ana, signed_in) = self.signs_in("ana")?;
        let (mut ben, _) = self.signs_in("ben")?;
        self.sudo_is_refused("Ana tries sudo on fin-01")?;
        self.asks_for_too_much(&mut ana, signed_in)?;
        let request = self.asks(&mut ana)?;
        self.approves(&mut ben, &request)?;
        let (began, ends) = self.becomes_effective(&mut ana, &request)?;
        self.is_root_until(&mut ana, began, ends)?;
        self.the_log_holds()
    }

    /// Somebody signs in as anybody would: password and one-time code, at the token endpoint.
    fn signs_in(&mut self, word: &str) -> Result<(Client, Time), Stop> {
        let (client, at) = sign_in(self.cast, word, self.url, self.ca, self.stage)?;
        Ok((client, at))
    }

    fn sudo_is_refused(&mut self, claim: &str) -> Result<(), Stop> {
        self.stage.step(claim)?;
        let Some(host) = self.host else {
            self.stage.came(Accent::Wait, "no host", "");
            return Ok(());
        };
        match host.sudo("ana", &["id", "-u"])? {
            Ok(said) => Err(untrue(&format!("sudo refuses Ana before she asks (it said {said})"))),
            Err(why) => {
                self.stage.came(Accent::Bad, "refused", &why);
                Ok(())
            }
        }
    }

    /// An ask with nothing in it: every rule that fails is named at once, and nothing is left behind.
    fn asks_for_too_much(&mut self, ana: &mut Client, signed_in: Time) -> Result<(), Stop> {
        // Her proof has to be older than the role allows, or there would be nothing to refuse.
        self.stage.wait_until(signed_in + self.fresh + Span::from_millis(1200))?;
        self.stage.step("Ana asks for Device Administrators, 12 h")?;
        let span = Span::from_hours(12);
        let refused = match ana.post::<Value>(REQUESTS, &self.ask(span, None, None)) {
            Err(Stop::Refused(problem)) => problem,
            Err(other) => return Err(other),
            Ok(_) => return Err(untrue("an ask for 12 h without anything is refused")),
        };
        for rule in ["ExpirationRule", "JustificationRule", "TicketingRule", "MfaRule"] {
            if !refused.message.contains(rule) {
                return Err(untrue(&format!("the refusal names {rule} (it said: {})", refused.message)));
            }
        }
        let question = Question { role: self.role.to_string(), span: Some(span), ready: true, ..Question::default() };
        let told: Explained = ana.post("/writ/v1/explain", &question)?;
        let rows: Vec<_> = told.rows.iter().filter(|row| row.mark == Mark::No).collect();
        if rows.len() != 4 {
            return Err(untrue(&format!("four rules fail (they were {rows:?})")));
        }
        self.stage.came(Accent::Bad, "refused", "all that is missing, at once:");
        for row in rows {
            self.stage.under(Accent::Bad, "✗", &row.rule, &row.told);
        }
        let status: Status = ana.get("/writ/v1/status")?;
        if !status.waiting.is_empty() || !status.active.is_empty() {
            return Err(untrue("a refused ask leaves nothing waiting"));
        }
        Ok(())
    }

    fn asks(&mut self, ana: &mut Client) -> Result<String, Stop> {
        self.stage.step("Ana asks again: 40 s, reason, ticket, code")?;
        let shown = code_of(self.cast, "ana", self.stage)?;
        ana.step_up(&shown.code)?;
        let asked: Value = ana.post(REQUESTS, &self.ask(HELD, Some(REASON), Some(TICKET)))?;
        let id = asked["id"].as_str().unwrap_or_default().to_owned();
        if asked["status"] != "PendingApproval" || id.is_empty() {
            return Err(untrue(&format!("the ask waits for approval (it is {})", asked["status"])));
        }
        let progress: Progress = ana.get(&format!("/writ/v1/requests/{id}"))?;
        let names: Vec<String> = progress.deciders.iter().map(|one| one.name.clone()).collect();
        if progress.stage != Far::Approval || !names.iter().any(|name| name == "Ben Okafor") {
            return Err(untrue("Ben can decide"));
        }
        if names.iter().any(|name| name == "Ana Silva") {
            return Err(untrue("Ana cannot decide her own ask"));
        }
        if let Some(host) = self.host
            && host.sudo("ana", &["id", "-u"])?.is_ok()
        {
            return Err(untrue("a pending ask gives nothing"));
        }
        self.stage.came(Accent::Wait, "waiting", &format!("for {}", listed(&names, "or", 3)));
        Ok(id)
    }

    fn approves(&mut self, ben: &mut Client, request: &str) -> Result<(), Stop> {
        let status: Status = ben.get("/writ/v1/status")?;
        let seen = status.deciding.iter().find(|one| one.request == request);
        let Some(seen) = seen else { return Err(untrue("Ben sees the ask")) };
        if seen.reason.as_deref() != Some(REASON) || seen.ticket.as_deref() != Some(TICKET) {
            return Err(untrue("Ben is shown her reason and her ticket"));
        }
        self.stage.step("Ben approves: \"seen the alert, go ahead\"")?;
        let body = json!({"reviewResult": "Approve", "justification": "seen the alert, go ahead"});
        let path = format!("/beta/roleManagement/directory/roleAssignmentApprovals/{request}/steps/{}", seen.step);
        ben.send(Method::PATCH, &path, Some(&body))?;
        self.stage.came(Accent::Good, "approved", "he saw her reason and her ticket");
        Ok(())
    }

    /// When the power began and when it ends.
    fn becomes_effective(&mut self, ana: &mut Client, request: &str) -> Result<(Time, Time), Stop> {
        let claim = if self.host.is_some() { "fin-01 has the right, and it works" } else { "Ana holds the role" };
        self.stage.step(claim)?;
        let begun = self.stage.now();
        let mut seen = String::new();
        loop {
            let progress: Progress = ana.get(&format!("/writ/v1/requests/{request}?wait=2&seen={seen}"))?;
            seen.clone_from(&progress.mark);
            let held = progress.stage == Far::Active;
            let real = self.host.is_none() || (progress.effect.effective == 1 && progress.effect.of == 1);
            if let (true, true, Some(ends), Some(decision)) = (held, real, progress.ends, &progress.decision) {
                let took = self.stage.now().since(decision.at);
                let result = if self.host.is_some() { "effective" } else { "active" };
                let detail =
                    if self.host.is_some() { format!("{} after the approval", seconds(took)) } else { String::new() };
                self.stage.came(Accent::Good, result, &detail);
                return Ok((decision.at, ends));
            }
            if let Some(host) = progress.effect.hosts.iter().find(|host| host.state == "refused") {
                return Err(untrue(&format!(
                    "fin-01 gives the right (it refuses: {})",
                    host.why.as_deref().unwrap_or("?")
                )));
            }
            if self.stage.now().since(begun) > HOST_MAX {
                return Err(untrue(&format!("the right is in force within {} ({progress:?})", HOST_MAX.told())));
            }
            self.stage.alive()?;
        }
    }

    fn is_root_until(&mut self, ana: &mut Client, began: Time, ends: Time) -> Result<(), Stop> {
        let reader = self.stage.reader();
        let Some(host) = self.host else {
            self.stage.countdown("she holds the role …", &reader, began, ends)?;
            self.stage.step("time is up")?;
            let status: Status = ana.get("/writ/v1/status")?;
            if !status.active.is_empty() {
                return Err(untrue("the role is gone when its time is up"));
            }
            self.stage.came(Accent::Good, "gone", "the role is no longer held");
            return Ok(());
        };
        self.stage.step("ana@fin-01$ sudo id")?;
        match host.sudo("ana", &["id"])? {
            Ok(said) if said.contains("uid=0(root)") => {
                self.stage.came(Accent::Good, "uid=0(root)", "real sudo, real root");
            }
            Ok(said) | Err(said) => return Err(untrue(&format!("sudo makes Ana root (it said: {said})"))),
        }
        if host.sudo("ben", &["id", "-u"])?.is_ok() {
            return Err(untrue("nobody else on the host got anything"));
        }
        let mut shell = host.root_shell("ana")?;
        self.stage.countdown("she keeps a root shell open …", &reader, began, ends)?;
        self.stage.step("time is up")?;
        let gone = shell.is_gone(Duration::from_secs(30));
        let took = self.stage.now().since(ends);
        if !gone {
            return Err(untrue("the open root shell ends when the time is up"));
        }
        if let Ok(said) = host.sudo("ana", &["id", "-u"])? {
            return Err(untrue(&format!("sudo refuses Ana again (it said {said})")));
        }
        let status: Status = ana.get("/writ/v1/status")?;
        if !status.active.is_empty() {
            return Err(untrue("the role is no longer held"));
        }
        let detail = format!("root shell ended {} later", seconds(took));
        self.stage.came(Accent::Good, "sudo refused", &detail);
        Ok(())
    }

    fn the_log_holds(&mut self) -> Result<(), Stop> {
        self.stage.step("the log leaves the server as a file")?;
        let file = self.runtime.block_on(proof::export(self.tenant))?;
        let key = self.tenant.engine.log_key().clone();
        let whole = proof::verify(&file, &key).map_err(|found| untrue(&format!("the log is whole ({found})")))?;
        if !whole.key_given || whole.continues.iter().any(|(size, _)| *size > whole.head.size) {
            return Err(untrue("the log is signed by the server's key"));
        }
        let detail = format!("{} entries, signed, root {}", whole.head.size, proof::root(whole.head));
        self.stage.came(Accent::Good, "whole", &detail);
        self.stage.and("one letter changed in a copy")?;
        let (copy, seq) = proof::tampered(&file)?;
        match proof::verify(&copy, &key) {
            Err(found) if proof::names(&found, seq) => {
                self.stage.came(Accent::Good, "caught", &format!("entry {seq}: Ben Okafor's approval"));
                Ok(())
            }
            Err(found) => Err(untrue(&format!("the changed entry is named (it named {:?})", found.place))),
            Ok(_) => Err(untrue("a changed letter is caught")),
        }
    }

    fn ask(&self, span: Span, reason: Option<&str>, ticket: Option<&str>) -> Value {
        let ana = self.cast.people.iter().find(|p| p.word == "ana").map(|p| p.id.as_str());
        json!({
            "action": "selfActivate",
            "principalId": ana,
            "roleDefinitionId": self.role,
            "directoryScopeId": "/",
            "justification": reason,
            "ticketInfo": {"ticketNumber": ticket, "ticketSystem": ticket.map(|_| "change management")},
            "scheduleInfo": {"expiration": {"type": "afterDuration", "duration": span.to_string()}},
        })
    }
}

/// `0.21 s`.
fn seconds(span: Span) -> String {
    let hundredths = span.millis() / 10;
    format!("{}.{:02} s", hundredths / 100, hundredths % 100)
}

/// A code of somebody's for use right now, waiting for the next one if need be.
pub(super) fn code_of(cast: &mut Cast, word: &str, stage: &Stage) -> Result<Shown, Stop> {
    loop {
        match cast.code(word, stage.now(), AT_ONCE)? {
            Ok(shown) => return Ok(shown),
            Err(seconds) => stage.wait_until(stage.now() + Span::from_seconds(u32::try_from(seconds).unwrap_or(1)))?,
        }
    }
}

/// Somebody signs in at the token endpoint; when they proved their second factor.
pub(super) fn sign_in(
    cast: &mut Cast,
    word: &str,
    url: &str,
    ca: Option<&Path>,
    stage: &Stage,
) -> Result<(Client, Time), Stop> {
    let mut client = Client::stranger(url, ca, stage.clock())?;
    let about: crate::http::api::shape::About = client.get("/writ/v1/about")?;
    let Shown { person, code, .. } = code_of(cast, word, stage)?;
    let how = SignIn::Password { account: &person.account, password: &person.password, otp: &code };
    client.sign_in(&about.tenant.id, &how, None, ca)?;
    Ok((client, stage.now()))
}
