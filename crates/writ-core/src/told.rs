//! The log in sentences: what happened, for people.
//! It never leaves a GUID where a name is known, and never decides anything.
//!
//! Always: one event, one sentence; erased texts are shown as erased.

use crate::command::{Effect, Method, SignIn, Sort, Wrong};
use crate::event::{Action, Ask, Event, Source, Why};
use crate::ids::*;
use crate::personal::Personal;
use crate::scope::{Scope, Target};
use crate::state::{Meta, State};
use crate::time::Time;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// Tells one event. `before` and `after` are the states on both sides of it; `when` writes a time for the reader.
pub fn told(before: &State, after: &State, meta: &Meta, event: &Event, when: &dyn Fn(Time) -> String) -> String {
    let t = Teller { before, after, when };
    let who = meta.actor.map(|id| t.name(id));
    let by = who.as_deref().unwrap_or("Writ");
    match event {
        Event::TenantFounded { name, .. } => format!("{name} was founded"),
        Event::SettingsChanged { .. } => format!("{by} changed the tenant's settings"),
        Event::UserCreated { user, emergency: true, .. } => format!("{by} created emergency account {}", t.name(*user)),
        Event::UserCreated { user, .. } => format!("{by} created user {}", t.name(*user)),
        Event::UserChanged { user, .. } => format!("{by} changed user {}", t.name(*user)),
        Event::PrincipalDisabled { principal } => format!("{by} disabled {}", t.name(*principal)),
        Event::PrincipalEnabled { principal } => format!("{by} enabled {}", t.name(*principal)),
        Event::PrincipalDeleted { principal } => format!("{by} deleted {}", t.name(*principal)),
        Event::GroupCreated { group, .. } => format!("{by} created group {}", t.name(*group)),
        Event::GroupChanged { group, .. } => format!("{by} changed group {}", t.name(*group)),
        Event::ServiceCreated { service, .. } => format!("{by} created program {}", t.name(*service)),
        Event::MemberAdded { group, member } => format!("{by} added {} to {}", t.name(*member), t.name(*group)),
        Event::MemberRemoved { group, member } => format!("{by} took {} out of {}", t.name(*member), t.name(*group)),
        Event::OwnerAdded { group, owner } => format!("{by} made {} an owner of {}", t.name(*owner), t.name(*group)),
        Event::OwnerRemoved { group, owner } => {
            format!("{by} ended {}'s ownership of {}", t.name(*owner), t.name(*group))
        }
        Event::UnitCreated { name, .. } => format!("{by} created administrative unit {name}"),
        Event::UnitChanged { unit, .. } => format!("{by} changed administrative unit {}", t.unit(*unit)),
        Event::UnitDeleted { unit } => format!("{by} deleted administrative unit {}", t.unit(*unit)),
        Event::UnitJoined { unit, object } => format!("{by} put {} into {}", t.object(*object), t.unit(*unit)),
        Event::UnitLeft { unit, object } => format!("{by} took {} out of {}", t.object(*object), t.unit(*unit)),
        Event::RoleDefined { role, .. } => format!("{by} defined role {}", role.told()),
        Event::RoleChanged { role } => format!("{by} changed role {}", role.told()),
        Event::RoleDeleted { role } => format!("{by} deleted role {}", t.role(*role)),
        Event::RulesChanged { role, changes } => {
            format!("{by} changed {} of {}", count(changes.len(), "rule"), t.role(*role))
        }
        Event::EligibilityGranted { ask, starts, ends } => {
            let again = if renews(ask.action) { " again" } else { "" };
            format!(
                "{by} made {} eligible{again} for {}{}{}",
                t.name(ask.subject),
                t.target(ask.target),
                t.span(*starts, *ends, meta.at),
                t.why(ask)
            )
        }
        Event::EligibilityChanged { ask, ends, .. } if prolongs(ask.action) => {
            t.prolonged("eligibility for", ask, *ends)
        }
        Event::AssignmentChanged { ask, ends, .. } if prolongs(ask.action) => t.prolonged("assignment of", ask, *ends),
        Event::EligibilityChanged { ask, starts, ends, .. } => {
            format!(
                "{by} changed {}'s eligibility for {}{}{}",
                t.name(ask.subject),
                t.target(ask.target),
                t.span(*starts, *ends, meta.at),
                t.why(ask)
            )
        }
        Event::EligibilityClosed { ask, .. } => format!(
            "{by} removes {}'s eligibility for {} when running activations end{}",
            t.name(ask.subject),
            t.target(ask.target),
            t.why(ask)
        ),
        Event::EligibilityEnded { eligibility, why, ask } => match before.eligibilities.get(eligibility) {
            Some(e) => {
                let why = ask.as_ref().map_or_else(|| format!(": {}", why.told()), |a| t.why(a));
                let what = format!("{}'s eligibility for {}", t.name(e.principal), t.target(e.target));
                if ask.is_some() { format!("{by} removed {what}{why}") } else { format!("{what} ended{why}") }
            }
            None => "an eligibility ended".to_string(),
        },
        Event::AssignmentGranted { ask, starts, ends } => {
            let again = if renews(ask.action) { " again" } else { "" };
            format!(
                "{by} assigned {} to {}{again}{}{}",
                t.target(ask.target),
                t.name(ask.subject),
                t.span(*starts, *ends, meta.at),
                t.why(ask)
            )
        }
        Event::AssignmentChanged { ask, starts, ends, .. } => {
            format!(
                "{by} changed {}'s assignment of {}{}{}",
                t.name(ask.subject),
                t.target(ask.target),
                t.span(*starts, *ends, meta.at),
                t.why(ask)
            )
        }
        Event::AssignmentMade { principal, target, .. } => {
            format!("{by} assigned {} to {}, without a request", t.target(*target), t.name(*principal))
        }
        Event::ActivationExtended { ask, ends, .. } => {
            format!("{} of {} was extended to {}{}", t.target(ask.target), t.name(ask.subject), when(*ends), t.why(ask))
        }
        Event::ActivationShortened { assignment, ends } => match before.assignments.get(assignment) {
            Some(a) => format!("{} of {} was cut short to {}", t.target(a.target), t.name(a.principal), when(*ends)),
            None => "an activation was cut short".to_string(),
        },
        Event::AssignmentEnded { assignment, why, ask } => match before.assignments.get(assignment) {
            Some(a) => match ask {
                Some(ask) if ask.action == Action::SelfDeactivate => {
                    format!("{} gave {} back{}", t.name(a.principal), t.target(a.target), t.why(ask))
                }
                Some(ask) => format!("{by} took {} from {}{}", t.target(a.target), t.name(a.principal), t.why(ask)),
                None if *why == Why::Removed && who.is_some() => {
                    format!("{by} took {} from {}, without a request", t.target(a.target), t.name(a.principal))
                }
                None => format!("{} ended for {}: {}", t.target(a.target), t.name(a.principal), why.told()),
            },
            None => "an assignment ended".to_string(),
        },
        Event::ApprovalAsked { ask, .. } => {
            format!("{} asked for {}{}{}", t.name(ask.subject), t.target(ask.target), t.asked(ask), t.why(ask))
        }
        Event::MoreAsked { ask, sort, .. } => {
            let more = match (ask.action, ask.eligibility, sort) {
                (Action::SelfRenew, _, Sort::Eligibility) => "to be eligible again for",
                (Action::SelfRenew, ..) => "to be assigned again to",
                (_, Some(_), _) => "for more time with",
                (_, None, Sort::Eligibility) => "to stay eligible for",
                (_, None, Sort::Assignment) => "to stay assigned to",
            };
            format!("{} asked {more} {}{}{}", t.name(ask.subject), t.target(ask.target), t.asked(ask), t.why(ask))
        }
        Event::ActivationScheduled { ask, request, starts } => {
            let (who, what, why) = t.request(ask.as_ref(), *request);
            format!("{who} will have {what} from {}{why}", when(*starts))
        }
        Event::ActivationBegan { ask, request, ends } => {
            let (who, what, why) = t.request(ask.as_ref(), *request);
            format!("{who} activated {what} until {}{why}", when(*ends))
        }
        Event::RequestApproved { request, by, reason, .. } => {
            let (who, what, _) = t.request(None, *request);
            format!("{} approved {who}'s request for {what}{}", t.name(*by), quoted(reason.as_ref()))
        }
        Event::RequestDenied { request, by, reason, .. } => {
            let (who, what, _) = t.request(None, *request);
            format!("{} denied {who}'s request for {what}{}", t.name(*by), quoted(reason.as_ref()))
        }
        Event::RequestCanceled { request, why } => {
            let (who, what, _) = t.request(None, *request);
            match why {
                Some(why) => format!("{who}'s request for {what} was cancelled: {}", why.told()),
                None => format!("{by} cancelled {who}'s request for {what}"),
            }
        }
        Event::RequestTimedOut { request } => {
            let (who, what, _) = t.request(None, *request);
            format!("{who}'s request for {what} timed out: nobody decided it")
        }
        Event::RequestFailed { request, why } => {
            let (who, what, _) = t.request(None, *request);
            format!("{who}'s request for {what} could not be carried out: {}", why.told())
        }
        Event::RequestsForgotten { before } => {
            format!("requests that ended before {} left the live state", when(*before))
        }
        Event::AskRefused { action, subject, target, broken, .. } => {
            let verb = match action {
                Action::SelfActivate => format!("{by} was refused {}", t.target(*target)),
                Action::SelfExtend => format!("{by} was refused more time with {}", t.target(*target)),
                Action::SelfRenew => format!("{by} was refused {} again", t.target(*target)),
                _ => format!("{by} was refused a change of {} for {}", t.target(*target), t.name(*subject)),
            };
            let words: Vec<&str> = broken.iter().map(|rule| rule_word(rule)).collect();
            format!("{verb}: {}", words.join(", "))
        }
        Event::SignInNoted { principal, outcome, wrong, methods, count, from, .. } => {
            let who = principal.map_or_else(|| "somebody unknown".to_string(), |p| t.name(p));
            let how: Vec<&str> = methods.iter().map(|m| method(*m)).collect();
            let how = if how.is_empty() { String::new() } else { format!(" with {}", how.join(" and ")) };
            let times = if *count > 1 { format!(" ({count} times)") } else { String::new() };
            match outcome {
                SignIn::Succeeded if principal.is_some_and(|p| t.is_emergency(p)) => {
                    format!("the emergency account {who} was used: signed in{how}")
                }
                SignIn::Succeeded => format!("{who} signed in{how}{times}"),
                SignIn::Failed => {
                    let wrong = wrong.map_or(String::new(), |w| format!(": {}", wrong_word(w)));
                    format!("a sign-in as {who} failed{how}{}{times}{wrong}", came_from(from, *count))
                }
                SignIn::Throttled => format!("sign-ins as {who} were made to wait{}{times}", came_from(from, *count)),
                SignIn::SteppedUp => format!("{who} proved a second factor{how}{times}"),
                SignIn::SignedOut => format!("{who} signed out"),
                SignIn::RefreshReused => format!("a used refresh token of {who} came back; its session was ended"),
                SignIn::CodeReused => {
                    format!("a used authorization code of {who} came back; the session it had begun was ended")
                }
            }
        }
        Event::CodeIssued { principal, .. } => format!("{by} issued a sign-in code for {}", t.name(*principal)),
        Event::CredentialBound { principal, method: m, .. } => format!("{} set up {}", t.name(*principal), method(*m)),
        Event::SessionsEnded { principal } => format!("{by} ended the sign-in sessions of {}", t.name(*principal)),
        Event::CredentialRemoved { principal, .. } => format!("{by} removed a credential of {}", t.name(*principal)),
        Event::EmergencyMinted { user, .. } => {
            format!("a new emergency secret was minted for {} at the server's console", t.name(*user))
        }
        Event::HostCodeIssued { .. } => format!("{by} issued a code to enrol a host"),
        Event::HostEnrolled { name, .. } => format!("host {name} was enrolled"),
        Event::HostRemoved { host } => format!("{by} removed host {}", t.host(*host)),
        Event::HostReported { host, accounts, drift } => match drift.len() {
            0 => format!("{} reported {}", t.host(*host), count(accounts.len(), "account")),
            n => format!("{} reported {} that Writ did not make", t.host(*host), count(n, "right")),
        },
        Event::AccountMapped { person, account, .. } => {
            let who = after
                .persons
                .get(person)
                .and_then(|p| p.get_min().copied())
                .map_or_else(|| "a person".to_string(), |p| t.name(p));
            match account {
                Some(a) => format!("{by} mapped {who} to local account {}", a.shown()),
                None => format!("{by} took back {who}'s local account mapping"),
            }
        }
        Event::AccountRuleSet { rule: Some(rule), .. } => format!("{by} named local accounts {rule}"),
        Event::AccountRuleSet { rule: None, .. } => format!("{by} took a rule for local accounts back"),
        Event::GrantIntended { grants } => {
            let hosts: Vec<String> = grants.iter().take(5).map(|g| t.host(g.host)).collect();
            let who = grants.first().map_or_else(String::new, |g| t.name(g.principal));
            format!("{} ordered for {who} on {}", count(grants.len(), "right"), hosts.join(", "))
        }
        Event::GrantsReported { results } => {
            let list: Vec<String> = results
                .iter()
                .take(5)
                .map(|r| {
                    let what = match &r.result {
                        Effect::Intended => "is ordered".to_string(),
                        Effect::Effective => "is effective".to_string(),
                        Effect::Refused(why) => format!("was not given: {}", why.shown()),
                        Effect::Gone => "is gone, its sessions too".to_string(),
                    };
                    format!("{}'s right on {} {what}", t.name(r.principal), t.host(r.host))
                })
                .collect();
            list.join("; ")
        }
        Event::EpochRaised { epoch } => format!("the epoch of orders was raised to {epoch}"),
        Event::Erased { principal } if after.hosts.contains_key(&DeviceId(principal.0)) => {
            format!("{by} erased what {} had reported about accounts", t.host(DeviceId(principal.0)))
        }
        Event::Erased { principal } => format!("{by} erased the personal data of {principal}"),
        Event::ClockRecovered { .. } => "the clock was declared right at the server's console".to_string(),
        Event::ApprovalUnsatisfiable { roles } if roles.is_empty() => {
            "every privileged role can be approved again".to_string()
        }
        Event::ApprovalUnsatisfiable { roles } => {
            let names: Vec<String> = roles.iter().map(|r| t.role(*r)).collect();
            format!("fewer than two people could approve {}", names.join(", "))
        }
    }
}

