//! Users, and the caller as one of them (`/me`).
//! Passwords never pass through here: a person binds a first factor with a single-use code. What a new user's body has
//! beside what is kept is named in the answer, so that nothing is dropped unsaid.

use super::absent::APP_ROLE_ASSIGNMENT;
use super::ask::{Answer, Ask, Route, Written};
use super::body::Fields;
use super::directory_objects::{DIRECTORY_OBJECT, Object};
use super::dispatch::again;
use super::odata::{Entity, Kind, Link, Property};
use crate::engine::fresh_id;
use crate::http::problem::{Problem, shown};
use crate::http::session;
use serde_json::{Value as Json, json};
use writ_core::command::{Command, NewUser};
use writ_core::directory::{Principal, User};
use writ_core::ids::{PersonId, PrincipalId};
use writ_core::may::Query;

/// A user.
pub static USER: Entity = Entity {
    name: "user",
    properties: &[
        Property::list("businessPhones", &Kind::Text).shown(),
        Property::text("displayName"),
        Property::text("givenName").shown(),
        Property::text("jobTitle").shown(),
        Property::text("mail"),
        Property::text("mobilePhone").shown(),
        Property::text("officeLocation").shown(),
        Property::text("preferredLanguage").shown(),
        Property::text("surname").shown(),
        Property::text("userPrincipalName"),
        Property::id("id"),
        Property::bool("accountEnabled").asked(),
        Property::time("createdDateTime").asked(),
        Property::text("mailNickname").asked(),
        Property::text("userType").asked(),
        // Nothing comes from another directory; scripts ask, to leave out what does.
        Property::bool("onPremisesSyncEnabled").asked(),
        Property::time("deletedDateTime").shown().asked(),
    ],
    links: &[
        Link::many("memberOf", &DIRECTORY_OBJECT).mixed(),
        Link::many("transitiveMemberOf", &DIRECTORY_OBJECT).mixed(),
        Link::many("ownedObjects", &DIRECTORY_OBJECT).mixed(),
        Link::one("manager", &DIRECTORY_OBJECT).mixed().levels(),
        Link::many("directReports", &DIRECTORY_OBJECT).mixed(),
        Link::many("ownedDevices", &DIRECTORY_OBJECT).mixed(),
        Link::many("registeredDevices", &DIRECTORY_OBJECT).mixed(),
        Link::many("appRoleAssignments", &APP_ROLE_ASSIGNMENT),
    ],
    special: &[],
    or: true,
};

/// A property of a user.
pub fn property(p: &Principal, user: &User, name: &str) -> Json {
    match name {
        "id" => json!(p.id),
        "businessPhones" => json!([]),
        "displayName" => json!(p.name.shown()),
        "userPrincipalName" => json!(user.upn.shown()),
        "mail" => json!(user.upn.text()),
        "mailNickname" => json!(user.upn.text().map(|u| u.split('@').next().unwrap_or(u))),
        "accountEnabled" => json!(p.enabled),
        "createdDateTime" => json!(p.created),
        "userType" => json!("Member"),
        _ => Json::Null,
    }
}

/// What is offered.
pub const ROUTES: &[Route] = &[
    Route::get("me", me),
    Route::get("me/{link}", me),
    Route::get("me/{link}/{item}", me),
    Route::post("me/revokeSignInSessions()", |ask| Box::pin(revoke(ask))),
    Route::post("users/{id}/revokeSignInSessions()", |ask| Box::pin(revoke(ask))),
    Route::get("users", list),
    Route::post("users", |ask| Box::pin(create(ask))),
    Route::get("users/{id}", one),
    Route::patch("users/{id}", |ask| Box::pin(update(ask))),
    Route::delete("users/{id}", |ask| Box::pin(delete(ask))),
    Route::get("users/{id}/{link}", one),
    Route::get("users/{id}/{link}/{item}", one),
];

fn me(ask: &Ask) -> Result<Answer, Problem> {
    ask.reads(Query::Me)?;
    let row = Object::principal(&ask.moment, ask.me()?).ok_or_else(|| Problem::not_found("me"))?;
    ask.one(&USER, "users/$entity", &row)
}

