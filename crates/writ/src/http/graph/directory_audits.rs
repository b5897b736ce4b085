//! Audit records, as PIM and the directory write them, from the history that is folded from the log.
//! They are only read here, and are as new as the newest change its reader has seen.

use super::ask::{Ask, Route, Written};
use super::odata::filter::{Filter, Like, Literal, Op};
use super::odata::{Entity, Kind, Property, Row};
use super::records::Records;
use crate::history::audit::{Initiator, Record};
use crate::history::{AuditQuery, Place};
use serde_json::{Value as Json, json};
use writ_core::ids::Uuid;
use writ_core::may::Query;

const USER: &[Property] = &[
    Property::text("displayName"),
    Property::id("id"),
    Property::text("ipAddress"),
    Property::text("userPrincipalName"),
];
const APP: &[Property] = &[
    Property::id("appId"),
    Property::text("displayName"),
    Property::id("servicePrincipalId"),
    Property::text("servicePrincipalName"),
];
const RESOURCE: Kind = Kind::Object(&[
    Property::id("id"),
    Property::text("displayName"),
    Property::text("type"),
    Property::text("userPrincipalName"),
    Property::text("groupType"),
]);
const DETAIL: Kind = Kind::Object(&[Property::text("key"), Property::text("value")]);

/// `directoryAudit`
pub static DIRECTORY_AUDIT: Entity = Entity {
    name: "directoryAudit",
    properties: &[
        Property::id("id"),
        Property::time("activityDateTime"),
        Property::text("activityDisplayName"),
        Property::list("additionalDetails", &DETAIL),
        Property::text("category"),
        Property::id("correlationId"),
        Property::object("initiatedBy", &[Property::object("user", USER), Property::object("app", APP)]),
        Property::text("loggedByService"),
        Property::text("operationType"),
        Property::text("result"),
        Property::text("resultReason"),
        Property::list("targetResources", &RESOURCE),
    ],
    links: &[],
    special: &[],
    or: true,
};

struct Audit(Record);

impl Row for Audit {
    fn entity(&self) -> &'static Entity {
        &DIRECTORY_AUDIT
    }

    fn get(&self, property: &str) -> Json {
        let r = &self.0;
        match property {
            "id" => json!(r.id),
            "position" => json!(position(r.place)),
            "activityDateTime" => json!(r.at),
            "activityDisplayName" => json!(r.activity),
            "additionalDetails" => r.details.iter().map(|(key, value)| json!({"key": key, "value": value})).collect(),
            "category" => json!(r.category),
            "correlationId" => json!(r.correlation),
            "initiatedBy" => initiated_by(&r.initiator, &r.service),
            "loggedByService" => json!(r.service),
            "operationType" => json!(r.operation),
            "result" => json!(if r.succeeded { "success" } else { "failure" }),
            "resultReason" => json!(r.reason),
            "targetResources" => r.targets.iter().map(target).collect(),
            _ => Json::Null,
        }
    }
}

fn initiated_by(initiator: &Initiator, service: &str) -> Json {
    let user = |name: &str, id: Json, upn: Json, address: Json| json!({"user": {"displayName": name, "id": id, "ipAddress": address, "userPrincipalName": upn}, "app": null});
    let app = |name: &str, id: Json| {
        json!({"user": null, "app": {
            "appId": null, "displayName": name, "servicePrincipalId": id, "servicePrincipalName": null,
        }})
    };
    match initiator {
        Initiator::User { id, name, upn, address } => user(name, json!(id), json!(upn), json!(address)),
        Initiator::App { id, name } => app(name, json!(id)),
        // Entra's own timer is a user in PIM's records and an app in the directory's.
        Initiator::Service { name } if service == "PIM" => user(name, Json::Null, Json::Null, Json::Null),
        Initiator::Service { name } => app(name, Json::Null),
    }
}

fn target(thing: &crate::history::audit::Thing) -> Json {
    let modified = thing
        .modified
        .iter()
        .map(|(name, old, new)| json!({"displayName": name, "oldValue": value(old), "newValue": value(new)}));
    json!({
        "id": thing.id, "displayName": thing.name, "type": thing.sort, "userPrincipalName": thing.upn, "groupType": null,
        "modifiedProperties": modified.collect::<Vec<_>>(),
    })
}

