//! Users, and the caller as one of them (`/me`).
//! Passwords never pass through here: a person binds a first factor with a single-use code.

use super::ask::{Answer, Ask, Route, Written};
use super::directory_objects::{DIRECTORY_OBJECT, Object};
use super::odata::{Entity, Kind, Link, Property};
use crate::engine::fresh_id;
use crate::http::problem::Problem;
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
        Property::time("deletedDateTime").shown().asked(),
    ],
    links: &[
        Link::many("memberOf", &DIRECTORY_OBJECT).mixed(),
        Link::many("transitiveMemberOf", &DIRECTORY_OBJECT).mixed(),
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
    Route::get("users", list),
    Route::post("users", |ask| Box::pin(create(ask))),
    Route::get("users/{id}", one),
    Route::patch("users/{id}", |ask| Box::pin(update(ask))),
    Route::delete("users/{id}", |ask| Box::pin(delete(ask))),
    Route::get("users/{id}/{link}", one),
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

fn one(ask: &Ask) -> Result<Answer, Problem> {
    let found = named(ask);
    if found.as_ref().ok() == Some(&ask.me()?) {
        ask.reads(Query::Me)?;
    } else {
        ask.reads(Query::Directory)?;
    }
    let row = Object::principal(&ask.moment, found?).ok_or_else(|| ask.missing("id"))?;
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
    if fields.bool("accountEnabled")? == Some(false) {
        return Err(Problem::bad_request(
            "A user is created enabled and cannot sign in before a first factor is bound; disable it afterwards if \
             it must be.",
        ));
    }
    let id = user.id;
    let moment = ask.submit(Command::CreateUser(user)).await?;
    ask.created(&USER, "users/$entity", Object::principal(&moment, id).as_ref())
}

async fn update(ask: &Ask) -> Written {
    let body = ask.body()?;
    let fields = body.fields();
    if fields.has("passwordProfile") {
        return Err(Problem::bad_request(
            "A password cannot be set here, since two people would know it. Issue an enrolment code instead: writ enrol.",
        ));
    }
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
