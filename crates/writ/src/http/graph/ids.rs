//! Ids that Graph composes: of assignments in force, of policies, of approval steps.
//! Each reads back into what it was made from; none is stored.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;
use uuid::fmt::Hyphenated;
use writ_core::ids::{PrincipalId, RequestId, RoleId, TenantId};
use writ_core::scope::{Scope, Target};

/// The id of an assignment in force, as Entra makes it: role and principal (and the scope's object, if it is not the
/// tenant) in .NET byte order, base64url, then `-1` for the tenant and `-2` for a narrower scope.
///
/// `second` marks an activation beside a standing assignment of the same target, which Entra leaves open.
pub fn assignment(principal: PrincipalId, target: Target, second: bool) -> String {
    let (within, mark) = match target.scope() {
        Scope::Tenant => (None, "-1"),
        Scope::Unit(unit) => (Some(unit.0), "-2"),
        Scope::Object(object) => (Some(object), "-3"),
    };
    // Lists that are sorted make one for every row, so nothing is copied twice.
    let mut bytes = [0; 48];
    bytes[..16].copy_from_slice(&target.role_id().0.to_bytes_le());
    bytes[16..32].copy_from_slice(&principal.0.to_bytes_le());
    bytes[32..].copy_from_slice(&within.unwrap_or_default().to_bytes_le());
    let mut id = String::with_capacity(68);
    URL_SAFE_NO_PAD.encode_string(&bytes[..if within.is_some() { 48 } else { 32 }], &mut id);
    id.push_str(mark);
    if second {
        id.push_str("-a");
    }
    id
}

/// The id of an eligibility in force: the same, with `-e`.
pub fn eligibility(principal: PrincipalId, target: Target) -> String {
    let mut id = assignment(principal, target, false);
    id.push_str("-e");
    id
}

/// The principal and role in such an id, so that only that principal's rows need to be read to find it.
pub fn holder(id: &str) -> Option<(PrincipalId, RoleId)> {
    let bytes = URL_SAFE_NO_PAD.decode(id.split_at_checked(43)?.0).ok();
    // 32 bytes take 43 characters; with a scope it is 48 bytes in 64 characters.
    let bytes = match bytes {
        Some(bytes) if id.as_bytes().get(43) == Some(&b'-') => bytes,
        _ => URL_SAFE_NO_PAD.decode(id.split_at_checked(64)?.0).ok()?,
    };
    let guid = |at: usize| Some(Uuid::from_bytes_le(bytes.get(at..at + 16)?.try_into().ok()?));
    Some((PrincipalId(guid(16)?), RoleId(guid(0)?)))
}

/// A policy's id. There is one policy for each role, and it carries the role's GUID.
pub fn policy(kind: &str, tenant: TenantId, role: RoleId) -> String {
    let mut id = String::with_capacity(kind.len() + 2 * (1 + Hyphenated::LENGTH));
    id.push_str(kind);
    for part in [tenant.0, role.0] {
        id.push('_');
        id.push_str(part.hyphenated().encode_lower(&mut Uuid::encode_buffer()));
    }
    id
}

/// What a policy id names: its kind (`Directory` or `DirectoryRole`) and role, or the reason it names nothing.
pub fn policy_role(id: &str, tenant: TenantId) -> Result<(&'static str, RoleId), NotAPolicy> {
    let mut parts = id.splitn(3, '_');
    let kind = match parts.next() {
        Some(k) if k.eq_ignore_ascii_case("DirectoryRole") => "DirectoryRole",
        Some(k) if k.eq_ignore_ascii_case("Directory") => "Directory",
        _ => return Err(NotAPolicy::NoProvider),
    };
    let own = parts.next().and_then(|t| t.parse::<TenantId>().ok()) == Some(tenant);
    match parts.next().and_then(|r| r.parse().ok()) {
        Some(role) if own => Ok((kind, role)),
        _ => Err(NotAPolicy::Unknown),
    }
}

/// Why a text is no policy's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAPolicy {
    /// Its first segment names no provider; Graph answers that before it looks anything up.
    NoProvider,
    /// There is no such policy.
    Unknown,
}

/// A step's id: the request's own for the first stage, as in Graph, and numbers after it for further ones.
pub fn step(request: RequestId, stage: usize) -> Uuid {
    Uuid::from_u128(request.0.as_u128().wrapping_add(stage as u128))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assignment_ids_are_entras() {
        // Both were captured from the live service; see the semantics of assignment ids.
        let role: RoleId = "fe930be7-5e62-47db-91af-98c3a49a38b1".parse().unwrap();
        let id = "5wuT_mJe20eRr5jDpJo4sUZl7gMT8cVOup3lc4GwySg-1";
        let (principal, found) = holder(id).unwrap();
        assert_eq!(found, role);
        assert!(principal.to_string().starts_with("03ee6546-") && principal.to_string().ends_with("c928"));
        assert_eq!(assignment(principal, Target::role(role, Scope::Tenant), false), id);
        assert_eq!(eligibility(principal, Target::role(role, Scope::Tenant)), format!("{id}-e"));
    }

    #[test]
    fn narrower_scopes_have_ids_of_their_own_that_read_back() {
        let (p, r) = (PrincipalId::from_u128(7), RoleId::from_u128(9));
        let unit = Target::role(r, Scope::Unit(writ_core::ids::UnitId::from_u128(1)));
        let object = Target::role(r, Scope::Object(Uuid::from_u128(1)));
        let ids = [unit, object].map(|t| assignment(p, t, false));
        assert_ne!(ids[0], ids[1]);
        for id in ids {
            assert_eq!(holder(&id), Some((p, r)));
        }
        for odd in ["", "-1", "x", &"é".repeat(40), &"A".repeat(43), &"A".repeat(64)] {
            let _ = holder(odd);
        }
    }
}
