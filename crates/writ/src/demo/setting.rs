//! The demo's server and organisation: opened, founded, peopled, and taken down again; or, with `--data`, found as an
//! earlier demo left them.
//!
//! Always: a temporary directory is gone when the demo ends; with `--data` everything stays, nothing of it is overwritten,
//! and the next demo goes on.

use super::kept::{Cast, Made};
use super::organisation::{self, ADMINISTRATOR, PEOPLE};
use super::people::Person;
use super::stage::Stage;
use super::{Plan, any_port, clock, story};
use crate::cli::client::Client;
use crate::cli::stop::Stop;
use crate::config::Settings;
use crate::engine::fresh_id;
use crate::http::api::shape::Code;
use crate::identity::founding::Founding;
use crate::identity::totp::Totp;
use crate::server::{self, Serving, tenant};
use crate::store::Fault;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use writ_core::ids::{DeviceId, PrincipalId, RoleId, TenantId};
use writ_core::rules::RuleChoice;
use writ_core::time::Span;

/// How long the first administrator is one for the set-up.
const SETUP: Span = Span::from_hours(8);

/// The stage's furniture.
pub(super) struct Setting {
    pub(super) serving: Serving,
    pub(super) cast: Cast,
    /// Where the data are.
    pub(super) data: PathBuf,
    /// The authority of the server's certificate, when it has one.
    pub(super) ca: Option<PathBuf>,
    /// An earlier demo made this.
    pub(super) resumed: bool,
    _temporary: Option<TempDir>,
}

impl Setting {
    /// Opens the server and builds the organisation, or goes on with the one that is there.
    ///
    /// # Errors
    /// When something cannot be made or does not start.
    pub(super) fn open(plan: &Plan, runtime: &Runtime, stage: &mut Stage) -> Result<Self, Stop> {
        let temporary = match &plan.data {
            Some(_) => None,
            None => {
                Some(tempfile::Builder::new().prefix("writ-demo-").tempdir().map_err(|e| Stop::Fault(e.to_string()))?)
            }
        };
        let data =
            plan.data.clone().or_else(|| temporary.as_ref().map(|dir| dir.path().to_owned())).unwrap_or_default();
        std::fs::create_dir_all(&data).map_err(|e| Stop::Fault(format!("{}: {e}", data.display())))?;
        let earlier = earlier(&data)?;
        let (id, cast) = match earlier {
            Some((id, cast)) => (id, Some(cast)),
            None => (TenantId(fresh_id()), None),
        };
        let serving = serve(plan, &data, id, cast.is_none(), runtime)?;
        let ca = plan.settings.tls.as_ref().map(|tls| tls.cert.clone());
        let resumed = cast.is_some();
        let cast = cast.unwrap_or_else(|| Cast::none(&data));
        let mut setting = Self { serving, cast, data, ca, resumed, _temporary: temporary };
        if resumed {
            setting.without_the_host_of_before(runtime)?;
        } else {
            setting.found(plan, runtime, stage)?;
        }
        Ok(setting)
    }

    /// Founds the tenant and lets everybody join.
    fn found(&mut self, plan: &Plan, runtime: &Runtime, stage: &mut Stage) -> Result<(), Stop> {
        let founding = Founding {
            name: organisation::NAME.to_owned(),
            rules: RuleChoice::Tiers,
            span_min: organisation::SPAN_MIN,
            setup: SETUP,
            administrator: (ADMINISTRATOR.1.to_owned(), ADMINISTRATOR.2.to_owned()),
            emergency: [1, 2].map(|n| (format!("Emergency {n}"), format!("emergency{n}@northwind.example"))),
            code_span: Span::from_hours(1),
        };
        let founded = runtime.block_on(self.serving.identity.found(founding));
        let founded = founded.map_err(|why| Stop::Fault(why.to_string()))?;
        let administrator = founded.administrator;
        let engine = &self.serving.tenant.engine;
        let northwind = runtime.block_on(organisation::build(engine, administrator)).map_err(fault)?;
        if let Some(age_min) = plan.age_min {
            runtime.block_on(organisation::age_min(engine, administrator, age_min)).map_err(fault)?;
        }
        if plan.data.is_some() {
            // Or the next demo on these data would find nobody who administers it.
            runtime.block_on(organisation::goes_on(engine, administrator)).map_err(fault)?;
        }
        let at = engine.now();
        let (url, ca, cast) = (self.serving.url.as_str(), self.ca.as_deref(), &mut self.cast);
        joins(url, ca, cast, stage, ADMINISTRATOR, administrator, founded.code.code.shown())?;
        let mut dana = story::sign_in(cast, "dana", url, ca, stage)?.0;
        for (who, id) in PEOPLE.iter().zip(&northwind.people) {
            let code: Code = dana.post(&format!("/writ/v1/users/{id}/code"), &json!({}))?;
            joins(url, ca, cast, stage, *who, *id, &code.code)?;
        }
        cast.has_made(Made { at, northwind, administrator, host: None })
    }

