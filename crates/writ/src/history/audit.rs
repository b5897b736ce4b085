//! Audit records as Entra writes them: which ones an entry becomes, under which names, in which order. A grant or a
//! removal becomes several: what was asked in PIM, the change in the directory, and that it is complete.
//! It never invents anything: each record says what its entry says, with the names as they were then.
//!
//! Always: a record's id follows from its entry and its number in it, so folding anew gives the same ids.
//! Source: Microsoft's list of audit activities (service PIM and Core Directory), and recorded exports of both.

use super::Place;
use serde::{Deserialize, Serialize};
use writ_core::command::Sort;
use writ_core::event::{Action, Ask, Event, Why};
use writ_core::ids::{DeviceId, PrincipalId, RequestId, RoleId, UnitId, Uuid};
use writ_core::log::Envelope;
use writ_core::personal::Personal;
use writ_core::scope::{Scope, Target};
use writ_core::state::{Meta, Request, State};
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
    /// What was changed in it: name, old value, new value.
    pub modified: Vec<(String, String, String)>,
}

/// The id of a record.
fn id_of(service: &str, envelope: &Envelope, place: Place) -> String {
    let begins = if service == DIRECTORY { "Directory" } else { service };
    format!("{begins}_{}_{}_{}", envelope.cause.command, place.seq, place.k)
}

/// Where the record with this id stands, if the id has the form.
pub(super) fn place_of(id: &str) -> Option<Place> {
    let mut parts = id.rsplitn(3, '_');
    let k = parts.next()?.parse().ok()?;
    Some(Place { seq: parts.next()?.parse().ok().filter(|seq| *seq <= i64::MAX as u64)?, k })
}

/// An entry with the state on both sides of it.
pub(super) struct Moment<'a> {
    pub(super) before: &'a State,
    pub(super) after: &'a State,
    pub(super) meta: &'a Meta,
    pub(super) event: &'a Event,
    pub(super) envelope: &'a Envelope,
}

/// What a PIM record is about.
struct About {
    request: Option<Uuid>,
    subject: PrincipalId,
    target: Target,
    reason: Option<Personal>,
    ticket: (Option<Personal>, Option<Personal>),
    starts: Option<Time>,
    ends: Option<Time>,
}

/// The records that an entry becomes.
pub(super) fn records(moment: &Moment<'_>) -> Vec<Record> {
    let mut out = Records { moment, list: Vec::new() };
    out.write();
    out.list
}

struct Records<'a> {
    moment: &'a Moment<'a>,
    list: Vec<Record>,
}

fn lasting(ends: Option<Time>) -> &'static str {
    if ends.is_some() { "timebound" } else { "permanent" }
}

