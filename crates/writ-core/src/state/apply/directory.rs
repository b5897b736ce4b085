//! Users, groups, programs and units.

use super::super::index::take_from;
use super::*;
use crate::directory::{Group, Kind, Service, User};

impl State {
    pub(super) fn user_created(
        &mut self,
        id: PrincipalId,
        person: PersonId,
        name: &Personal,
        upn: &Personal,
        emergency: bool,
    ) {
        let kind = Kind::User(User { person, upn: upn.clone(), emergency });
        let p = Principal { id, name: name.clone(), enabled: true, created: self.at, kind };
        self.departed.remove(&id);
        self.renaming(&[person], |s| {
            s.put_principal(p);
            s.index_user(id);
        });
    }

    pub(super) fn user_changed(
        &mut self,
        id: PrincipalId,
        name: Option<&Personal>,
        upn: Option<&Personal>,
        person: Option<PersonId>,
    ) {
        let mut persons: Vec<PersonId> = self.person_of(id).into_iter().collect();
        persons.extend(person.filter(|p| !persons.contains(p)));
        self.renaming(&persons, |s| {
            s.unindex_user(id);
            s.with_principal(id, |p| {
                if let Some(name) = name {
                    p.name = name.clone();
                }
                if let Kind::User(u) = &mut p.kind {
                    if let Some(upn) = upn {
                        u.upn = upn.clone();
                    }
                    u.person = person.unwrap_or(u.person);
                }
            });
            s.index_user(id);
        });
    }

    pub(super) fn group_created(
        &mut self,
        id: PrincipalId,
        name: &Personal,
        description: &str,
        role_assignable: bool,
        owners: &[PrincipalId],
        members: &[PrincipalId],
    ) {
        let kind = Kind::Group(Group {
            description: description.into(),
            role_assignable,
            members: OrdSet::new(),
            owners: owners.iter().copied().collect(),
        });
        self.put_principal(Principal { id, name: name.clone(), enabled: true, created: self.at, kind });
        for member in members {
            self.join_group(id, *member);
        }
    }

    pub(super) fn group_changed(&mut self, id: PrincipalId, name: Option<&Personal>, description: Option<&str>) {
        if let Some(name) = name {
            self.with_principal(id, |p| p.name = name.clone());
        }
        if let Some(description) = description {
            self.with_group(id, |g| g.description = description.into());
        }
    }

    pub(super) fn service_created(&mut self, id: PrincipalId, name: &Personal, app: Uuid) {
        let kind = Kind::Service(Service { app });
        self.put_principal(Principal { id, name: name.clone(), enabled: true, created: self.at, kind });
    }

    pub(super) fn unit_created(&mut self, id: UnitId, name: &str, description: &str) {
        let (name, description) = (name.into(), description.into());
        self.units.insert(id, Arc::new(Unit { id, name, description, members: OrdSet::new(), hosts: OrdSet::new() }));
    }

    pub(super) fn unit_changed(&mut self, id: UnitId, name: Option<&str>, description: Option<&str>) {
        self.with_unit(id, |u| {
            if let Some(name) = name {
                u.name = name.into();
            }
            if let Some(description) = description {
                u.description = description.into();
            }
        });
    }

    pub(super) fn unit_deleted(&mut self, id: UnitId) {
        self.forget_expired(|(_, _, target), _| target.scope() == Scope::Unit(id));
        if let Some(u) = self.units.remove(&id) {
            for object in u.members.iter().map(|m| m.0).chain(u.hosts.iter().map(|h| h.0)) {
                take_from(&mut self.units_of, object, &id);
            }
        }
        self.forget_place(Place::Unit(id));
    }
}
