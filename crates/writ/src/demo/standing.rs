//! What stands when a demo goes on with kept data, and whether the story would still be true if it were told again.
//! It changes nothing.
//!
//! Always: whatever would make a line of the story untrue is named, before the story begins.

use super::kept::Made;
use super::organisation::has_the_rules_of_the_story;
use crate::engine::Engine;
use crate::when::Reader;
use writ_core::holds;
use writ_core::role::Duty;
use writ_core::state::State;
use writ_core::time::Time;

/// What the log of an earlier demo comes to, in lines.
pub(super) fn told(made: &Made, engine: &Engine, reader: &Reader) -> Vec<String> {
    let (state, now) = (engine.state(), engine.now());
    let mut lines = vec![format!("Northwind as it was left: begun {}, {} entries.", reader.moment(made.at), state.seq)];
    let open = state.open.iter().filter_map(|(who, id)| Some((who, state.requests.get(id)?)));
    for (who, request) in open {
        let role = role_named(&state, request.ask.target.role_id());
        lines.push(format!("  {} waits for {role}, asked {}", named(&state, *who), reader.ago(request.made)));
    }
    for assignment in state.assignments.values().filter(|a| a.activated() && a.in_window(now)) {
        let role = role_named(&state, assignment.target.role_id());
        let until = assignment.ends.map(|ends| format!(" until {}", reader.moment(ends))).unwrap_or_default();
        lines.push(format!("  {} holds {role}{until}", named(&state, assignment.principal)));
    }
    lines
}

/// Why the story cannot be told again; none when it can.
pub(super) fn in_the_way(made: &Made, engine: &Engine) -> Option<String> {
    if let Some(doubt) = engine.clock().health().doubt() {
        return Some(format!("the clock is in doubt ({doubt})"));
    }
    against(made, &engine.state(), engine.now())
}

fn against(made: &Made, state: &State, now: Time) -> Option<String> {
    let northwind = &made.northwind;
    let [ana, ben, ..] = northwind.people[..] else { return Some("its people are missing".into()) };
    for who in [ana, ben] {
        if !holds::enabled(state, who) {
            return Some(format!("{} is not enabled", named(state, who)));
        }
    }
    let duties = holds::duties(state, made.administrator, now);
    if !duties.has(Duty::ManageHosts) || !duties.has(Duty::ManageRoles) {
        return Some("Dana Weiss administers it no longer".into());
    }
    let role = northwind.role;
    if !state.rules.get(&role).is_some_and(|rules| has_the_rules_of_the_story(rules, northwind.security)) {
        return Some("the rules of its role were changed".into());
    }
    if !holds::eligible(state, ana, now).any(|e| e.principal == ana && e.target.role_id() == role) {
        return Some("Ana Silva is no longer eligible".into());
    }
    if !state.groups_of.get(&ben).is_some_and(|groups| groups.contains(&northwind.security)) {
        return Some("Ben Okafor left the team that approves".into());
    }
    if state.open.iter().any(|(who, _)| *who == ana) {
        return Some("Ana Silva waits for something already; writ cancel takes it back".into());
    }
    if holds::held(state, ana, now).any(|held| held.target.role_id() == role) {
        return Some("Ana Silva holds the role; writ deactivate gives it back".into());
    }
    if !state.hosts.is_empty() {
        return Some("hosts of its own are enrolled".into());
    }
    None
}

fn named(state: &State, who: writ_core::ids::PrincipalId) -> String {
    state.principals.get(&who).map_or_else(|| who.to_string(), |p| p.name.shown().to_owned())
}

fn role_named(state: &State, role: writ_core::ids::RoleId) -> String {
    state.roles.get(&role).map_or_else(|| role.to_string(), |r| r.told().to_owned())
}
