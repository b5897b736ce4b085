//! Applications, as far as sign-in needs them: Writ's own two ways in, the public clients whose names people know, and
//! one for each program in the directory. They are only read; a program is made by Writ's own commands.

use super::ask::{Answer, Ask, Moment, Route};
use super::odata::{Entity, Kind, Property, Row};
use crate::http::problem::Problem;
use serde_json::{Value as Json, json};
use std::sync::Arc;
use uuid::{Uuid, uuid};
use writ_core::directory::{self, Principal};
use writ_core::may::Query;
use writ_core::state::State;

/// `application`
pub static APPLICATION: Entity = Entity {
    name: "application",
    properties: &[
        Property::id("id"),
        Property::id("appId"),
        Property::time("createdDateTime"),
        Property::time("deletedDateTime").shown(),
        Property::text("description"),
        Property::text("displayName"),
        Property::list("identifierUris", &Kind::Text),
        Property::bool("isFallbackPublicClient"),
        Property::text("publisherDomain").shown(),
        Property::text("signInAudience"),
        Property::list("tags", &Kind::Text).shown(),
    ],
    links: &[],
    special: &[],
    or: true,
};

/// A client through which people sign in: its application id, which is public, and its name.
pub struct Client {
    /// Its application (client) id.
    pub app: Uuid,
    /// Its name.
    pub name: &'static str,
    description: &'static str,
}

/// Writ's pages.
pub static PAGES: Client = Client {
    app: uuid!("5772a17e-0000-4000-8000-000000000001"),
    name: "Writ pages",
    description: "Signing in with a browser",
};
/// Writ's command line, and every client that signs in with a password and a code at the token endpoint.
pub static COMMAND_LINE: Client = Client {
    app: uuid!("5772a17e-0000-4000-8000-000000000002"),
    name: "Writ command line",
    description: "Signing in at the token endpoint",
};
/// Graph's own clients, by the ids they carry everywhere: what they send is accepted, and people look for the names.
static KNOWN: [Client; 2] = [
    Client {
        app: uuid!("14d82eec-204b-4c2f-b7e8-296a70dab67e"),
        name: "Microsoft Graph Command Line Tools",
        description: "Microsoft Graph PowerShell",
    },
    Client {
        app: uuid!("04b07795-8ddb-461a-bbee-02f9e1bf7b46"),
        name: "Microsoft Azure CLI",
        description: "The az command line",
    },
];

/// The name of the application with this id: one of those above, or a program in the directory.
pub fn name_of(state: &State, app: Uuid) -> Option<&str> {
    let client = [&PAGES, &COMMAND_LINE].into_iter().chain(&KNOWN).find(|client| client.app == app);
    client.map(|client| client.name).or_else(|| state.program_of(app).map(|p| p.name.shown()))
}

enum Application<'a> {
    Client(&'static Client),
    Program(&'a Principal, Uuid),
}

impl Application<'_> {
    /// Its own id, which is its application id here.
    fn id(&self) -> Uuid {
        match self {
            Application::Client(c) => c.app,
            Application::Program(_, app) => *app,
        }
    }
}

impl Row for Application<'_> {
    fn entity(&self) -> &'static Entity {
        &APPLICATION
    }
    fn get(&self, property: &str) -> Json {
        match (property, self) {
            ("id" | "appId", Application::Client(c)) => json!(c.app),
            ("id" | "appId", Application::Program(_, app)) => json!(app),
            ("displayName", Application::Client(c)) => json!(c.name),
            ("displayName", Application::Program(p, _)) => json!(p.name.shown()),
            ("description", Application::Client(c)) => json!(c.description),
            ("createdDateTime", Application::Program(p, _)) => json!(p.created),
            ("isFallbackPublicClient", Application::Client(_)) => json!(true),
            ("identifierUris" | "tags", _) => json!([]),
            ("signInAudience", _) => json!("AzureADMyOrg"),
            _ => Json::Null,
        }
    }
}

/// What is offered.
pub const ROUTES: &[Route] =
    &[Route::get("applications", list), Route::get("applications/{id}", one), Route::get("applications(appId)", one)];

fn all(moment: &Moment) -> impl Iterator<Item = Application<'_>> {
    let clients = [&PAGES, &COMMAND_LINE].into_iter().chain(&KNOWN).map(Application::Client);
    let programs = moment.state.names.programs.after("", None).filter_map(|id| moment.state.principals.get(&id));
    let program = |p: &Arc<Principal>| match &p.kind {
        directory::Kind::Service(service) => Some(service.app),
        _ => None,
    };
    clients.chain(programs.filter_map(move |p| program(p).map(|app| Application::Program(p, app))))
}

/// The applications with these ids, which are sorted.
pub fn among<'a>(moment: &'a Moment, ids: &'a [Uuid]) -> impl Iterator<Item = Box<dyn Row + 'a>> {
    all(moment).filter(|a| ids.binary_search(&a.id()).is_ok()).map(|a| Box::new(a) as Box<dyn Row>)
}

fn list(ask: &Ask) -> Result<Answer, Problem> {
    ask.reads(Query::Directory)?;
    ask.list_as(&APPLICATION, "applications", super::page::Shape::by_id(), |_, _| all(&ask.moment))
}

fn one(ask: &Ask) -> Result<Answer, Problem> {
    ask.reads(Query::Directory)?;
    // An application's own id is its application id here.
    let name = if ask.at("id").is_empty() { "appId" } else { "id" };
    let id: Uuid = ask.id_at(name)?;
    let found = all(&ask.moment).find(|a| a.id() == id).ok_or_else(|| ask.missing(name))?;
    ask.one(&APPLICATION, "applications/$entity", &found)
}
