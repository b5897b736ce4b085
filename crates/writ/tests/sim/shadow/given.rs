//! What administrators give, lengthen and take: by somebody who may, as the role's rules ask of them.
//!
//! Always: at most one eligibility and one standing assignment per principal and target.

use super::requests::said;
use super::{Grant, Shadow};
use writ_core::command::Sort;
use writ_core::event::{Action, Ask, Why};
use writ_core::ids::{AssignmentId, EligibilityId, PrincipalId, RoleId, Uuid};
use writ_core::log::Via;
use writ_core::rules::AdminSide;
use writ_core::scope::Target;
use writ_core::state::Status;
use writ_core::time::{Span, Time};

/// How old an administrator's proof of MFA may be.
const MFA_AGE_MAX: Span = Span::from_hours(12);

impl Shadow {
    /// An eligibility or a standing assignment, given by an administrator or renewed after a yes.
    pub(super) fn granted(&mut self, ask: &Ask, sort: Sort, starts: Time, ends: Option<Time>) {
        let seq = self.seq;
        match ask.action {
            // The founding and new emergency accounts.
            Action::AdminAssign if ask.by.is_none() => {
                assert_eq!(self.via, Some(Via::Console), "entry {seq}: given by nobody")
            }
            Action::AdminAssign => self.administered(ask, sort, starts, ends),
            Action::AdminRenew => {
                self.administered(ask, sort, starts, ends);
                self.ran_out_lately(ask.subject, sort, ask.target);
            }
            Action::SelfRenew => {
                self.carried_out(ask, sort, None);
                self.ran_out_lately(ask.subject, sort, ask.target);
                self.not_too_long(ask.target.role_id(), sort, starts, ends);
                self.in_good_standing(ask.subject, ask.target.role_id());
            }
            other => panic!("entry {seq}: granted by {other:?}"),
        }
        assert!(starts >= self.at && ends.is_none_or(|ends| ends > starts), "entry {seq}: a window in the past");
        self.free(ask.subject, sort, ask.target);
        self.receivable(ask.subject, sort, ask.target);
        let (principal, target, made) = (ask.subject, ask.target, self.at);
        let grant = Grant { principal, target, starts, ends, made, from: None, closing: false, plain: false };
        match sort {
            Sort::Eligibility => self.eligibilities.insert(EligibilityId(ask.request.0), grant).is_none(),
            Sort::Assignment => self.assignments.insert(AssignmentId(ask.request.0), grant).is_none(),
        };
        self.ran_out.remove(&(principal, sort, target));
        self.done(ask, sort, Status::Provisioned, Some(starts));
    }

    /// Assigned without a request: the older doors ask for all that they can carry.
    pub(super) fn made(&mut self, id: AssignmentId, principal: PrincipalId, target: Target) {
        let (seq, sort) = (self.seq, Sort::Assignment);
        self.by_manager();
        self.free(principal, sort, target);
        self.receivable(principal, sort, target);
        self.not_too_long(target.role_id(), sort, self.at, None);
        let side = self.side(target.role_id(), sort);
        assert!(!side.ticket, "law 4, entry {seq}: a door without a place for the ticket");
        if side.mfa {
            self.proved(self.by, MFA_AGE_MAX);
        }
        let (starts, made) = (self.at, self.at);
        let grant = Grant { principal, target, starts, ends: None, made, from: None, closing: false, plain: true };
        assert!(self.assignments.insert(id, grant).is_none(), "entry {seq}: an id twice");
        self.ran_out.remove(&(principal, sort, target));
    }

