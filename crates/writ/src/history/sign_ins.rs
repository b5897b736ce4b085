//! Sign-ins as rows: who, from where, with what, how it went. Failures that were counted together are one row.
//! A name that nobody has is never here: the log does not keep it, as it may be a password.

use super::audit::Moment;
use serde::{Deserialize, Serialize};
use writ_core::command::{Method, SignIn, Via, Wrong};
use writ_core::event::Event;
use writ_core::ids::{PrincipalId, Seq, Uuid};
use writ_core::time::Time;

/// One sign-in, or several that failed alike.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SignedIn {
    /// Its id: that of the command that recorded it.
    pub id: Uuid,
    /// The entry.
    pub seq: Seq,
    /// When it was recorded.
    pub at: Time,
    /// As whom; `None` for a name that nobody has.
    pub principal: Option<PrincipalId>,
    /// Their name then.
    pub name: String,
    /// Their user principal name then.
    pub upn: String,
    /// How it went.
    pub outcome: SignIn,
    /// What was wrong, if something was.
    pub wrong: Option<Wrong>,
    /// What was shown.
    pub methods: Vec<Method>,
    /// How often.
    pub count: u32,
    /// Where from, when that is known.
    pub address: Option<String>,
    /// Through which door.
    pub via: Via,
    /// The application id of the program, if it has one.
    #[serde(default)]
    pub app: Option<Uuid>,
    /// What ties it to other entries.
    pub correlation: Uuid,
}

impl SignedIn {
    /// Whether somebody is in.
    pub fn succeeded(&self) -> bool {
        matches!(self.outcome, SignIn::Succeeded | SignIn::SteppedUp)
    }
}

/// Which sign-ins are wanted. Everything that is given must fit.
#[derive(Clone, Debug, Default)]
pub struct SignInQuery {
    /// Not earlier.
    pub since: Option<Time>,
    /// Not later.
    pub until: Option<Time>,
    /// As whom.
    pub principal: Option<PrincipalId>,
    /// The one with this id.
    pub id: Option<Uuid>,
    /// Only what follows this entry in the order asked for.
    pub after: Option<Seq>,
    /// Oldest first; otherwise newest first.
    pub oldest_first: bool,
    /// At most so many.
    pub limit: u32,
}

impl Moment<'_> {
    /// The sign-in that this entry records, if it does.
    pub(super) fn sign_in(&self) -> Option<SignedIn> {
        let Event::SignInNoted { principal, outcome, wrong, methods, count, app, from, .. } = self.event else {
            return None;
        };
        if *outcome == SignIn::SignedOut {
            return None;
        }
        let found = principal.and_then(|id| self.after.principals.get(&id));
        Some(SignedIn {
            id: self.envelope.cause.command,
            seq: self.meta.seq,
            at: self.meta.at,
            principal: *principal,
            name: found.map(|p| p.name.shown().to_owned()).unwrap_or_default(),
            upn: found.and_then(|p| p.user()).map(|u| u.upn.shown().to_owned()).unwrap_or_default(),
            outcome: *outcome,
            wrong: *wrong,
            methods: methods.clone(),
            count: *count,
            // Whoever failed is nobody, so the entry itself says where failures came from; the first address stands here.
            address: (self.envelope.actor.address.as_ref())
                .or_else(|| from.first().map(|source| &source.address))
                .map(|a| a.shown().to_owned()),
            via: self.envelope.actor.via,
            app: *app,
            correlation: self.envelope.cause.correlation,
        })
    }
}
