//! Sign-in records, from the history that is folded from the log. They are only read here.
//! What Entra would know and Writ does not, such as a place on the map or a risk, is null or none; it is never guessed.

use super::applications::{COMMAND_LINE, PAGES, name_of};
use super::ask::{Ask, Route, Written};
use super::odata::filter::{Filter, Literal, Op};
use super::odata::{Entity, Kind, Property, Row};
use super::records::Records;
use crate::history::sign_ins::{SignInQuery, SignedIn};
use serde_json::{Value as Json, json};
use uuid::Uuid;
use writ_core::command::{Method, SignIn, Via, Wrong};
use writ_core::ids::{PrincipalId, Seq};
use writ_core::may::Query;

const STATUS: &[Property] =
    &[Property::int("errorCode"), Property::text("failureReason"), Property::text("additionalDetails")];

/// `signIn`
pub static SIGN_IN: Entity = Entity {
    name: "signIn",
    properties: &[
        Property::id("id"),
        Property::time("createdDateTime"),
        Property::text("appDisplayName"),
        Property::id("appId"),
        Property::text("clientAppUsed"),
        Property::text("conditionalAccessStatus"),
        Property::id("correlationId"),
        Property::text("ipAddress"),
        Property::bool("isInteractive"),
        Property::text("resourceDisplayName"),
        Property::text("riskDetail").shown(),
        Property::text("riskLevelAggregated").shown(),
        Property::text("riskLevelDuringSignIn").shown(),
        Property::text("riskState").shown(),
        Property::object("status", STATUS),
        Property::text("userDisplayName"),
        Property::id("userId"),
        Property::text("userPrincipalName"),
        Property::list("appliedConditionalAccessPolicies", &Kind::Object(&[])).shown(),
        Property::object("deviceDetail", &[]).shown(),
        Property::object("location", &[]).shown(),
    ],
    links: &[],
    special: &[],
    or: true,
};

/// A record, with the name of the program that signed in, where it has an id and a name here.
struct Record(SignedIn, Option<String>);

impl Record {
    fn of(s: SignedIn, ask: &Ask) -> Self {
        let name = s.app.and_then(|app| name_of(&ask.moment.state, app)).map(str::to_owned);
        Self(s, name)
    }
}

/// Entra's code for how it went, its words, and what Writ adds.
fn status(s: &SignedIn) -> Json {
    let (code, reason) = match (s.outcome, s.wrong) {
        (SignIn::Succeeded | SignIn::SteppedUp | SignIn::SignedOut, _) => (0, "Other."),
        (SignIn::Failed, _) if s.principal.is_none() => (
            50034,
            "The user account does not exist in the directory. To sign into this application, the account must be added \
             to the directory.",
        ),
        (SignIn::Failed, Some(Wrong::Code)) => (500_121, "Authentication failed during strong authentication request."),
        (SignIn::Failed, Some(Wrong::Disabled)) => (50057, "The user account is disabled."),
        (SignIn::Failed, _) => (50126, "Error validating credentials due to invalid username or password."),
        (SignIn::Throttled, _) => (
            50053,
            "Account is locked because user tried to sign in too many times with an incorrect user ID or password.",
        ),
        (SignIn::CodeReused, _) => (
            54005,
            "OAuth2 Authorization code was already redeemed, please retry with a new valid code or use an existing refresh \
             token.",
        ),
        (SignIn::RefreshReused, _) => {
            (50173, "The provided grant has expired due to it being revoked, a fresh auth token is needed.")
        }
    };
    let methods = s.methods.iter().map(|m| match m {
        Method::Password => "password",
        Method::Totp => "one-time code",
        Method::EmergencySecret => "emergency secret",
        Method::Code => "enrolment code",
    });
    let mut more: Vec<String> = methods.map(str::to_owned).collect();
    if s.count > 1 {
        more.push(format!("{} attempts", s.count));
    }
    json!({"errorCode": code, "failureReason": reason, "additionalDetails": if more.is_empty() { Json::Null } else { json!(more.join(", ")) }})
}

impl Row for Record {
    fn entity(&self) -> &'static Entity {
        &SIGN_IN
    }
    fn get(&self, property: &str) -> Json {
        let s = &self.0;
        let page = s.via == Via::Page;
        let client = if page { &PAGES } else { &COMMAND_LINE };
        // A failure is recorded by the server, which does not say through which door it came.
        let known = s.via != Via::Timer;
        match property {
            "id" => json!(s.id),
            "position" => json!(format!("{:020}", s.seq)),
            "createdDateTime" => json!(s.at),
            "appDisplayName" if s.app.is_some() => json!(self.1),
            "appId" if s.app.is_some() => json!(s.app),
            "clientAppUsed" if s.app.is_some() => json!("Mobile Apps and Desktop clients"),
            "appDisplayName" if known => json!(client.name),
            "appId" if known => json!(client.app),
            "clientAppUsed" if known => json!(if page { "Browser" } else { "Mobile Apps and Desktop clients" }),
            "conditionalAccessStatus" => json!("notApplied"),
            "correlationId" => json!(s.correlation),
            "ipAddress" => json!(s.address),
            "isInteractive" => json!(!matches!(s.outcome, SignIn::RefreshReused | SignIn::CodeReused)),
            "resourceDisplayName" => json!("Writ"),
            "riskDetail" | "riskLevelAggregated" | "riskLevelDuringSignIn" | "riskState" => json!("none"),
            "status" => status(s),
            "userDisplayName" => json!(s.name),
            // Graph's type has no null here; nobody is told with zeros.
            "userId" => json!(s.principal.unwrap_or(PrincipalId(Uuid::nil()))),
            "userPrincipalName" => json!(s.upn),
            "appliedConditionalAccessPolicies" => json!([]),
            _ => Json::Null,
        }
    }
}

