//! What long lists are read by: names in order, eligibilities by where they hold, and how many of them count now.
//! Nothing here is touched when somebody activates a role: only by changes of the directory and of eligibilities.
//!
//! Always: an index holds exactly what the facts say, so a list read through it is the list that a walk over
//! everything would give.

use super::*;
use crate::directory::Kind;
use alloc::borrow::ToOwned;
use alloc::collections::BTreeSet;
use core::ops::Bound;

/// How many words of a name a search looks at.
pub const WORDS_MAX: usize = 16;

/// Principals of one sort by their names, in lower case.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NameIndex {
    whole: OrdSet<(String, PrincipalId)>,
    /// The name from its second word on, from its third on, and so forth.
    rest: OrdSet<(String, PrincipalId)>,
}

/// Everybody's names.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Names {
    /// Users.
    pub users: NameIndex,
    /// Groups.
    pub groups: NameIndex,
    /// Programs.
    pub programs: NameIndex,
    /// Programs by their application id, which two may have.
    pub apps: OrdSet<(Uuid, PrincipalId)>,
}

/// A text from the beginning of each of its words: where a search may match. The first is the whole text.
pub fn words(text: &str) -> impl Iterator<Item = &str> {
    let mut before = None::<char>;
    let starts = text.char_indices().filter_map(move |(at, c)| {
        let begins = match before {
            None => true,
            Some(before) => c.is_alphanumeric() && !before.is_alphanumeric(),
        };
        before = Some(c);
        begins.then(|| &text[at..])
    });
    starts.take(WORDS_MAX)
}

impl NameIndex {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.whole.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.whole.is_empty()
    }

    /// Those whose name begins so (in lower case), in the order of their names, from the place after this one on.
    pub fn after<'a>(
        &'a self,
        start: &'a str,
        place: Option<(&str, PrincipalId)>,
    ) -> impl Iterator<Item = PrincipalId> + 'a {
        let first = (start.to_owned(), PrincipalId::from_u128(0));
        let from = match place.map(|(name, id)| (name.to_owned(), id)).filter(|from| *from > first) {
            Some(from) => Bound::Excluded(from),
            None => Bound::Included(first),
        };
        let there = self.whole.range((from, Bound::Unbounded));
        there.take_while(move |(name, _)| name.starts_with(start)).map(|(_, id)| *id)
    }

    /// Those of whose words one begins so (in lower case), in no order; a name may come more than once.
    pub fn word_begins<'a>(&'a self, start: &'a str) -> impl Iterator<Item = PrincipalId> + 'a {
        beginning(&self.whole, start).chain(beginning(&self.rest, start))
    }

    fn put(&mut self, name: &str, id: PrincipalId) {
        let name = name.to_lowercase();
        self.rest.extend(words(&name).skip(1).map(|rest| (rest.to_owned(), id)));
        self.whole.insert((name, id));
    }

    fn drop(&mut self, name: &str, id: PrincipalId) {
        let name = name.to_lowercase();
        for rest in words(&name).skip(1) {
            self.rest.remove(&(rest.to_owned(), id));
        }
        self.whole.remove(&(name, id));
    }
}

fn beginning<'a>(set: &'a OrdSet<(String, PrincipalId)>, start: &'a str) -> impl Iterator<Item = PrincipalId> + 'a {
    let from = (start.to_owned(), PrincipalId::from_u128(0));
    set.range(from..).take_while(move |(name, _)| name.starts_with(start)).map(|(_, id)| *id)
}

impl Names {
    fn of(&mut self, kind: &Kind) -> &mut NameIndex {
        match kind {
            Kind::User(_) => &mut self.users,
            Kind::Group(_) => &mut self.groups,
            Kind::Service(_) => &mut self.programs,
        }
    }

    fn put(&mut self, p: &Principal) {
        self.of(&p.kind).put(p.name.shown(), p.id);
        if let Kind::Service(service) = &p.kind {
            self.apps.insert((service.app, p.id));
        }
    }

    fn drop(&mut self, p: &Principal) {
        self.of(&p.kind).drop(p.name.shown(), p.id);
        if let Kind::Service(service) = &p.kind {
            self.apps.remove(&(service.app, p.id));
        }
    }
}

impl State {
    /// Puts a principal in its place, with its name and whether it is disabled.
    pub(super) fn put_principal(&mut self, p: Principal) {
        let id = p.id;
        match self.principals.get(&id).cloned() {
            Some(old) if old.name == p.name => {}
            old => {
                if let Some(old) = old {
                    self.names.drop(&old);
                }
                self.names.put(&p);
            }
        }
        if !p.enabled {
            self.disabled.insert(id);
        } else if self.disabled.contains(&id) {
            self.disabled.remove(&id);
        }
        self.principals.insert(id, Arc::new(p));
    }

