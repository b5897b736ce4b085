//! Audit records as Entra writes them: which ones an entry becomes, under which names, in which order. A grant or a
//! removal becomes several: what was asked in PIM, the change in the directory, and that it is complete.
//! It never invents anything: each record says what its entry says, with the names as they were then.
//!
//! Always: a record's id follows from its entry and its number in it, so folding anew gives the same ids.
//! Source: Microsoft's list of audit activities (service PIM and Core Directory), and recorded exports of both.

mod changes;
mod grants;
mod modified;
mod moment;
#[cfg(test)]
mod tests;

use super::Place;
use serde::{Deserialize, Serialize};
use writ_core::event::Event;
use writ_core::ids::{PrincipalId, Uuid};
use writ_core::log::Envelope;
use writ_core::personal::Personal;
use writ_core::state::{Meta, State};
use writ_core::time::Time;

const PIM: &str = "PIM";
const DIRECTORY: &str = "Core Directory";
const WRIT: &str = "Writ";

/// One audit record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Its id, unique and stable.
    pub id: String,
    /// Where it stands.
    pub place: Place,
    /// When it happened.
    pub at: Time,
    /// `RoleManagement`, `UserManagement`, `GroupManagement`, …
    pub category: String,
    /// The activity's display name.
    pub activity: String,
    /// Whether it succeeded.
    pub succeeded: bool,
    /// The justification, or why it failed.
    pub reason: String,
    /// `PIM`, `Core Directory` or `Writ`.
    pub service: String,
    /// `ActivateRole`, `Assign`, …
    pub operation: String,
    /// Who did it.
    pub initiator: Initiator,
    /// What ties the records of one piece of work together.
    pub correlation: Uuid,
    /// What it was done to; for PIM the role, the request, the principal and the scope, in this order.
    pub targets: Vec<Thing>,
    /// More about it, by name.
    pub details: Vec<(String, String)>,
}

/// Who did it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Initiator {
    /// A user.
    User {
        /// Its id.
        id: PrincipalId,
        /// Its name then.
        name: String,
        /// Its user principal name then.
        upn: String,
        /// Where it came from.
        address: Option<String>,
    },
    /// A program.
    App {
        /// Its principal.
        id: Option<PrincipalId>,
        /// Its name then.
        name: String,
    },
    /// Writ itself: time passed, or somebody at the server's console. PIM's own records name it as a user.
    Service {
        /// `Azure AD PIM` in PIM's records, `MS-PIM` in the directory's.
        name: String,
    },
}

impl Initiator {
    /// The principal, if there is one.
    pub fn principal(&self) -> Option<PrincipalId> {
        match self {
            Initiator::User { id, .. } => Some(*id),
            Initiator::App { id, .. } => *id,
            Initiator::Service { .. } => None,
        }
    }
}

/// Something that an activity was done to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Thing {
    /// Its id.
    pub id: Option<Uuid>,
    /// Its name then.
    pub name: String,
    /// `Role`, `Request`, `User`, `Group`, `ServicePrincipal`, `Directory`, `AdministrativeUnit`, `Device`, `Other`.
    pub sort: String,
    /// The user principal name, if it is a user.
    pub upn: Option<String>,
    /// What was changed in it: name, old value, new value. Values are JSON texts; an empty one stands for none.
    pub modified: Vec<(String, String, String)>,
}

/// The most records of one entry whose ids are told apart where one number has to say entry and record.
const IN_ONE: u64 = 1000;

/// The id of a record, in the form that Entra's have: PIM's names the tenant and ends with one number, the directory's
/// begins with the correlation id.
fn id_of(service: &str, moment: &Moment<'_>, place: Place) -> String {
    let Place { seq, k } = place;
    let cause = &moment.envelope.cause;
    if service == PIM {
        let number = seq.saturating_mul(IN_ONE).saturating_add(u64::from(k));
        return format!("PIM_{}_{}_{number}", cause.command, moment.after.tenant);
    }
    let begins = if service == DIRECTORY { "Directory" } else { service };
    format!("{begins}_{}_{seq}_{k}", cause.correlation)
}

/// Where the record with this id stands, if the id has the form.
pub(super) fn place_of(id: &str) -> Option<Place> {
    let mut parts = id.rsplitn(3, '_');
    let last: u64 = parts.next()?.parse().ok()?;
    let before = parts.next()?;
    let (seq, k) = if id.starts_with("PIM_") { (last / IN_ONE, last % IN_ONE) } else { (before.parse().ok()?, last) };
    Some(Place { seq: Some(seq).filter(|seq| *seq <= i64::MAX as u64)?, k: u32::try_from(k).ok()? })
}

/// An entry with the state on both sides of it.
pub(super) struct Moment<'a> {
    pub(super) before: &'a State,
    pub(super) after: &'a State,
    pub(super) meta: &'a Meta,
    pub(super) event: &'a Event,
    pub(super) envelope: &'a Envelope,
}

/// The records that an entry becomes.
pub(super) fn records(moment: &Moment<'_>) -> Vec<Record> {
    let mut out = Records { moment, list: Vec::new() };
    out.grants();
    out.list
}

struct Records<'a> {
    moment: &'a Moment<'a>,
    list: Vec<Record>,
}

impl Records<'_> {
    fn failed(&mut self, reason: String) {
        if let Some(record) = self.list.last_mut() {
            record.succeeded = false;
            record.reason = reason;
        }
    }

    fn detail(&mut self, key: &str, value: &str) {
        if let Some(record) = self.list.last_mut() {
            record.details.push((key.to_owned(), value.to_owned()));
        }
    }

    fn reason(&mut self, reason: &str) {
        if let Some(record) = self.list.last_mut() {
            reason.clone_into(&mut record.reason);
        }
    }

    fn add(&mut self, service: &str, category: &str, activity: &str, operation: &str, targets: Vec<Thing>) {
        let m = self.moment;
        let place = Place { seq: m.meta.seq, k: u32::try_from(self.list.len()).unwrap_or(u32::MAX) };
        self.list.push(Record {
            id: id_of(service, m, place),
            place,
            at: m.meta.at,
            category: category.to_owned(),
            activity: activity.to_owned(),
            succeeded: true,
            reason: String::new(),
            service: service.to_owned(),
            operation: operation.to_owned(),
            initiator: m.initiator(service),
            correlation: m.envelope.cause.correlation,
            targets,
            details: Vec::new(),
        });
    }
}

fn shown(text: Option<&Personal>) -> Option<String> {
    text.map(|text| text.shown().to_owned())
}