/// What is offered.
pub const ROUTES: &[Route] = &[
    Route::get_later("auditLogs/signIns", |ask| Box::pin(list(ask))),
    Route::get_later("auditLogs/signIns/{id}", |ask| Box::pin(one(ask))),
];

async fn one(ask: &Ask) -> Written {
    ask.reads(Query::Audit)?;
    let wanted = SignInQuery { id: Some(ask.id_at("id")?), limit: 1, ..SignInQuery::default() };
    let found = ask.history().await?.sign_ins(wanted).await.map_err(|fault| ask.faulted(&fault))?;
    let record = found.into_iter().next().ok_or_else(|| ask.missing("id"))?;
    ask.one(&SIGN_IN, "auditLogs/signIns/$entity", &Record::of(record, ask))
}

/// The list of them.
const LIST: Records<Record, Seq> = Records {
    entity: &SIGN_IN,
    path: "auditLogs/signIns",
    told: "sign-ins",
    when: "createdDateTime",
    place: |record| record.0.seq,
    read: |position| position.parse().ok(),
};

async fn list(ask: &Ask) -> Written {
    ask.reads(Query::Audit)?;
    let asked = LIST.asked(ask)?;
    let narrowed = SignInQuery { oldest_first: asked.oldest_first, ..narrowed(asked.query.filter.as_ref()) };
    let history = ask.history().await?;
    let next = |after, limit| {
        let wanted = SignInQuery { after, limit, ..narrowed.clone() };
        async { Ok(history.sign_ins(wanted).await?.into_iter().map(|found| Record::of(found, ask)).collect()) }
    };
    LIST.page(ask, asked, next).await
}

/// What the filter says that an index can answer; the filter itself is applied to what comes back.
fn narrowed(filter: Option<&Filter>) -> SignInQuery {
    let mut narrowed = SignInQuery::default();
    for part in filter.into_iter().flat_map(Filter::conjuncts) {
        match part {
            Filter::Compare(path, op, Literal::Time(time)) if path.steps == ["createdDateTime"] => match op {
                Op::Ge | Op::Gt => narrowed.since = narrowed.since.max(Some(*time)),
                Op::Le | Op::Lt => narrowed.until = Some(narrowed.until.map_or(*time, |until| until.min(*time))),
                Op::Eq | Op::Ne => {}
            },
            Filter::Compare(path, Op::Eq, Literal::Id(id)) if path.steps == ["userId"] => {
                // Nobody is told with zeros, and has no row of their own to be found by.
                narrowed.principal = Uuid::try_parse(id).ok().filter(|id| !id.is_nil()).map(PrincipalId);
            }
            _ => {}
        }
    }
    narrowed
}

#[cfg(test)]
mod tests {
    use super::*;
    use writ_core::time::Time;

    fn found(outcome: SignIn, wrong: Option<Wrong>, known: bool, app: Option<Uuid>) -> SignedIn {
        SignedIn {
            id: Uuid::nil(),
            seq: 1,
            at: Time::from_millis(0),
            principal: known.then(|| PrincipalId::from_u128(1)),
            name: String::new(),
            upn: String::new(),
            outcome,
            wrong,
            methods: Vec::new(),
            count: 1,
            address: None,
            via: Via::Page,
            app,
            correlation: Uuid::nil(),
        }
    }

    #[test]
    fn a_record_names_the_program_that_was_signed_in_for() {
        let app = Some(Uuid::from_u128(7));
        for (app, name, told) in [
            (None, None, [json!(PAGES.app), json!(PAGES.name), json!("Browser")]),
            (app, Some("Robot"), [json!(app), json!("Robot"), json!("Mobile Apps and Desktop clients")]),
            (app, None, [json!(app), Json::Null, json!("Mobile Apps and Desktop clients")]),
        ] {
            let record = Record(found(SignIn::Succeeded, None, true, app), name.map(str::to_owned));
            assert_eq!(["appId", "appDisplayName", "clientAppUsed"].map(|property| record.get(property)), told);
        }
    }

    #[test]
    fn a_sign_in_has_entras_code_for_how_it_went() {
        let code = |outcome, wrong, known: bool| {
            let found = found(outcome, wrong, known, None);
            let status = status(&found);
            assert!(status["failureReason"].as_str().is_some_and(|reason| reason.ends_with('.')));
            status["errorCode"].as_u64()
        };
        for (outcome, wrong, known, wanted) in [
            (SignIn::Succeeded, None, true, 0),
            (SignIn::SteppedUp, None, true, 0),
            (SignIn::Failed, Some(Wrong::Name), false, 50034),
            (SignIn::Failed, Some(Wrong::Password), true, 50126),
            (SignIn::Failed, Some(Wrong::Secret), true, 50126),
            (SignIn::Failed, Some(Wrong::Code), true, 500_121),
            (SignIn::Failed, Some(Wrong::Disabled), true, 50057),
            (SignIn::Throttled, None, true, 50053),
            (SignIn::RefreshReused, None, true, 50173),
            (SignIn::CodeReused, None, true, 54005),
        ] {
            assert_eq!(code(outcome, wrong, known), Some(wanted), "{outcome:?} {wrong:?}");
        }
    }
}