    /// What the set-up made.
    ///
    /// # Errors
    /// Never after [`Setting::open`] has succeeded.
    pub(super) fn made(&self) -> Result<Made, Stop> {
        self.cast.made.clone().ok_or_else(|| Stop::Fault("the demo's organisation is not there".into()))
    }

    /// The sandbox of the run before is gone, so its host is taken out.
    fn without_the_host_of_before(&mut self, runtime: &Runtime) -> Result<(), Stop> {
        let made = self.made()?;
        let engine = &self.serving.tenant.engine;
        let Some(host) = made.host.filter(|host| engine.state().hosts.contains_key(host)) else { return Ok(()) };
        // An organisation whose administrator has lost that right keeps the host; what stands is told all the same.
        if runtime.block_on(organisation::host_is_gone(engine, made.administrator, host)).is_ok() {
            self.has_host(None)?;
        }
        Ok(())
    }

    /// Writes down which host belongs to this run.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn has_host(&mut self, host: Option<DeviceId>) -> Result<(), Stop> {
        let made = Made { host, ..self.made()? };
        self.cast.has_made(made)
    }

    /// Makes proofs count as fresh for so long.
    ///
    /// # Errors
    /// When the rules refuse it.
    pub(super) fn fresh_for(&self, roles: &[RoleId], span: Span, runtime: &Runtime) -> Result<(), Stop> {
        let engine = &self.serving.tenant.engine;
        let changed = organisation::fresh_for(engine, self.made()?.administrator, roles, span);
        runtime.block_on(changed).map_err(fault)
    }

    /// Takes everything down.
    pub(super) fn close(self, runtime: &Runtime) {
        runtime.block_on(self.serving.stop());
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err takes")]
fn fault(e: Fault) -> Stop {
    Stop::Fault(e.to_string())
}

/// The tenant and the people that an earlier demo left in a data directory.
fn earlier(data: &Path) -> Result<Option<(TenantId, Cast)>, Stop> {
    let there = tenant::tenants(data).map_err(fault)?;
    let Some(id) = there.first() else { return Ok(None) };
    let shown = data.display();
    match Cast::kept(data)? {
        Some(cast) if there.len() == 1 && cast.made.is_some() => Ok(Some((*id, cast))),
        Some(_) if there.len() == 1 => Err(Stop::Usage(format!(
            "The demo that began in {shown} was ended before its organisation was complete. Give an empty directory."
        ))),
        _ => Err(Stop::Usage(format!(
            "{shown} holds a tenant that no demo made ({id}); it is left alone. Serve it with: writ serve --data {shown}"
        ))),
    }
}

fn serve(plan: &Plan, data: &Path, id: TenantId, make: bool, runtime: &Runtime) -> Result<Serving, Stop> {
    let settings = Settings { data: data.to_owned(), behind_proxy: false, ..plan.settings.clone() };
    runtime.block_on(async {
        let opened = tenant::open(data, id, clock(), make).await.map_err(fault)?;
        match server::serve(&settings, opened.clone()).await {
            Err(_) if !plan.address_chosen => {
                let elsewhere = Settings { listen: any_port(), ..settings.clone() };
                server::serve(&elsewhere, opened).await.map_err(fault)
            }
            served => served.map_err(fault),
        }
    })
}

/// Somebody joins: they bind a password and an authenticator with a single-use code, as anybody does.
fn joins(
    url: &str,
    ca: Option<&Path>,
    cast: &mut Cast,
    stage: &mut Stage,
    (word, name, account, _): (&str, &str, &str, &str),
    id: PrincipalId,
    code: &str,
) -> Result<(), Stop> {
    let mut nobody = Client::stranger(url, ca, stage.clock())?;
    // Long enough for the server's rules, easy to type, and good for this demo only.
    let password = format!("{word}-in-the-demo-{}", &id.to_string()[..4]);
    let offered: Value = nobody.post("/writ/v1/enrol", &json!({"code": code, "password": password}))?;
    let seed = offered["seed"].as_str().unwrap_or_default();
    let totp =
        Totp::with_seed(seed).ok_or_else(|| Stop::Fault("the server offered no secret for one-time codes".into()))?;
    let (word, name, account) = (word.to_owned(), name.to_owned(), account.to_owned());
    let called = word.clone();
    cast.joins(Person { word, name, account, id: id.to_string(), password, totp, used: 0 })?;
    let shown = story::code_of(cast, &called, stage)?;
    let _: Value = nobody.post("/writ/v1/enrol", &json!({"code": code, "otp": &*shown.code}))?;
    Ok(())
}
