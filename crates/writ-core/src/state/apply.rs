//! Folding events into the state: which event does what, one line each. How it is done is in `apply/`, by subject.
//! It never judges and never fails: it believes every event.
//!
//! Always: every kind has its line; an event about what is not there changes nothing.

use super::*;
use crate::event::Event;

mod directory;
mod given;
mod hosts;
mod proofs;
mod requests;
mod roles;

/// What the envelope says about an event, as far as the state cares.
#[derive(Clone, Copy, Debug)]
pub struct Meta {
    /// The entry's number.
    pub seq: Seq,
    /// When it happened.
    pub at: Time,
    /// Who did it; `None` for time, a host or the console.
    pub actor: Option<PrincipalId>,
}

impl State {
    /// Folds one event in. Believes it.
    #[rustfmt::skip]
    pub fn apply(&mut self, meta: &Meta, event: &Event) {
        use Event as E;
        debug_assert!(meta.seq == self.seq + 1, "entries are applied in order");
        self.seq = meta.seq;
        self.at = meta.at;
        match event {
            E::TenantFounded { tenant, name, rules, span_min } => self.founded(*tenant, name, *rules, *span_min),
            E::SettingsChanged { name, span_min, age_min } => self.settings_changed(name.as_deref(), *span_min, *age_min),
            E::UserCreated { user, person, name, upn, emergency } => self.user_created(*user, *person, name, upn, *emergency),
            E::UserChanged { user, name, upn, person } => self.user_changed(*user, name.as_ref(), upn.as_ref(), *person),
            E::PrincipalDisabled { principal } => self.with_principal(*principal, |p| p.enabled = false),
            E::PrincipalEnabled { principal } => self.with_principal(*principal, |p| p.enabled = true),
            E::PrincipalDeleted { principal } => self.forget_principal(*principal),
            E::GroupCreated { group, name, description, role_assignable, owners, members } => self.group_created(*group, name, description, *role_assignable, owners, members),
            E::GroupChanged { group, name, description } => self.group_changed(*group, name.as_ref(), description.as_deref()),
            E::ServiceCreated { service, name, app } => self.service_created(*service, name, *app),
            E::MemberAdded { group, member } => self.join_group(*group, *member),
            E::MemberRemoved { group, member } => self.leave_group(*group, *member),
            E::OwnerAdded { group, owner } => self.with_group(*group, |g| { g.owners.insert(*owner); }),
            E::OwnerRemoved { group, owner } => self.with_group(*group, |g| { g.owners.remove(owner); }),
            E::UnitCreated { unit, name, description } => self.unit_created(*unit, name, description),
            E::UnitChanged { unit, name, description } => self.unit_changed(*unit, name.as_deref(), description.as_deref()),
            E::UnitDeleted { unit } => self.unit_deleted(*unit),
            E::UnitJoined { unit, object } => self.join_unit(*unit, *object),
            E::UnitLeft { unit, object } => self.leave_unit(*unit, *object),
            E::RoleDefined { role, rules } => self.role_defined(role, *rules),
            E::RoleChanged { role } => self.put_role(role.clone()),
            E::RoleDeleted { role } => self.role_deleted(*role),
            E::RulesChanged { role, changes } => self.rules_changed(*role, changes, meta.actor),
            E::EligibilityGranted { ask, starts, ends } => self.eligibility_granted(ask, *starts, *ends),
            E::EligibilityChanged { ask, eligibility, starts, ends } => self.eligibility_changed(ask, *eligibility, *starts, *ends),
            E::EligibilityClosed { ask, eligibility, when } => self.eligibility_closed(ask, *eligibility, *when),
            E::EligibilityEnded { eligibility, why, ask } => self.eligibility_ended(*eligibility, *why, ask.as_ref()),
            E::AssignmentGranted { ask, starts, ends } => self.assignment_granted(ask, *starts, *ends),
            E::AssignmentMade { assignment, principal, target } => self.assignment_made(*assignment, *principal, *target, meta.actor),
            E::AssignmentChanged { ask, assignment, starts, ends } => self.assignment_changed(ask, *assignment, *starts, *ends),
            E::ActivationShortened { assignment, ends } => self.end_moved(*assignment, *ends),
            E::ActivationExtended { ask, assignment, ends } => self.activation_extended(ask, *assignment, *ends),
            E::AssignmentEnded { assignment, why, ask } => self.assignment_ended(*assignment, *why, ask.as_ref()),
            E::ApprovalAsked { ask, stages, until } => self.waits(ask, Sort::Assignment, None, stages, *until),
            E::MoreAsked { ask, sort, of, stages, until } => self.waits(ask, *sort, *of, stages, *until),
            E::ActivationScheduled { ask, request, starts } => self.activation_scheduled(ask.as_ref(), *request, *starts),
            E::ActivationBegan { ask, request, ends } => self.activation_began(ask.as_ref(), *request, *ends),
            E::RequestApproved { request, stage, by, reason } => self.decided(*request, *stage, true, *by, reason.as_ref()),
            E::RequestDenied { request, stage, by, reason } => self.decided(*request, *stage, false, *by, reason.as_ref()),
            E::RequestCanceled { request, why: _ } => self.request_closed(*request, Status::Canceled),
            E::RequestTimedOut { request } => self.request_closed(*request, Status::TimedOut),
            E::RequestFailed { request, why: _ } => self.request_closed(*request, Status::Failed),
            E::RequestsForgotten { before } => self.requests_forgotten(*before),
            E::AskRefused { by, .. } => self.ask_refused(*by),
            E::SignInNoted { principal, outcome, .. } => self.sign_in_noted(*principal, *outcome),
            E::CodeIssued { principal, code, expires } => self.code_issued(*principal, *code, *expires),
            E::CredentialBound { principal, credential, method, version, code } => self.credential_bound(*principal, *credential, *method, *version, *code),
            E::CredentialRemoved { credential, .. } => { self.credentials.remove(credential); }
            E::EmergencyMinted { user, credential } => self.emergency_minted(*user, *credential),
            E::HostCodeIssued { code, unit, expires } => self.host_code_issued(*code, *unit, *expires),
            E::HostEnrolled { host, name, key, code, unit } => self.host_enrolled(*host, name, key, *code, *unit),
            E::HostRemoved { host } => self.host_removed(*host),
            E::HostReported { host, accounts, drift } => self.host_reported(*host, accounts, drift),
            E::AccountMapped { person, place, account } => self.account_mapped(*person, *place, account.as_ref()),
            E::AccountRuleSet { place, rule } => self.account_rule_set(*place, rule.as_deref()),
            E::GrantIntended { grants } => self.grants_intended(grants),
            E::GrantsReported { results } => self.grants_reported(results),
            E::EpochRaised { epoch } => self.epoch = *epoch,
            E::Erased { principal } => self.erase(*principal),
            E::ApprovalUnsatisfiable { roles } => self.unsatisfiable = roles.iter().copied().collect(),
            // On record, and nothing that a decision rests on.
            E::SessionsEnded { .. } | E::ClockRecovered { .. } => {}
        }
    }
}
