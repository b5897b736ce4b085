//! Founds a tenant: its first administrator, and two emergency accounts so that there is always a way in.
//! It works at the server's own console only; nothing over the network founds anything.
//!
//! Always: the founding is one entry group in the log: it is there wholly or not at all.

use crate::engine::{Engine, Wrong, fresh_id};
use crate::store::Fault;
use writ_core::command::{Caller, Command, NewUser};
use writ_core::ids::{PersonId, PrincipalId};
use writ_core::rules::RuleChoice;
use writ_core::time::Span;

/// How long the first administrator holds Global Administrator without asking, to set things up.
pub const SETUP: Span = Span::from_hours(8);

/// What a tenant is founded with.
#[derive(Clone, Debug)]
pub struct Founding {
    /// The organisation's name.
    pub name: String,
    /// Which defaults the roles' rules start from.
    pub rules: RuleChoice,
    /// The shortest activation.
    pub span_min: Span,
    /// The first administrator's name.
    pub administrator: String,
    /// The first administrator's account, `dana@northwind.example`.
    pub account: String,
}

/// Who there is after the founding.
#[derive(Clone, Debug)]
pub struct Founded {
    /// The first administrator.
    pub administrator: PrincipalId,
    /// The emergency accounts with their user principal names.
    pub emergency: Vec<(PrincipalId, String)>,
}

/// Founds the tenant of this engine.
///
/// # Errors
/// A refusal when it was founded before, or a name is no name; a fault when the log cannot be written.
pub async fn found(engine: &Engine, founding: &Founding) -> Result<Founded, Wrong> {
    let domain = founding.account.split_once('@').map_or("writ.invalid", |(_, domain)| domain);
    let new = |name: &str, upn: String| NewUser {
        id: PrincipalId(fresh_id()),
        person: PersonId(fresh_id()),
        name: name.to_owned(),
        upn,
    };
    let administrator = new(&founding.administrator, founding.account.clone());
    let emergency: Vec<NewUser> =
        (1..=2).map(|n| new(&format!("Emergency {n}"), format!("emergency{n}@{domain}"))).collect();
    let founded = Founded {
        administrator: administrator.id,
        emergency: emergency.iter().map(|user| (user.id, user.upn.clone())).collect(),
    };
    let command = Command::Found {
        name: founding.name.clone(),
        rules: founding.rules,
        span_min: founding.span_min,
        administrator,
        setup: SETUP,
        emergency,
    };
    engine.submit(command, Caller::console(fresh_id())).await?;
    Ok(founded)
}

/// What went wrong, for the operator at the console.
pub fn told(wrong: &Wrong) -> Fault {
    match wrong {
        Wrong::Refused(refusal) => Fault::new(refusal.told()),
        Wrong::Fault(fault) => fault.clone(),
    }
}
