//! What gives and takes roles, as Entra's PIM records it: what was asked in PIM, the change in the directory, and that it is
//! complete.

use super::modified::{said, text, time};
use super::{DIRECTORY, Initiator, Moment, PIM, Records, Thing, WRIT, shown};
use writ_core::command::Sort;
use writ_core::event::{Action, Ask, Event, Why};
use writ_core::ids::{PrincipalId, RequestId, Uuid};
use writ_core::personal::Personal;
use writ_core::scope::{Scope, Target};
use writ_core::time::Time;

/// What a PIM record is about.
struct About {
    request: Option<Uuid>,
    subject: PrincipalId,
    target: Target,
    reason: Option<Personal>,
    ticket: (Option<Personal>, Option<Personal>),
    starts: Option<Time>,
    ends: Option<Time>,
    /// The window before, where it was changed.
    was: Option<(Time, Option<Time>)>,
    /// Whether it came about through a request, or because its time was up: then PIM acts in the directory.
    through_pim: bool,
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

fn lasting(ends: Option<Time>) -> &'static str {
    if ends.is_some() { "timebound" } else { "permanent" }
}

impl Records<'_> {
    /// The records of an event that gives or takes a role; those of any other event are made in `changes`.
    pub(super) fn grants(&mut self) {
        let m = self.moment;
        match m.event {
            Event::EligibilityGranted { ask, starts, ends } => self.given(Sort::Eligibility, ask, *starts, *ends),
            Event::AssignmentGranted { ask, starts, ends } => self.given(Sort::Assignment, ask, *starts, *ends),
            Event::EligibilityChanged { ask, eligibility, starts, ends } => {
                let was = m.before.eligibilities.get(eligibility).map(|e| (e.starts, e.ends));
                self.window_changed("eligible member", ask, &About { was, ..m.asked(ask, Some(*starts), *ends) });
            }
            Event::AssignmentChanged { ask, assignment, starts, ends } => {
                let was = m.before.assignments.get(assignment).map(|a| (a.starts, a.ends));
                self.window_changed("member", ask, &About { was, ..m.asked(ask, Some(*starts), *ends) });
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
                self.directory("Remove eligible member from role", false, &about);
                self.pim(format!("Remove eligible member from role in PIM completed ({t})"), "Delete", &about);
            }
            Event::AssignmentEnded { assignment, why, ask } => {
                let Some(a) = m.before.assignments.get(assignment) else { return };
                let about = m.ended(assignment.0, a.principal, a.target, (a.starts, a.ends), ask.as_ref(), *why);
                let t = lasting(a.ends);
                match (*why, a.activated()) {
                    (Why::TimeIsUp, true) => {
                        self.directory(removed(&about), false, &about);
                        self.pim("Remove member from role (PIM activation expired)".into(), "Delete", &about);
                        self.detail("AuditType", "RemoveActivatedRole");
                        self.detail("ActionType", "Revoke");
                        self.detail("RoleAssignmentRequestId", &assignment.to_string());
                    }
                    (Why::GivenUp, _) => {
                        self.pim("Remove member from role requested (PIM deactivate)".into(), "Delete", &about);
                        self.directory(removed(&about), false, &about);
                        self.pim("Remove member from role completed (PIM deactivate)".into(), "Delete", &about);
                    }
                    _ => {
                        if ask.is_some() {
                            self.pim(format!("Remove member from role in PIM requested ({t})"), "Delete", &about);
                        }
                        self.directory(removed(&about), false, &about);
                        self.pim(format!("Remove member from role in PIM completed ({t})"), "Delete", &about);
                    }
                }
            }
            // Entra has no word for it: there an activation keeps the end it began with.
            Event::ActivationShortened { assignment, ends } => {
                let Some(a) = m.before.assignments.get(assignment) else { return };
                let about = About {
                    request: Some(assignment.0),
                    subject: a.principal,
                    target: a.target,
                    reason: None,
                    ticket: (None, None),
                    starts: Some(a.starts),
                    ends: Some(*ends),
                    was: Some((a.starts, a.ends)),
                    through_pim: true,
                };
                self.role_change(WRIT, "Shorten activation".into(), "Update", &about);
            }
            Event::ApprovalAsked { ask, .. } => {
                let about = m.asked(ask, ask.start, None);
                self.pim("Add member to role requested (PIM activation)".into(), "ActivateRole", &about);
                self.pim("Add member to role approval requested (PIM activation)".into(), "ActivateRole", &about);
            }
            Event::AssignmentMade { assignment, principal, target } => {
                let about = m.ended(assignment.0, *principal, *target, (m.meta.at, None), None, Why::Removed);
                let about = About { reason: None, ..about };
                self.directory(added(&about), true, &about);
                self.pim("Add member to role outside of PIM (permanent)".into(), "Assign", &about);
            }
            Event::MoreAsked { ask, sort, .. } => {
                let about = m.asked(ask, ask.start, None);
                self.pim(more(ask, *sort, "requested"), "CreateRequest", &about);
            }
            // Entra has no such activity, and so no name for it.
            Event::ActivationExtended { ask, assignment, ends } => {
                let was = m.before.assignments.get(assignment).map(|a| (a.starts, a.ends));
                let about = About { was, ..m.asked(ask, was.map(|(starts, _)| starts), Some(*ends)) };
                self.role_change(WRIT, "Extend activation".into(), "Update", &about);
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
                self.directory(added(&about), true, &about);
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
                self.failed(why.told().to_owned());
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
                    was: None,
                    through_pim: true,
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
            Event::RulesChanged { role, changes } => {
                let target = Thing { modified: m.rules_modified(*role, changes), ..m.role(*role) };
                self.add(PIM, "RoleManagement", "Update role setting in PIM", "Update", vec![target]);
            }
            event => self.changes(event),
        }
    }

    /// An eligibility or a standing assignment was given.
    fn given(&mut self, sort: Sort, ask: &Ask, starts: Time, ends: Option<Time>) {
        let about = self.moment.asked(ask, Some(starts), ends);
        let t = lasting(ends);
        let permanent = if ends.is_none() { "Permanent" } else { "" };
        let (member, role, gained, operation) = match sort {
            Sort::Eligibility => {
                ("eligible member", "EligibleRole", "Add eligible member to role", "AssignEligibleRole".into())
            }
            Sort::Assignment => ("member", "GrantedRole", added(&about), format!("Assign{permanent}Role")),
        };
        // Of a renewal that its holder asked for, the asking is on record already.
        if ask.action != Action::SelfRenew {
            let asked = if ask.action == Action::AdminRenew { "renew" } else { t };
            let operation = format!("CreateRequest{permanent}{role}");
            self.pim(format!("Add {member} to role in PIM requested ({asked})"), &operation, &about);
        }
        self.directory(gained, true, &about);
        self.pim(format!("Add {member} to role in PIM completed ({t})"), &operation, &about);
    }

    /// When it begins or ends was changed.
    fn window_changed(&mut self, member: &str, ask: &Ask, about: &About) {
        if ask.action == Action::AdminExtend {
            self.pim(format!("Update {member} in PIM requested (extend)"), "Update", about);
        }
        self.pim(format!("Update {member} in PIM approved by admin (extend/renew)"), "Update", about);
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
        self.role_change(PIM, activity, operation, about);
    }

    fn role_change(&mut self, service: &str, activity: String, operation: &str, about: &About) {
        let m = self.moment;
        let role = about.target.role_id();
        let mut target = m.role(role);
        let origin = if m.after.roles.get(&role).is_some_and(|r| !r.built_in) { "CustomRole" } else { "BuiltInRole" };
        for (name, value) in [
            ("RoleDefinitionOriginId", role.to_string()),
            ("RoleDefinitionOriginType", origin.to_owned()),
            ("TemplateId", role.to_string()),
        ] {
            // PIM writes an empty text where the directory writes nothing.
            target.modified.push(said(name, text(""), text(&value)));
        }
        let request = Thing {
            id: about.request,
            name: about.request.map(|id| id.to_string()).unwrap_or_default(),
            sort: "Request".into(),
            upn: None,
            modified: Vec::new(),
        };
        let mut subject = m.principal(about.subject);
        if let Some((starts, ends)) = about.was {
            for (name, old, new) in [("StartTime", Some(starts), about.starts), ("ExpirationTime", ends, about.ends)] {
                if old != new {
                    subject.modified.push(said(name, time(old), time(new)));
                }
            }
        }
        let things = vec![target, request, subject, m.scope(about.target.scope())];
        self.add(service, "RoleManagement", &activity, operation, things);
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
        let (oid, address) = match &record.initiator {
            Initiator::User { id, address, .. } => (Some(id.to_string()), address.clone()),
            other => (other.principal().map(|id| id.to_string()), None),
        };
        let mut detail = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                record.details.push((name.to_owned(), value));
            }
        };
        detail("oid", oid);
        detail("tid", Some(m.after.tenant.to_string()));
        detail("ipaddr", address);
    }

    /// The directory's own record. Through PIM it is PIM that acts there, and PIM's record says for whom: so alarms on
    /// roles given outside of PIM stay silent.
    fn directory(&mut self, activity: &str, got: bool, about: &About) {
        let m = self.moment;
        let role = about.target.role_id();
        let subject = Thing { modified: m.role_linked(role, got), ..m.principal(about.subject) };
        let mut things = vec![subject, m.role(role)];
        if about.target.scope() != Scope::Tenant {
            things.push(m.scope(about.target.scope()));
        }
        self.add(DIRECTORY, "RoleManagement", activity, if got { "Assign" } else { "Unassign" }, things);
        if let Some(record) = self.list.last_mut().filter(|_| about.through_pim) {
            record.initiator = Initiator::Service { name: "MS-PIM".to_owned() };
        }
    }
}

/// The directory's word for getting a role, which is another one in a unit.
fn added(about: &About) -> &'static str {
    if matches!(about.target.scope(), Scope::Unit(_)) { "Add scoped member to role" } else { "Add member to role" }
}

fn removed(about: &About) -> &'static str {
    if matches!(about.target.scope(), Scope::Unit(_)) {
        "Remove scoped member from role"
    } else {
        "Remove member from role"
    }
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
            was: None,
            through_pim: true,
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
                reason: Some(Personal::new(PrincipalId(Uuid::nil()), why.told())),
                ticket: (None, None),
                starts: Some(starts),
                ends,
                was: None,
                through_pim: matches!(why, Why::TimeIsUp | Why::GivenUp),
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
}