    /// Another window: set by an administrator, lengthened by one, or lengthened after a yes.
    pub(super) fn changed(&mut self, ask: &Ask, sort: Sort, id: Uuid, starts: Time, ends: Option<Time>) {
        let (seq, at) = (self.seq, self.at);
        let row = self.row(sort, id).unwrap_or_else(|| panic!("entry {seq}: changed what is not there")).clone();
        assert_eq!((row.principal, row.target), (ask.subject, ask.target), "entry {seq}: another row");
        assert_eq!(row.from, None, "entry {seq}: an activation is not changed so");
        let asked = ask.start.map_or(at, |start| start.max(at));
        match ask.action {
            Action::AdminUpdate => {
                self.administered(ask, sort, asked, ends);
                let moved = if row.starts <= at { row.starts } else { asked };
                assert_eq!(starts, moved, "entry {seq}: what has begun keeps its beginning");
            }
            Action::AdminExtend | Action::SelfExtend => {
                if ask.action == Action::SelfExtend {
                    self.carried_out(ask, sort, Some(id));
                    self.not_too_long(ask.target.role_id(), sort, at, ends);
                    self.in_good_standing(ask.subject, ask.target.role_id());
                } else {
                    self.administered(ask, sort, at, ends);
                }
                assert!(!row.closing, "entry {seq}: more time on what is being taken away");
                assert_eq!(starts, row.starts, "entry {seq}: an extension moves no beginning");
                let old = row.ends.unwrap_or_else(|| panic!("entry {seq}: it had no end"));
                assert!(old > at, "entry {seq}: an extension of what is over");
                assert!(ends.is_none_or(|ends| ends > old), "entry {seq}: an extension that ends no later");
            }
            other => panic!("entry {seq}: changed by {other:?}"),
        }
        let row = match sort {
            Sort::Eligibility => self.eligibilities.get_mut(&EligibilityId(id)),
            Sort::Assignment => self.assignments.get_mut(&AssignmentId(id)),
        };
        let row = row.unwrap();
        (row.starts, row.ends, row.closing) = (starts, ends, false);
        self.done(ask, sort, Status::Provisioned, Some(starts));
    }

    pub(super) fn closed(&mut self, ask: &Ask, id: EligibilityId) {
        self.by_manager();
        assert!(
            self.assignments.values().any(|a| a.from == Some(id)),
            "entry {}: it waits for the end of nothing",
            self.seq
        );
        self.eligibilities.get_mut(&id).unwrap().closing = true;
        self.done(ask, Sort::Eligibility, Status::Revoked, None);
    }

    /// An eligibility or an assignment is over, and why.
    pub(super) fn over(&mut self, sort: Sort, id: Uuid, why: Why, ask: Option<&Ask>) {
        let (seq, at) = (self.seq, self.at);
        let row = self.row(sort, id).unwrap_or_else(|| panic!("entry {seq}: ended twice")).clone();
        let age_min = self.settings.as_ref().unwrap().age_min;
        match why {
            Why::TimeIsUp => {
                assert!(row.ends.is_some_and(|ends| ends <= at), "entry {seq}: over before its time");
                if row.from.is_none() {
                    // Thirty days count from the end itself, whenever it was noticed.
                    self.ran_out.extend(row.ends.map(|ended| ((row.principal, sort, row.target), ended)));
                }
            }
            Why::GivenUp => {
                let ask = ask.unwrap_or_else(|| panic!("entry {seq}: given up by nobody"));
                assert!(row.from.is_some(), "entry {seq}: what was not switched on was given up");
                assert_eq!((ask.by, self.by), (Some(row.principal), Some(row.principal)), "entry {seq}: whose?");
                assert!(at.since(row.starts) >= age_min, "entry {seq}: given up too soon");
            }
            Why::Removed => {
                let console = self.via == Some(Via::Console);
                if !row.closing && !console {
                    self.by_manager();
                }
                assert!(ask.is_none() || at.since(row.made) >= age_min, "entry {seq}: removed too soon");
            }
            Why::EligibilityGone | Why::Disabled | Why::LeftGroup => {
                assert!(row.from.is_some(), "entry {seq}: only an activation ends because of {why:?}");
            }
            Why::Deleted | Why::RoleGone | Why::ScopeGone => {}
        }
        match sort {
            Sort::Eligibility => self.eligibilities.remove(&EligibilityId(id)),
            Sort::Assignment => self.assignments.remove(&AssignmentId(id)),
        };
        if let Some(ask) = ask {
            self.done(ask, sort, Status::Revoked, None);
        }
    }

