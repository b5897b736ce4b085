//! An entry with the state on both sides of it: names as they were then, and whom and what it is about.
//!
//! Always: whoever is gone after the entry is named as they were before it.

use super::modified::Modified;
use super::{DIRECTORY, Initiator, Moment, Thing, shown};
use writ_core::command::Place;
use writ_core::event::Event;
use writ_core::ids::{DeviceId, PrincipalId, RequestId, RoleId, UnitId, Uuid};
use writ_core::scope::Scope;
use writ_core::state::Request;

impl Moment<'_> {
    pub(super) fn initiator(&self, service: &str) -> Initiator {
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

    /// By the name that the lists of roles have, not by the one people know it by: records are searched for it.
    pub(super) fn role(&self, id: RoleId) -> Thing {
        let role = self.after.roles.get(&id).or_else(|| self.before.roles.get(&id));
        thing(id.0, role.map_or_else(|| id.to_string(), |role| role.name.clone()), "Role")
    }

    pub(super) fn unit(&self, id: UnitId) -> Thing {
        let state = if self.after.units.contains_key(&id) { self.after } else { self.before };
        thing(id.0, state.scope_name(Scope::Unit(id)), "AdministrativeUnit")
    }

    pub(super) fn principal(&self, id: PrincipalId) -> Thing {
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

    /// A principal, with what of it is other than before.
    pub(super) fn changed(&self, id: PrincipalId) -> Thing {
        Thing { modified: self.principal_modified(id), ..self.principal(id) }
    }

    /// An administrative unit, with what of it is other than before.
    pub(super) fn changed_unit(&self, id: UnitId) -> Thing {
        Thing { modified: self.unit_modified(id), ..self.unit(id) }
    }

    /// A role, with what of its definition is other than before.
    pub(super) fn changed_role(&self, id: RoleId) -> Thing {
        Thing { modified: self.role_modified(id), ..self.role(id) }
    }

    /// A host, with what of it is other than before.
    pub(super) fn changed_host(&self, id: DeviceId) -> Thing {
        Thing { modified: self.host_modified(id), ..self.object(id.0) }
    }

    /// The tenant, with these changes.
    pub(super) fn tenant(&self, modified: Vec<Modified>) -> Thing {
        Thing { modified, ..self.scope(Scope::Tenant) }
    }

    pub(super) fn object(&self, id: Uuid) -> Thing {
        let host = DeviceId(id);
        let found = self.after.hosts.get(&host).or_else(|| self.before.hosts.get(&host));
        found.map_or_else(|| self.principal(PrincipalId(id)), |h| thing(id, h.name.clone(), "Device"))
    }

    pub(super) fn scope(&self, scope: Scope) -> Thing {
        match scope {
            Scope::Tenant => {
                let name = self.after.settings.as_ref().map(|s| s.name.clone()).unwrap_or_default();
                thing(self.after.tenant.0, name, "Directory")
            }
            Scope::Unit(id) => self.unit(id),
            Scope::Object(id) => self.object(id),
        }
    }

    pub(super) fn place(&self, place: Place) -> Thing {
        match place {
            Place::Everywhere => self.scope(Scope::Tenant),
            Place::Unit(id) => self.unit(id),
            Place::Host(id) => self.object(id.0),
        }
    }

    /// Every id that the entry is about, its actor too.
    pub(in crate::history) fn about(&self) -> Vec<Uuid> {
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
    pub(in crate::history) fn closed_requests(&self) -> Vec<Request> {
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