impl Records<'_> {
    fn write(&mut self) {
        let m = self.moment;
        match m.event {
            Event::EligibilityGranted { ask, starts, ends } => {
                let about = m.asked(ask, Some(*starts), *ends);
                let t = lasting(*ends);
                let permanent = if ends.is_none() { "Permanent" } else { "" };
                let asked = if ask.action == Action::AdminRenew { "renew" } else { t };
                if ask.action != Action::SelfRenew {
                    self.pim(
                        format!("Add eligible member to role in PIM requested ({asked})"),
                        &format!("CreateRequest{permanent}EligibleRole"),
                        &about,
                    );
                }
                self.directory("Add eligible member to role", "Assign", &about);
                self.pim(format!("Add eligible member to role in PIM completed ({t})"), "AssignEligibleRole", &about);
            }
            Event::AssignmentGranted { ask, starts, ends } => {
                let about = m.asked(ask, Some(*starts), *ends);
                let t = lasting(*ends);
                let permanent = if ends.is_none() { "Permanent" } else { "" };
                let asked = if ask.action == Action::AdminRenew { "renew" } else { t };
                if ask.action != Action::SelfRenew {
                    self.pim(
                        format!("Add member to role in PIM requested ({asked})"),
                        &format!("CreateRequest{permanent}GrantedRole"),
                        &about,
                    );
                }
                self.directory("Add member to role", "Assign", &about);
                self.pim(
                    format!("Add member to role in PIM completed ({t})"),
                    &format!("Assign{permanent}Role"),
                    &about,
                );
            }
            Event::EligibilityChanged { ask, starts, ends, .. } => {
                let about = m.asked(ask, Some(*starts), *ends);
                if ask.action == Action::AdminExtend {
                    self.pim("Update eligible member in PIM requested (extend)".into(), "Update", &about);
                }
                self.pim("Update eligible member in PIM approved by admin (extend/renew)".into(), "Update", &about);
            }
            Event::AssignmentChanged { ask, starts, ends, .. } => {
                let about = m.asked(ask, Some(*starts), *ends);
                if ask.action == Action::AdminExtend {
                    self.pim("Update member in PIM requested (extend)".into(), "Update", &about);
                }
                self.pim("Update member in PIM approved by admin (extend/renew)".into(), "Update", &about);
            }
            Event::EligibilityClosed { ask, eligibility, .. } => {
                let ends = m.before.eligibilities.get(eligibility).and_then(|e| e.ends);
                let about = m.asked(ask, None, ends);
                self.pim(
                    format!("Remove eligible member from role in PIM requested ({})", lasting(ends)),
                    "Delete",
                    &about,
                );
            }
            Event::EligibilityEnded { eligibility, why, ask } => {
                let Some(e) = m.before.eligibilities.get(eligibility) else { return };
                let about = m.ended(eligibility.0, e.principal, e.target, (e.starts, e.ends), ask.as_ref(), *why);
                let t = lasting(e.ends);
                if ask.is_some() {
                    self.pim(format!("Remove eligible member from role in PIM requested ({t})"), "Delete", &about);
                }
                self.directory("Remove eligible member from role", "Unassign", &about);
                self.pim(format!("Remove eligible member from role in PIM completed ({t})"), "Delete", &about);
            }
            Event::AssignmentEnded { assignment, why, ask } => {
                let Some(a) = m.before.assignments.get(assignment) else { return };
                let about = m.ended(assignment.0, a.principal, a.target, (a.starts, a.ends), ask.as_ref(), *why);
                let t = lasting(a.ends);
                match (*why, a.activated()) {
                    (Why::TimeIsUp, true) => {
                        self.directory("Remove member from role", "Unassign", &about);
                        self.pim("Remove member from role (PIM activation expired)".into(), "Unassign", &about);
                    }
                    (Why::GivenUp, _) => {
                        self.pim("Remove member from role requested (PIM deactivate)".into(), "Delete", &about);
                        self.directory("Remove member from role", "Unassign", &about);
                        self.pim("Remove member from role completed (PIM deactivate)".into(), "Delete", &about);
                    }
                    _ => {
                        if ask.is_some() {
                            self.pim(format!("Remove member from role in PIM requested ({t})"), "Delete", &about);
                        }
                        self.directory("Remove member from role", "Unassign", &about);
                        self.pim(format!("Remove member from role in PIM completed ({t})"), "Delete", &about);
                    }
                }
            }
            Event::ApprovalAsked { ask, .. } => {
                let about = m.asked(ask, ask.start, None);
                self.pim("Add member to role requested (PIM activation)".into(), "ActivateRole", &about);
                self.pim("Add member to role approval requested (PIM activation)".into(), "ActivateRole", &about);
            }
            Event::AssignmentMade { assignment, principal, target } => {
                let about = m.ended(assignment.0, *principal, *target, (m.meta.at, None), None, Why::Removed);
                let about = About { reason: None, ..about };
                self.directory("Add member to role", "Assign", &about);
                self.pim("Add member to role outside of PIM (permanent)".into(), "Assign", &about);
            }
            Event::MoreAsked { ask, sort, .. } => {
                let about = m.asked(ask, ask.start, None);
                self.pim(more(ask, *sort, "requested"), "CreateRequest", &about);
            }
            // Entra has no such activity, and so no name for it.
            Event::ActivationExtended { ask, assignment, ends } => {
                let starts = m.before.assignments.get(assignment).map(|a| a.starts);
                let about = m.asked(ask, starts, Some(*ends));
                self.role_record(WRIT, "Extend activation", "Update", &about);
            }
            Event::ActivationScheduled { ask: Some(ask), starts, .. } => {
                let about = m.asked(ask, Some(*starts), None);
                self.pim("Add member to role requested (PIM activation)".into(), "ActivateRole", &about);
            }
            Event::ActivationScheduled { ask: None, .. } => {}
            Event::ActivationBegan { ask, request, ends } => {
                let Some(about) = m.request(ask.as_ref(), *request, Some(m.meta.at), Some(*ends)) else { return };
                if ask.is_some() {
                    self.pim("Add member to role requested (PIM activation)".into(), "ActivateRole", &about);
                }
                self.directory("Add member to role", "Assign", &about);
                self.pim("Add member to role completed (PIM activation)".into(), "ActivateRole", &about);
            }
            Event::RequestApproved { request, reason, .. } => {
                self.decided(Decided::Approved, *request, reason.as_ref());
            }
            Event::RequestDenied { request, reason, .. } => {
                self.decided(Decided::Denied, *request, reason.as_ref());
            }
            Event::RequestCanceled { request, .. } => {
                self.decided(Decided::Canceled, *request, None);
            }
            Event::RequestTimedOut { request } => self.decided(Decided::Expired, *request, None),
            Event::RequestFailed { request, why } => {
                let Some(about) = m.request(None, *request, None, None) else { return };
                match m.more_asked(*request) {
                    Some((ask, sort)) => self.pim(more(ask, sort, "requested"), "Update", &about),
                    None => {
                        self.pim("Add member to role completed (PIM activation)".into(), "ActivateRole", &about);
                    }
                }
                self.failed(why.clone());
            }
            Event::AskRefused { action, subject, target, broken, .. } => {
                let about = About {
                    request: None,
                    subject: *subject,
                    target: *target,
                    reason: None,
                    ticket: (None, None),
                    starts: None,
                    ends: None,
                };
                let activity = match action {
                    Action::SelfExtend => "Update member in PIM requested (extend)",
                    Action::SelfRenew => "Add member to role in PIM requested (renew)",
                    Action::SelfActivate => "Add member to role requested (PIM activation)",
                    Action::SelfDeactivate => "Remove member from role requested (PIM deactivate)",
                    Action::AdminRemove => "Process role removal request",
                    Action::AdminAssign => "Process request",
                    _ => "Process role update request",
                };
                self.pim(activity.to_owned(), "CreateRequest", &about);
                self.failed(broken.join(", "));
            }
            Event::RulesChanged { role, .. } => {
                let target = m.role(*role);
                self.add(PIM, "RoleManagement", "Update role setting in PIM", "Update", vec![target]);
            }
            event => self.directory_change(event),
        }
    }

    fn directory_change(&mut self, event: &Event) {
        let m = self.moment;
        let (service, category, activity, operation, things) = match event {
            Event::UserCreated { user, .. } => {
                (DIRECTORY, "UserManagement", "Add user", "Add", vec![m.principal(*user)])
            }
            Event::UserChanged { user, .. } => {
                (DIRECTORY, "UserManagement", "Update user", "Update", vec![m.principal(*user)])
            }
            Event::PrincipalDisabled { principal } => {
                (DIRECTORY, "UserManagement", "Disable account", "Update", vec![m.principal(*principal)])
            }
            Event::PrincipalEnabled { principal } => {
                (DIRECTORY, "UserManagement", "Enable account", "Update", vec![m.principal(*principal)])
            }
            Event::PrincipalDeleted { principal } => {
                let thing = m.principal(*principal);
                let (category, activity) = match thing.sort.as_str() {
                    "Group" => ("GroupManagement", "Delete group"),
                    "ServicePrincipal" => ("ApplicationManagement", "Remove service principal"),
                    _ => ("UserManagement", "Delete user"),
                };
                (DIRECTORY, category, activity, "Delete", vec![thing])
            }
            Event::GroupCreated { group, .. } => {
                (DIRECTORY, "GroupManagement", "Add group", "Add", vec![m.principal(*group)])
            }
            Event::GroupChanged { group, .. } => {
                (DIRECTORY, "GroupManagement", "Update group", "Update", vec![m.principal(*group)])
            }
            Event::ServiceCreated { service, .. } => {
                (DIRECTORY, "ApplicationManagement", "Add service principal", "Add", vec![m.principal(*service)])
            }
            Event::MemberAdded { group, member } => (
                DIRECTORY,
                "GroupManagement",
                "Add member to group",
                "Assign",
                vec![m.principal(*member), m.principal(*group)],
            ),
            Event::MemberRemoved { group, member } => (
                DIRECTORY,
                "GroupManagement",
                "Remove member from group",
                "Unassign",
                vec![m.principal(*member), m.principal(*group)],
            ),
            Event::OwnerAdded { group, owner } => (
                DIRECTORY,
                "GroupManagement",
                "Add owner to group",
                "Assign",
                vec![m.principal(*owner), m.principal(*group)],
            ),
            Event::OwnerRemoved { group, owner } => (
                DIRECTORY,
                "GroupManagement",
                "Remove owner from group",
                "Unassign",
                vec![m.principal(*owner), m.principal(*group)],
            ),
            Event::UnitCreated { unit, .. } => {
                (DIRECTORY, "AdministrativeUnit", "Add administrative unit", "Add", vec![m.unit(*unit)])
            }
            Event::UnitChanged { unit, .. } => {
                (DIRECTORY, "AdministrativeUnit", "Update administrative unit", "Update", vec![m.unit(*unit)])
            }
            Event::UnitDeleted { unit } => {
                (DIRECTORY, "AdministrativeUnit", "Delete administrative unit", "Delete", vec![m.unit(*unit)])
            }
            Event::UnitJoined { unit, object } => (
                DIRECTORY,
                "AdministrativeUnit",
                "Add member to administrative unit",
                "Assign",
                vec![m.object(*object), m.unit(*unit)],
            ),
            Event::UnitLeft { unit, object } => (
                DIRECTORY,
                "AdministrativeUnit",
                "Remove member from administrative unit",
                "Unassign",
                vec![m.object(*object), m.unit(*unit)],
            ),
            Event::RoleDefined { role, .. } => {
                (DIRECTORY, "RoleManagement", "Add role definition", "Add", vec![m.role(role.id)])
            }
            Event::RoleChanged { role } => {
                (DIRECTORY, "RoleManagement", "Update role definition", "Update", vec![m.role(role.id)])
            }
            Event::RoleDeleted { role } => {
                (DIRECTORY, "RoleManagement", "Delete role definition", "Delete", vec![m.role(*role)])
            }
            // What Entra has no word for is Writ's own; it is told in plain words.
            Event::TenantFounded { .. } => (WRIT, "DirectoryManagement", "Found tenant", "Add", vec![]),
            Event::SettingsChanged { .. } => (WRIT, "DirectoryManagement", "Update settings", "Update", vec![]),
            Event::CodeIssued { principal, .. } => {
                (WRIT, "UserManagement", "Issue sign-in code", "Add", vec![m.principal(*principal)])
            }
            Event::CredentialBound { principal, .. } => {
                (WRIT, "UserManagement", "Add credential", "Add", vec![m.principal(*principal)])
            }
            Event::SessionsEnded { principal } => {
                let activity = "Update StsRefreshTokenValidFrom Timestamp";
                (DIRECTORY, "UserManagement", activity, "Update", vec![m.principal(*principal)])
            }
            Event::CredentialRemoved { principal, .. } => {
                (WRIT, "UserManagement", "Remove credential", "Delete", vec![m.principal(*principal)])
            }
            Event::EmergencyMinted { user, .. } => {
                (WRIT, "UserManagement", "Mint emergency secret", "Add", vec![m.principal(*user)])
            }
            Event::HostCodeIssued { .. } => (WRIT, "Device", "Issue host code", "Add", vec![]),
            Event::HostEnrolled { host, .. } => (WRIT, "Device", "Enrol host", "Add", vec![m.object(host.0)]),
            Event::HostRemoved { host } => (WRIT, "Device", "Remove host", "Delete", vec![m.object(host.0)]),
            Event::AccountMapped { person, .. } => {
                let accounts = m.after.persons.get(person).into_iter().flatten().map(|id| m.principal(*id)).collect();
                (WRIT, "Device", "Map local account", "Update", accounts)
            }
            Event::EpochRaised { .. } => (WRIT, "Device", "Raise epoch of orders", "Update", vec![]),
            Event::Erased { principal } => {
                (WRIT, "UserManagement", "Erase personal data", "Delete", vec![m.principal(*principal)])
            }
            Event::ClockRecovered { .. } => (WRIT, "DirectoryManagement", "Declare clock right", "Update", vec![]),
            // Sign-ins, reports of hosts and housekeeping are in the timeline; they are no directory audits.
            _ => return,
        };
        self.add(service, category, activity, operation, things);
    }

    fn decided(&mut self, decided: Decided, request: RequestId, reason: Option<&Personal>) {
        let Some(mut about) = self.moment.request(None, request, None, None) else { return };
        about.reason = reason.cloned();
        let (activity, operation) = match (self.moment.more_asked(request), decided) {
            (None, Decided::Approved) => {
                ("Add member to role request approved (PIM activation)".into(), "ActivateRole")
            }
            (None, Decided::Denied) => ("Add member to role request denied (PIM activation)".into(), "ActivateRole"),
            (None, Decided::Canceled) => ("Add member to role canceled (PIM activation)".into(), "ActivateRole"),
            (None, Decided::Expired) => ("PIM activation request expired".into(), "ActivateRole"),
            (Some(_), Decided::Approved) => ("Approve request - direct role assignment".into(), "Update"),
            (Some(_), Decided::Denied) => ("Update member in PIM denied by admin (extend/renew)".into(), "Update"),
            (Some((ask, sort)), Decided::Canceled | Decided::Expired) => (more(ask, sort, "canceled"), "Update"),
        };
        self.pim(activity, operation, &about);
    }

    fn pim(&mut self, activity: String, operation: &str, about: &About) {
        self.role_record(PIM, &activity, operation, about);
    }

    fn role_record(&mut self, service: &str, activity: &str, operation: &str, about: &About) {
        let m = self.moment;
        let role = about.target.role_id();
        let mut target = m.role(role);
        let origin = if m.after.roles.get(&role).is_some_and(|r| !r.built_in) { "CustomRole" } else { "BuiltInRole" };
        for (name, value) in [
            ("RoleDefinitionOriginId", role.to_string()),
            ("RoleDefinitionOriginType", origin.to_owned()),
            ("TemplateId", role.to_string()),
        ] {
            target.modified.push((name.to_owned(), String::new(), value));
        }
        let request = Thing {
            id: about.request,
            name: about.request.map(|id| id.to_string()).unwrap_or_default(),
            sort: "Request".into(),
            upn: None,
            modified: Vec::new(),
        };
        let things = vec![target, request, m.principal(about.subject), m.scope(about.target.scope())];
        self.add(service, "RoleManagement", activity, operation, things);
        let Some(record) = self.list.last_mut() else { return };
        record.reason = shown(about.reason.as_ref()).unwrap_or_default();
        let mut detail = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                record.details.push((name.to_owned(), value));
            }
        };
        detail("RoleDefinitionOriginId", Some(role.to_string()));
        detail("RoleDefinitionOriginType", Some(origin.to_owned()));
        detail("TemplateId", Some(role.to_string()));
        detail("StartTime", about.starts.map(|t| t.to_string()));
        detail("ExpirationTime", about.ends.map(|t| t.to_string()));
        detail("Justification", shown(about.reason.as_ref()));
        detail("TicketNumber", shown(about.ticket.0.as_ref()));
        detail("TicketSystem", shown(about.ticket.1.as_ref()));
        detail("RequestId", about.request.map(|id| id.to_string()));
        detail("oid", record.initiator.principal().map(|id| id.to_string()));
        detail("tid", Some(m.after.tenant.to_string()));
    }

    fn directory(&mut self, activity: &str, operation: &str, about: &About) {
        let m = self.moment;
        let mut subject = m.principal(about.subject);
        let role = about.target.role_id();
        subject.modified.push(("Role.ObjectID".into(), String::new(), role.to_string()));
        subject.modified.push(("Role.DisplayName".into(), String::new(), m.role(role).name));
        self.add(DIRECTORY, "RoleManagement", activity, operation, vec![subject, m.role(role)]);
    }

    fn failed(&mut self, reason: String) {
        if let Some(record) = self.list.last_mut() {
            record.succeeded = false;
            record.reason = reason;
        }
    }

    fn add(&mut self, service: &str, category: &str, activity: &str, operation: &str, targets: Vec<Thing>) {
        let m = self.moment;
        let place = Place { seq: m.meta.seq, k: u32::try_from(self.list.len()).unwrap_or(u32::MAX) };
        self.list.push(Record {
            id: id_of(service, m.envelope, place),
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

/// What became of a request.
#[derive(Clone, Copy)]
enum Decided {
    Approved,
    Denied,
    Canceled,
    Expired,
}

/// The activity of asking for more time: an extension updates, a renewal adds again.
fn more(ask: &Ask, sort: Sort, what: &str) -> String {
    let eligible = if sort == Sort::Eligibility { "eligible " } else { "" };
    match ask.action {
        Action::SelfRenew => format!("Add {eligible}member to role in PIM {what} (renew)"),
        _ => format!("Update {eligible}member in PIM {what} (extend)"),
    }
}

fn shown(text: Option<&Personal>) -> Option<String> {
    text.map(|text| text.shown().to_owned())
}

impl Moment<'_> {
    fn asked(&self, ask: &Ask, starts: Option<Time>, ends: Option<Time>) -> About {
        About {
            request: Some(ask.request.0),
            subject: ask.subject,
            target: ask.target,
            reason: ask.reason.clone(),
            ticket: ask.ticket.as_ref().map_or((None, None), |t| (t.number.clone(), t.system.clone())),
            starts,
            ends,
        }
    }

    fn ended(
        &self,
        schedule: Uuid,
        subject: PrincipalId,
        target: Target,
        (starts, ends): (Time, Option<Time>),
        ask: Option<&Ask>,
        why: Why,
    ) -> About {
        match ask {
            Some(ask) => self.asked(ask, Some(starts), ends),
            None => About {
                request: Some(schedule),
                subject,
                target,
                // Nobody gave a reason: the cause is the reason, in words, and about nobody.
                reason: Some(Personal::new(PrincipalId(Uuid::nil()), State::why_told(why))),
                ticket: (None, None),
                starts: Some(starts),
                ends,
            },
        }
    }

    /// What was asked, if the request is one for more time.
    fn more_asked(&self, id: RequestId) -> Option<(&Ask, Sort)> {
        let known = self.after.requests.get(&id).or_else(|| self.before.requests.get(&id))?;
        matches!(known.ask.action, Action::SelfExtend | Action::SelfRenew).then_some((&known.ask, known.sort))
    }

    fn request(&self, ask: Option<&Ask>, id: RequestId, starts: Option<Time>, ends: Option<Time>) -> Option<About> {
        let known = self.after.requests.get(&id).or_else(|| self.before.requests.get(&id));
        Some(self.asked(ask.or(known.map(|r| &r.ask))?, starts, ends))
    }

    fn initiator(&self, service: &str) -> Initiator {
        let Some(id) = self.meta.actor else {
            let name = if service == DIRECTORY { "MS-PIM" } else { "Azure AD PIM" };
            return Initiator::Service { name: name.to_owned() };
        };
        let found = self.after.principals.get(&id).or_else(|| self.before.principals.get(&id));
        match found.map(|p| (p, p.user())) {
            Some((p, None)) => Initiator::App { id: Some(id), name: p.name.shown().to_owned() },
            found => Initiator::User {
                id,
                name: found.map(|(p, _)| p.name.shown().to_owned()).unwrap_or_default(),
                upn: found.and_then(|(_, user)| user).map(|u| u.upn.shown().to_owned()).unwrap_or_default(),
                address: shown(self.envelope.actor.address.as_ref()),
            },
        }
    }

    fn role(&self, id: RoleId) -> Thing {
        let state = if self.after.roles.contains_key(&id) { self.after } else { self.before };
        thing(id.0, state.role_name(id), "Role")
    }

    fn unit(&self, id: UnitId) -> Thing {
        let state = if self.after.units.contains_key(&id) { self.after } else { self.before };
        thing(id.0, state.scope_name(Scope::Unit(id)), "AdministrativeUnit")
    }

    fn principal(&self, id: PrincipalId) -> Thing {
        let found = self.after.principals.get(&id).or_else(|| self.before.principals.get(&id));
        let Some(p) = found else { return thing(id.0, id.to_string(), "Other") };
        let sort = match (p.user(), p.group()) {
            (Some(_), _) => "User",
            (_, Some(_)) => "Group",
            _ => "ServicePrincipal",
        };
        let upn = p.user().map(|user| user.upn.shown().to_owned());
        Thing { upn, ..thing(id.0, p.name.shown().to_owned(), sort) }
    }

    fn object(&self, id: Uuid) -> Thing {
        let host = DeviceId(id);
        let found = self.after.hosts.get(&host).or_else(|| self.before.hosts.get(&host));
        found.map_or_else(|| self.principal(PrincipalId(id)), |h| thing(id, h.name.clone(), "Device"))
    }

    fn scope(&self, scope: Scope) -> Thing {
        match scope {
            Scope::Tenant => {
                let name = self.after.settings.as_ref().map(|s| s.name.clone()).unwrap_or_default();
                thing(self.after.tenant.0, name, "Directory")
            }
            Scope::Unit(id) => self.unit(id),
            Scope::Object(id) => self.object(id),
        }
    }

    /// Every id that the entry is about, its actor too.
    pub(super) fn about(&self) -> Vec<Uuid> {
        let mut ids: Vec<Uuid> = self.meta.actor.map(|id| id.0).into_iter().collect();
        // Whatever id the event names, it is about; ids have one spelling, so they are found by it.
        collect_ids(&self.envelope.event, &mut ids);
        let grants = match self.event {
            Event::AssignmentEnded { assignment, .. } => {
                self.before.assignments.get(assignment).map(|a| (a.principal, a.target))
            }
            Event::EligibilityEnded { eligibility, .. } => {
                self.before.eligibilities.get(eligibility).map(|e| (e.principal, e.target))
            }
            Event::ActivationBegan { request, .. }
            | Event::ActivationScheduled { request, .. }
            | Event::RequestApproved { request, .. }
            | Event::RequestDenied { request, .. }
            | Event::RequestCanceled { request, .. }
            | Event::RequestTimedOut { request }
            | Event::RequestFailed { request, .. } => {
                self.after.requests.get(request).map(|r| (r.ask.subject, r.ask.target))
            }
            _ => None,
        };
        if let Some((subject, target)) = grants {
            ids.extend([subject.0, target.role_id().0]);
        }
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// The requests that this entry closed, or changed after they were closed.
    pub(super) fn closed_requests(&self) -> Vec<Request> {
        let mut ids = Vec::new();
        collect_ids(&self.envelope.event, &mut ids);
        ids.sort_unstable();
        ids.dedup();
        let changed = ids.into_iter().filter_map(|id| {
            let after = self.after.requests.get(&RequestId(id))?;
            let before = self.before.requests.get(&RequestId(id));
            (!after.status.open() && before != Some(after)).then(|| Request::clone(after))
        });
        changed.collect()
    }
}

fn thing(id: Uuid, name: String, sort: &str) -> Thing {
    Thing { id: Some(id), name, sort: sort.to_owned(), upn: None, modified: Vec::new() }
}

fn collect_ids(value: &serde_json::Value, ids: &mut Vec<Uuid>) {
    match value {
        serde_json::Value::String(text) if text.len() == 36 => ids.extend(Uuid::try_parse(text)),
        serde_json::Value::Array(items) => items.iter().for_each(|item| collect_ids(item, ids)),
        serde_json::Value::Object(fields) => fields.values().for_each(|field| collect_ids(field, ids)),
        _ => {}
    }
}