    /// Takes a principal out, with its name.
    pub(super) fn take_principal(&mut self, id: PrincipalId) {
        if let Some(old) = self.principals.remove(&id) {
            self.names.drop(&old);
            self.disabled.remove(&id);
        }
    }

    /// The program with this application id; of several, the one with the first id.
    pub fn program_of(&self, app: Uuid) -> Option<&Principal> {
        let (found, id) = self.names.apps.range((app, PrincipalId::from_u128(0))..).next()?;
        self.principals.get(id).filter(|_| *found == app).map(|p| &**p)
    }

    /// How many eligibilities can be used now: within their window, of an enabled principal, for an enabled role. It
    /// looks only at those that cannot be.
    pub fn usable_eligibilities(&self, now: Time) -> usize {
        let mut not: BTreeSet<EligibilityId> = BTreeSet::new();
        let ended = self.timers.iter().take_while(|(at, _)| *at <= now);
        not.extend(ended.filter_map(|(_, timer)| match timer {
            Timer::EndEligibility(id) => Some(*id),
            _ => None,
        }));
        not.extend(self.opening.range((now, EligibilityId::from_u128(0))..).map(|(_, id)| *id));
        for holder in &self.disabled {
            not.extend(self.eligibilities_of(*holder).iter().map(|e| e.id));
        }
        for role in self.roles.values().filter(|role| !role.enabled) {
            for holder in self.holders_of(role.id) {
                let held = self.eligibilities_of(holder).iter();
                not.extend(held.filter(|e| e.target.role_id() == role.id).map(|e| e.id));
            }
        }
        let counts = |e: &Eligibility| {
            e.in_window(now)
                && self.principals.get(&e.principal).is_some_and(|p| p.enabled)
                && self.roles.get(&e.target.role_id()).is_some_and(|r| r.enabled)
        };
        let not = not.iter().filter_map(|id| self.eligibilities.get(id)).filter(|e| !counts(e)).count();
        self.eligibilities.len().saturating_sub(not)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::personal::Personal;

    #[test]
    fn a_search_matches_where_words_begin() {
        assert_eq!(words("ana-maria de sá").collect::<Vec<_>>(), ["ana-maria de sá", "maria de sá", "de sá", "sá"]);
        assert_eq!(words("(éve)").collect::<Vec<_>>(), ["(éve)", "éve)"]);
        assert_eq!(words("").count(), 0);
        assert_eq!(words(&"a ".repeat(100)).count(), WORDS_MAX);
    }

    fn named(id: u128, name: &str) -> Principal {
        let id = PrincipalId::from_u128(id);
        let service = crate::directory::Service { app: Uuid::from_u128(0xa + id.0.as_u128() % 2) };
        let (created, kind) = (Time::default(), Kind::Service(service));
        Principal { id, name: Personal::new(id, name), enabled: true, created, kind }
    }

    #[test]
    fn names_follow_their_principals() {
        let mut s = State::empty(TenantId::from_u128(1));
        for (id, name) in [(1, "Ana Silva"), (2, "Ben Okafor"), (3, "ana zed"), (4, "Silva, Ana")] {
            s.put_principal(named(id, name));
        }
        let found =
            |s: &State, start: &str| s.names.programs.after(start, None).map(|id| id.0.as_u128()).collect::<Vec<_>>();
        assert_eq!(found(&s, "ana"), [1, 3]);
        assert_eq!(s.names.programs.word_begins("silva").count(), 2);
        s.put_principal(named(1, "Zoe"));
        s.take_principal(PrincipalId::from_u128(4));
        assert_eq!((found(&s, "ana"), s.names.programs.word_begins("silva").count()), (alloc::vec![3], 0));
        let ben = Some(("ben okafor", PrincipalId::from_u128(2)));
        assert_eq!(s.names.programs.after("", ben).map(|id| id.0.as_u128()).collect::<Vec<_>>(), [1]);
        assert_eq!(s.names.programs.len(), 3);
        // Three and four had the same as one and two.
        let program = |s: &State, app: u128| s.program_of(Uuid::from_u128(app)).map(|p| p.id.0.as_u128());
        assert_eq!([9, 0xa, 0xb, 0xc].map(|app| program(&s, app)), [None, Some(2), Some(1), None]);
        s.take_principal(PrincipalId::from_u128(1));
        s.take_principal(PrincipalId::from_u128(2));
        assert_eq!([0xa, 0xb].map(|app| program(&s, app)), [None, Some(3)]);
    }
}