/// Graph writes changed values as JSON texts inside a text, and the history keeps them so.
fn value(text: &str) -> Json {
    if text.is_empty() { Json::Null } else { json!(text) }
}

/// A record's place as a text that sorts as the places do.
fn position(place: Place) -> String {
    format!("{:020}.{:06}", place.seq, place.k)
}

fn place(position: &str) -> Option<Place> {
    let (seq, k) = position.split_once('.')?;
    Some(Place { seq: seq.parse().ok()?, k: k.parse().ok()? })
}

/// What is offered.
pub const ROUTES: &[Route] = &[
    Route::get_later("auditLogs/directoryAudits", |ask| Box::pin(list(ask))),
    Route::get_later("auditLogs/directoryAudits/{id}", |ask| Box::pin(one(ask))),
];

async fn one(ask: &Ask) -> Written {
    ask.reads(Query::Audit)?;
    let history = ask.history().await?;
    let record = history.audit_record(ask.at("id")).await.map_err(|fault| ask.faulted(&fault))?;
    let record = record.ok_or_else(|| ask.missing("id"))?;
    ask.one(&DIRECTORY_AUDIT, "auditLogs/directoryAudits/$entity", &Audit(record))
}

/// The list of them.
const LIST: Records<Audit, Place> = Records {
    entity: &DIRECTORY_AUDIT,
    path: "auditLogs/directoryAudits",
    told: "audit records",
    when: "activityDateTime",
    place: |record| record.0.place,
    read: place,
};

async fn list(ask: &Ask) -> Written {
    ask.reads(Query::Audit)?;
    let asked = LIST.asked(ask)?;
    let narrowed = AuditQuery { oldest_first: asked.oldest_first, ..narrowed(asked.query.filter.as_ref()) };
    let history = ask.history().await?;
    let next = |after, limit| {
        let wanted = AuditQuery { after, limit, ..narrowed.clone() };
        async { Ok(history.audit(wanted).await?.into_iter().map(Audit).collect()) }
    };
    LIST.page(ask, asked, next).await
}

/// What the filter says that an index can answer; the filter itself is applied to what comes back.
fn narrowed(filter: Option<&Filter>) -> AuditQuery {
    let mut narrowed = AuditQuery::default();
    for part in filter.into_iter().flat_map(Filter::conjuncts) {
        match part {
            Filter::Compare(path, op, Literal::Time(time)) if path.steps == ["activityDateTime"] => match op {
                Op::Ge | Op::Gt => narrowed.since = narrowed.since.max(Some(*time)),
                Op::Le | Op::Lt => {
                    narrowed.until = Some(narrowed.until.map_or(*time, |until| until.min(*time)));
                }
                Op::Eq | Op::Ne => {}
            },
            Filter::Compare(path, Op::Eq, Literal::Text(text)) => match path.steps.as_slice() {
                ["activityDisplayName"] => narrowed.activity = Some(text.clone()),
                ["category"] => narrowed.category = Some(text.clone()),
                ["loggedByService"] => narrowed.service = Some(text.clone()),
                ["result"] if text == "success" => narrowed.succeeded = Some(true),
                ["result"] if text == "failure" => narrowed.succeeded = Some(false),
                _ => {}
            },
            Filter::Like(path, Like::Starts, text) if path.steps == ["activityDisplayName"] => {
                narrowed.activity_begins = Some(text.clone());
            }
            Filter::Compare(path, Op::Eq, Literal::Id(id)) => {
                let id: Option<Uuid> = Uuid::try_parse(id).ok();
                match path.steps.as_slice() {
                    ["correlationId"] => narrowed.correlation = id,
                    ["initiatedBy", "user", "id"] => narrowed.initiator = id.map(writ_core::ids::PrincipalId),
                    _ => {}
                }
            }
            Filter::Any(path, Some(inner)) if path.steps == ["targetResources"] => {
                for inner in inner.conjuncts() {
                    if let Filter::Compare(path, Op::Eq, Literal::Id(id)) = inner
                        && path.steps == ["id"]
                    {
                        narrowed.target = Uuid::try_parse(id).ok();
                    }
                }
            }
            _ => {}
        }
    }
    narrowed
}
