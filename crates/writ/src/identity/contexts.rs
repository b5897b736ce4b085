//! Authentication contexts, `c1` to `c99`: read from the `claims` parameter with which a client answers a claims
//! challenge, and written into access tokens as `acrs`.
//! Until the tenant says otherwise, what satisfies a context is a second factor proved at that moment, as Entra has it
//! where no policy names the context.
//!
//! Always: a context stands in a token only if it was asked for and the proof came with the same request, or with the
//! sign-in that the request was for.

use serde_json::Value as Json;

/// How many contexts one token carries at most.
const MAX: usize = 8;
/// The longest `claims` parameter, in bytes.
const CLAIMS_MAX: usize = 2048;

/// Why a `claims` parameter cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotClaims;

/// The contexts that a `claims` parameter asks for (OpenID Connect Core, section 5.5):
/// `{"access_token":{"acrs":{"essential":true,"value":"c1"}}}`. Other claims are not looked at.
pub fn asked(claims: &str) -> Result<Vec<String>, NotClaims> {
    if claims.trim().is_empty() {
        return Ok(Vec::new());
    }
    if claims.len() > CLAIMS_MAX {
        return Err(NotClaims);
    }
    let claims: Json = serde_json::from_str(claims).map_err(|_| NotClaims)?;
    let acrs = &claims["access_token"]["acrs"];
    let one = acrs.get("value").into_iter();
    let many = acrs.get("values").and_then(Json::as_array).into_iter().flatten();
    let mut found: Vec<String> = Vec::new();
    for value in one.chain(many) {
        let name = value.as_str().filter(|name| is_context(name)).ok_or(NotClaims)?;
        if !found.iter().any(|known| known == name) {
            found.push(name.to_owned());
        }
    }
    if found.len() > MAX { Err(NotClaims) } else { Ok(found) }
}

fn is_context(name: &str) -> bool {
    let number = name.strip_prefix('c').filter(|n| !n.starts_with(['0', '+']));
    number.and_then(|n| n.parse::<u8>().ok()).is_some_and(|n| (1..=99).contains(&n))
}

/// These contexts and those, each once; the newer ones first.
pub fn and(newer: &[String], older: &[String]) -> Vec<String> {
    let mut all = newer.to_vec();
    all.extend(older.iter().filter(|name| !newer.contains(name)).cloned());
    all.truncate(MAX);
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_challenge_is_answered_as_clients_answer_it() {
        for (claims, contexts) in [
            ("", vec![]),
            ("{}", vec![]),
            (r#"{"access_token":{"xms_cc":{"values":["cp1"]}}}"#, vec![]),
            (r#"{"access_token":{"acrs":{"essential":true, "value":"c1"}}}"#, vec!["c1"]),
            (
                r#"{"id_token":{"amr":null},"access_token":{"acrs":{"values":["c2","c99","c2"]},"xms_cc":{"values":["cp1"]}}}"#,
                vec!["c2", "c99"],
            ),
        ] {
            assert_eq!(asked(claims), Ok(contexts.into_iter().map(str::to_owned).collect()), "{claims}");
        }
    }

    #[test]
    fn what_is_no_context_is_refused() {
        for claims in [
            "c1",
            r#"{"access_token":{"acrs":{"value":"c0"}}}"#,
            r#"{"access_token":{"acrs":{"value":"c100"}}}"#,
            r#"{"access_token":{"acrs":{"value":"c01"}}}"#,
            r#"{"access_token":{"acrs":{"value":7}}}"#,
            r#"{"access_token":{"acrs":{"values":["c1","c2","c3","c4","c5","c6","c7","c8","c9"]}}}"#,
        ] {
            assert_eq!(asked(claims), Err(NotClaims), "{claims}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic_and_what_it_finds_are_contexts(text in ".{0,200}") {
            let found = asked(&text).unwrap_or_default();
            prop_assert!(found.len() <= MAX && found.iter().all(|name| is_context(name)));
        }
    }
}