struct Teller<'a> {
    before: &'a State,
    after: &'a State,
    when: &'a dyn Fn(Time) -> String,
}

impl Teller<'_> {
    fn is_emergency(&self, id: PrincipalId) -> bool {
        self.after.principals.get(&id).is_some_and(|p| p.emergency())
    }
    fn name(&self, id: PrincipalId) -> String {
        if self.after.principals.contains_key(&id) { self.after.name_of(id) } else { self.before.name_of(id) }
    }
    fn role(&self, id: RoleId) -> String {
        if self.after.roles.contains_key(&id) { self.after.role_name(id) } else { self.before.role_name(id) }
    }
    fn unit(&self, id: UnitId) -> String {
        let state = if self.after.units.contains_key(&id) { self.after } else { self.before };
        state.scope_name(Scope::Unit(id))
    }
    fn host(&self, id: DeviceId) -> String {
        let find = |s: &State| s.hosts.get(&id).map(|h| h.name.clone());
        find(self.after).or_else(|| find(self.before)).unwrap_or_else(|| id.to_string())
    }
    fn object(&self, id: Uuid) -> String {
        if self.after.hosts.contains_key(&DeviceId(id)) { self.host(DeviceId(id)) } else { self.name(PrincipalId(id)) }
    }
    fn target(&self, target: Target) -> String {
        let role = self.role(target.role_id());
        match target.scope() {
            Scope::Tenant => role,
            Scope::Unit(id) => format!("{role} on {}", self.unit(id)),
            Scope::Object(id) => format!("{role} on {}", self.object(id)),
        }
    }
    fn span(&self, starts: Time, ends: Option<Time>, at: Time) -> String {
        let from = if starts > at { format!(" from {}", (self.when)(starts)) } else { String::new() };
        let to = ends.map_or(String::new(), |t| format!(" until {}", (self.when)(t)));
        format!("{from}{to}")
    }
    fn prolonged(&self, what: &str, ask: &Ask, ends: Option<Time>) -> String {
        let until = ends.map_or("lasts without an end".to_string(), |t| format!("was extended to {}", (self.when)(t)));
        format!("{}'s {what} {} {until}{}", self.name(ask.subject), self.target(ask.target), self.why(ask))
    }
    fn asked(&self, ask: &Ask) -> String {
        use crate::command::Expiration;
        match ask.expiration {
            Expiration::For(span) => format!(" for {}", span.told()),
            Expiration::At(end) => format!(" until {}", (self.when)(end)),
            _ => String::new(),
        }
    }
    fn why(&self, ask: &Ask) -> String {
        let ticket =
            ask.ticket.as_ref().and_then(|t| t.number.as_ref()).map_or(String::new(), |n| format!(" ({})", n.shown()));
        format!("{}{ticket}", quoted(ask.reason.as_ref()))
    }
    fn request(&self, ask: Option<&Ask>, id: RequestId) -> (String, String, String) {
        let kept = self.after.requests.get(&id).or_else(|| self.before.requests.get(&id));
        match ask.or(kept.map(|r| &r.ask)) {
            Some(ask) => (self.name(ask.subject), self.target(ask.target), self.why(ask)),
            None => ("somebody".to_string(), "a role".to_string(), String::new()),
        }
    }
}