    pub(super) fn row(&self, sort: Sort, id: Uuid) -> Option<&Grant> {
        match sort {
            Sort::Eligibility => self.eligibilities.get(&EligibilityId(id)),
            Sort::Assignment => self.assignments.get(&AssignmentId(id)),
        }
    }

    /// The eligibility or the standing assignment of somebody, if there is one.
    pub(super) fn standing(&self, principal: PrincipalId, sort: Sort, target: Target) -> Option<(Uuid, &Grant)> {
        let ours = |g: &&Grant| g.principal == principal && g.target == target && g.from.is_none();
        match sort {
            Sort::Eligibility => self.eligibilities.iter().map(|(id, g)| (id.0, g)).find(|(_, g)| ours(g)),
            Sort::Assignment => self.assignments.iter().map(|(id, g)| (id.0, g)).find(|(_, g)| ours(g)),
        }
    }

    pub(super) fn side(&self, role: RoleId, sort: Sort) -> &AdminSide {
        match sort {
            Sort::Eligibility => &self.rules[&role].eligibility,
            Sort::Assignment => &self.rules[&role].assignment,
        }
    }

    /// Laws 1 and 4: by somebody who manages roles, with what the role asks of them.
    fn administered(&self, ask: &Ask, sort: Sort, from: Time, ends: Option<Time>) {
        let seq = self.seq;
        self.by_manager();
        assert_eq!(ask.by, self.by, "entry {seq}: in somebody else's name");
        let side = self.side(ask.target.role_id(), sort);
        assert!(!side.reason || said(ask.reason.as_ref()), "law 4, entry {seq}: no reason");
        let ticket = ask.ticket.as_ref().and_then(|ticket| ticket.number.as_ref());
        assert!(!side.ticket || said(ticket), "law 4, entry {seq}: no ticket");
        if side.mfa {
            self.fresh(ask.by.unwrap(), ask.mfa, MFA_AGE_MAX);
        }
        self.not_too_long(ask.target.role_id(), sort, from, ends);
    }

    /// Law 4: with an end, and no longer than the rules for this sort allow now, if they say so.
    pub(super) fn not_too_long(&self, role: RoleId, sort: Sort, from: Time, ends: Option<Time>) {
        let (seq, side) = (self.seq, self.side(role, sort));
        if side.expiration_required {
            let ends = ends.unwrap_or_else(|| panic!("law 4, entry {seq}: without an end"));
            assert!(ends.since(from) <= side.span_max, "law 4, entry {seq}: longer than administrators may give");
        }
    }

    fn free(&self, principal: PrincipalId, sort: Sort, target: Target) {
        assert!(self.standing(principal, sort, target).is_none(), "entry {}: there already", self.seq);
    }

    fn receivable(&self, principal: PrincipalId, sort: Sort, target: Target) {
        let (seq, being, role) = (self.seq, &self.beings[&principal], &self.roles[&target.role_id()]);
        assert!(self.there(target.scope()), "entry {seq}: given nowhere");
        assert!(role.holds_at(target.scope()), "entry {seq}: given where it cannot hold");
        assert!(role.enabled && role.assignable, "entry {seq}: a role that cannot be given");
        let program = being.person.is_none() && being.group.is_none();
        assert!(!program || sort == Sort::Assignment, "entry {seq}: a program was made eligible");
        assert!(being.group.as_ref().is_none_or(|group| group.passes), "entry {seq}: a group that passes no roles");
    }

    /// What is renewed ran out within the last thirty days.
    pub(super) fn ran_out_lately(&self, principal: PrincipalId, sort: Sort, target: Target) -> Time {
        let recorded = self.ran_out.get(&(principal, sort, target)).copied();
        let lapsed =
            self.standing(principal, sort, target).and_then(|(_, row)| row.ends).filter(|ends| *ends <= self.at);
        let until = recorded.or(lapsed).map(|ended| ended + Span::from_days(30)).filter(|until| self.at < *until);
        until.unwrap_or_else(|| panic!("entry {}: renewed what did not run out lately", self.seq))
    }
}