fn list(ask: &Ask) -> Result<Answer, Problem> {
    ask.reads(Query::Directory)?;
    super::named::list(ask, &USER, "users", &ask.moment.state.names.users)
}

/// The user that the path names by id or by user principal name.
fn named(ask: &Ask) -> Result<PrincipalId, Problem> {
    let text = ask.at("id");
    let state = &ask.moment.state;
    let by_id = text.parse().ok().and_then(|id: PrincipalId| state.principals.get(&id));
    let found = by_id.or_else(|| state.user_named(text)).filter(|p| p.user().is_some());
    found.map(|p| p.id).ok_or_else(|| ask.missing("id"))
}

/// The user that the path names, if the caller may read about them.
pub fn readable(ask: &Ask) -> Result<PrincipalId, Problem> {
    let found = named(ask);
    let own = found.is_ok() && found.as_ref().ok() == ask.moment.me.as_ref();
    ask.reads(if own { Query::Me } else { Query::Directory })?;
    found
}

fn one(ask: &Ask) -> Result<Answer, Problem> {
    let row = Object::principal(&ask.moment, readable(ask)?).ok_or_else(|| ask.missing("id"))?;
    ask.one(&USER, "users/$entity", &row)
}

async fn create(ask: &Ask) -> Written {
    let body = ask.body()?;
    let fields = body.fields();
    let user = NewUser {
        id: PrincipalId(fresh_id()),
        person: PersonId(fresh_id()),
        name: fields.required("displayName")?.to_owned(),
        upn: fields.required("userPrincipalName")?.to_owned(),
    };
    let id = user.id;
    let enabled = fields.bool("accountEnabled")?.unwrap_or(true);
    let moment =
        ask.submit(if enabled { Command::CreateUser(user) } else { Command::CreateDisabledUser(user) }).await?;
    let mut made = ask.created(&USER, "users/$entity", Object::principal(&moment, id).as_ref())?;
    if let (Answer::Made(Json::Object(out)), Some(notice)) = (&mut made, notice(&fields)) {
        out.insert("@writ.notice".into(), json!(notice));
    }
    Ok(made)
}

/// What the body had that is not kept.
fn notice(fields: &Fields<'_>) -> Option<String> {
    const KEPT: [&str; 5] = ["accountEnabled", "displayName", "mailNickname", "userPrincipalName", "userType"];
    let dropped = fields.beside(&KEPT);
    if dropped.is_empty() {
        return None;
    }
    let mut notice = format!("Not kept: {}.", shown(&dropped.join(", ")));
    if fields.has("passwordProfile") {
        notice.push_str(
            " The password in it opens nothing, since two people would know it: issue an enrolment code (writ user \
             code), with which the user binds their own.",
        );
    }
    Some(notice)
}

async fn revoke(ask: &Ask) -> Written {
    let user = if ask.at("id").is_empty() { ask.me()? } else { named(ask)? };
    ask.app.identity.end_sessions(again(&ask.caller), user).await.map_err(|denied| session::problem(&denied))?;
    Ok(Answer::Found(json!({"@odata.context": ask.context_url("Edm.Boolean"), "value": true})))
}

async fn update(ask: &Ask) -> Written {
    let body = ask.body()?;
    let fields = body.fields();
    if fields.has("passwordProfile") {
        return Err(Problem::bad_request(
            "A password cannot be set here, since two people would know it. Issue an enrolment code instead: writ user \
             code.",
        ));
    }
    fields.changes_what_is_kept(&["displayName", "userPrincipalName", "accountEnabled"])?;
    let command = Command::UpdateUser {
        user: named(ask)?,
        name: fields.text("displayName")?.map(str::to_owned),
        upn: fields.text("userPrincipalName")?.map(str::to_owned),
        enabled: fields.bool("accountEnabled")?,
        person: None,
    };
    ask.submit(command).await?;
    Ok(Answer::Nothing)
}

async fn delete(ask: &Ask) -> Written {
    ask.submit(Command::DeletePrincipal { principal: named(ask)? }).await?;
    Ok(Answer::Nothing)
}