/// Whether an administrator's change gave more time.
fn prolongs(action: Action) -> bool {
    matches!(action, Action::AdminExtend | Action::SelfExtend)
}

/// Whether something was given again after it had run out.
fn renews(action: Action) -> bool {
    matches!(action, Action::AdminRenew | Action::SelfRenew)
}

fn quoted(text: Option<&Personal>) -> String {
    text.map_or(String::new(), |t| format!(": \u{201c}{}\u{201d}", t.shown()))
}

fn count(n: usize, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

/// What people call a rule that was not met.
fn rule_word(rule: &str) -> &str {
    match rule {
        "ExpirationRule" => "duration",
        "JustificationRule" => "reason",
        "TicketingRule" => "ticket",
        "MfaRule" => "MFA",
        "AcrsRule" => "sign-in",
        "EligibilityRule" => "not eligible",
        "Authorization_RequestDenied" => "not allowed",
        "Climb" => "their own role",
        "ClockInDoubt" => "the clock is in doubt",
        "LastWayIn" => "the last way in",
        "ActiveDurationTooShort" => "too soon",
        other => other,
    }
}

/// ` from 192.0.2.7 and 192.0.2.8`, and how many more there were.
fn came_from(from: &[Source], count: u32) -> String {
    if from.is_empty() {
        return String::new();
    }
    let named: Vec<&str> = from.iter().map(|one| one.address.shown()).collect();
    let known: u32 = from.iter().fold(0, |sum, one| sum.saturating_add(one.count));
    let more = if known < count { " and elsewhere" } else { "" };
    format!(" from {}{more}", named.join(", "))
}

fn wrong_word(wrong: Wrong) -> &'static str {
    match wrong {
        Wrong::Name => "nobody has this name",
        Wrong::Password => "wrong password",
        Wrong::Code => "wrong one-time code",
        Wrong::Secret => "wrong emergency secret",
        Wrong::Disabled => "the account is disabled",
    }
}

fn method(m: Method) -> &'static str {
    match m {
        Method::Password => "a password",
        Method::Totp => "a one-time code",
        Method::EmergencySecret => "an emergency secret",
        Method::Code => "an enrolment code",
    }
}
