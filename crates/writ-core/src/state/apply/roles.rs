//! The tenant's settings, roles and their rules.

use super::*;
use crate::rules::RuleChange;

impl State {
    pub(super) fn founded(&mut self, tenant: TenantId, name: &str, rules: RuleChoice, span_min: Span) {
        self.tenant = tenant;
        self.settings = Some(Settings { name: name.into(), rules, span_min, age_min: Span::ZERO });
        for role in crate::role::built_in() {
            self.rules.insert(role.id, Arc::new(Rules::default_for(&role, rules)));
            self.roles.insert(role.id, role);
        }
    }

    pub(super) fn settings_changed(&mut self, name: Option<&str>, span_min: Option<Span>, age_min: Option<Span>) {
        let Some(settings) = &mut self.settings else { return };
        if let Some(name) = name {
            settings.name = name.into();
        }
        settings.span_min = span_min.unwrap_or(settings.span_min);
        settings.age_min = age_min.unwrap_or(settings.age_min);
    }

    pub(super) fn role_defined(&mut self, role: &Role, rules: RuleChoice) {
        self.put_role(role.clone());
        if let Some(role) = self.roles.get(&role.id) {
            self.rules.insert(role.id, Arc::new(Rules::default_for(role, rules)));
        }
    }

    pub(super) fn role_deleted(&mut self, role: RoleId) {
        self.roles.remove(&role);
        self.rules.remove(&role);
        self.forget_expired(|(_, _, target), _| target.role_id() == role);
        self.unsatisfiable.remove(&role);
    }

    pub(super) fn rules_changed(&mut self, role: RoleId, changes: &[RuleChange], by: Option<PrincipalId>) {
        let Some(rules) = self.rules.get(&role) else { return };
        let mut rules = Rules::clone(rules);
        for change in changes {
            rules.change(change);
        }
        rules.changed = by.map(|by| (self.at, by));
        self.rules.insert(role, Arc::new(rules));
    }
}
