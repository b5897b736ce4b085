//! The demo's server and organisation: opened, founded, peopled, and taken down again.
//!
//! Always: a temporary directory is gone when the demo ends; with `--data` everything stays and the next demo goes on.

use super::organisation::{self, ADMINISTRATOR, Northwind, PEOPLE};
use super::people::{Cast, Person};
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
use std::path::PathBuf;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use writ_core::ids::{PrincipalId, RoleId, TenantId};
use writ_core::rules::RuleChoice;
use writ_core::time::Span;

/// The stage's furniture.
pub(super) struct Setting {
    pub(super) serving: Serving,
    pub(super) cast: Cast,
    pub(super) northwind: Northwind,
    /// The authority of the server's certificate, when it has one.
    pub(super) ca: Option<PathBuf>,
    administrator: PrincipalId,
    _temporary: Option<TempDir>,
}

impl Setting {
    /// Opens the server and builds the organisation.
    ///
    /// # Errors
    /// When something cannot be made or does not start.
    pub(super) fn open(plan: &Plan, runtime: &Runtime, stage: &mut Stage) -> Result<Self, Stop> {
        let fault = |e: Fault| Stop::Fault(e.to_string());
        let temporary = match &plan.data {
            Some(_) => None,
            None => {
                Some(tempfile::Builder::new().prefix("writ-demo-").tempdir().map_err(|e| Stop::Fault(e.to_string()))?)
            }
        };
        let data =
            plan.data.clone().or_else(|| temporary.as_ref().map(|dir| dir.path().to_owned())).unwrap_or_default();
        std::fs::create_dir_all(&data).map_err(|e| Stop::Fault(format!("{}: {e}", data.display())))?;
        let there = tenant::tenants(&data).map_err(fault)?;
        if let Some(id) = there.first() {
            return Err(Stop::Usage(format!(
                "{} holds a tenant already ({id}); the demo begins with an empty directory. Serve it with: writ serve --data {}",
                data.display(),
                data.display()
            )));
        }
        let settings = Settings { data: data.clone(), behind_proxy: false, ..plan.settings.clone() };
        let id = TenantId(fresh_id());
        let serving = runtime.block_on(async {
            let opened = tenant::open(&data, id, clock(), true).await.map_err(fault)?;
            match server::serve(&settings, opened.clone()).await {
                Err(_) if !plan.address_chosen => {
                    let elsewhere = Settings { listen: any_port(), ..settings.clone() };
                    server::serve(&elsewhere, opened).await.map_err(fault)
                }
                served => served.map_err(fault),
            }
        })?;
        let ca = settings.tls.as_ref().map(|tls| tls.cert.clone());
        let founding = Founding {
            name: organisation::NAME.to_owned(),
            rules: RuleChoice::Tiers,
            span_min: organisation::SPAN_MIN,
            setup: Span::from_hours(8),
            administrator: (ADMINISTRATOR.1.to_owned(), ADMINISTRATOR.2.to_owned()),
            emergency: [1, 2].map(|n| (format!("Emergency {n}"), format!("emergency{n}@northwind.example"))),
            code_span: Span::from_hours(1),
        };
        let founded = runtime.block_on(serving.identity.found(founding)).map_err(|why| Stop::Fault(why.to_string()))?;
        let administrator = founded.administrator;
        let engine = &serving.tenant.engine;
        let northwind = runtime.block_on(organisation::build(engine, administrator)).map_err(fault)?;
        if let Some(age_min) = plan.age_min {
            runtime.block_on(organisation::age_min(engine, administrator, age_min)).map_err(fault)?;
        }
        let mut cast = Cast { url: serving.url.clone(), people: Vec::new() };
        let mut setting_up = SettingUp { url: &serving.url, ca: ca.as_deref(), stage };
        setting_up.joins(&mut cast, ADMINISTRATOR, administrator, founded.code.code.shown())?;
        let mut dana = story::sign_in(&mut cast, "dana", &serving.url, ca.as_deref(), setting_up.stage)?.0;
        for (who, id) in PEOPLE.iter().zip(&northwind.people) {
            let code: Code = dana.post(&format!("/writ/v1/users/{id}/code"), &json!({}))?;
            setting_up.joins(&mut cast, *who, *id, &code.code)?;
        }
        Ok(Self { serving, cast, northwind, ca, administrator, _temporary: temporary })
    }

    /// Makes proofs count as fresh for so long.
    ///
    /// # Errors
    /// When the rules refuse it.
    pub(super) fn fresh_for(&self, roles: &[RoleId], span: Span, runtime: &Runtime) -> Result<(), Stop> {
        let engine = &self.serving.tenant.engine;
        let changed = organisation::fresh_for(engine, self.administrator, roles, span);
        runtime.block_on(changed).map_err(|e| Stop::Fault(e.to_string()))
    }

    /// Takes everything down.
    pub(super) fn close(self, runtime: &Runtime) {
        runtime.block_on(self.serving.stop());
    }
}

/// People joining: each binds a password and an authenticator with a single-use code, as anybody does.
struct SettingUp<'a> {
    url: &'a str,
    ca: Option<&'a std::path::Path>,
    stage: &'a mut Stage,
}

impl SettingUp<'_> {
    fn joins(
        &mut self,
        cast: &mut Cast,
        (word, name, account, _): (&str, &str, &str, &str),
        id: PrincipalId,
        code: &str,
    ) -> Result<(), Stop> {
        let mut nobody = Client::stranger(self.url, self.ca, self.stage.clock())?;
        // Long enough for the server's rules, easy to type, and good for this demo only.
        let password = format!("{word}-in-the-demo-{}", &id.to_string()[..4]);
        let offered: Value = nobody.post("/writ/v1/enrol", &json!({"code": code, "password": password}))?;
        let seed = offered["seed"].as_str().unwrap_or_default();
        let totp = Totp::from_row(json!({"seed": seed, "last": 0}).to_string().as_bytes());
        let totp = totp.ok_or_else(|| Stop::Fault("the server offered no secret for one-time codes".into()))?;
        cast.people.push(Person {
            word: word.to_owned(),
            name: name.to_owned(),
            account: account.to_owned(),
            id: id.to_string(),
            password,
            totp,
            used: 0,
        });
        let otp = story::code_of(cast, word, self.stage)?;
        let _: Value = nobody.post("/writ/v1/enrol", &json!({"code": code, "otp": &*otp}))?;
        Ok(())
    }
}
