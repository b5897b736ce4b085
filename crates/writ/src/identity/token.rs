//! Access tokens: JWS in compact form, ES256, signed and verified with one key of the server's own.
//! It never negotiates: one algorithm, one key, one issuer, one tenant. It never says whether the session behind a
//! token is still alive; the caller asks that every time.
//!
//! Known attacks and the defence: `alg=none` and HS256 signed with the public key (the header must be exactly ours
//! before anything is verified); a foreign key, `jwk`, `jku` or `x5u` in the header (any header member that we do not write is
//! refused); a token of another tenant or for another audience (both are compared); a token kept after sign-out (the
//! session is looked up every time); huge or nested JSON (the length is bounded before anything is parsed).
//!
//! Always: whatever is cached was verified with the key, and its times are compared at each use.

use super::key;
use super::random::NoRandomness;
use crate::vault::{Vault, VaultError};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as B64;
use parking_lot::Mutex;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, UnparsedPublicKey,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use writ_core::ids::{PrincipalId, SessionId, TenantId, Uuid};
use writ_core::time::{Span, Time};
use zeroize::Zeroizing;

/// How long an access token lasts.
pub const TOKEN_SPAN: Span = Span::from_hours(1);
/// The longest token that is looked at, in bytes; ours have about 900.
pub const TOKEN_MAX: usize = 4096;
/// How many verified tokens are remembered, at most twice this many for a moment.
const REMEMBERED: usize = 4096;

/// What a token says. Times are in seconds since 1970, as RFC 7519 wants them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claims {
    /// The issuer: the server's address with the tenant.
    pub iss: String,
    /// For which API.
    pub aud: String,
    /// The principal.
    pub sub: PrincipalId,
    /// The principal again, under the name that Graph's clients read.
    pub oid: PrincipalId,
    /// The user principal name when the token was made, which clients show as the account. Nothing is decided by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upn: Option<String>,
    /// The tenant.
    pub tid: TenantId,
    /// Delegated permissions, separated by blanks.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub scp: String,
    /// Permissions of a program that speaks for itself (RFC 9068, section 2.2.3.1).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// `app` where a program speaks for itself; nothing where it acts for somebody who is signed in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idtyp: Option<String>,
    /// How the holder showed who they are (RFC 8176): `pwd`, `otp`, `mfa`; `emergency` for an emergency secret.
    pub amr: Vec<String>,
    /// When they signed in.
    pub auth_time: i64,
    /// When they last proved a second factor; refreshing never moves it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mfa_time: Option<i64>,
    /// The program that the token was given to, by its application id, if it has one. Nothing is decided by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub appid: Option<Uuid>,
    /// Authentication contexts that the holder satisfied, `c1` to `c99`; refreshing never carries them over.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub acrs: Vec<String>,
    /// The sign-in session.
    pub sid: SessionId,
    /// This token's own id.
    pub jti: Uuid,
    /// When it was made.
    pub iat: i64,
    /// From when it is good.
    pub nbf: i64,
    /// Until when it is good.
    pub exp: i64,
}

/// What tells a program who has signed in (OpenID Connect Core, section 2). It opens nothing: it is of another type, and
/// for the program instead of an API.
#[derive(Clone, Debug, Serialize)]
pub struct IdClaims<'a> {
    /// The issuer: the server's address with the tenant.
    pub iss: &'a str,
    /// The program, by its application id.
    pub aud: Uuid,
    /// The principal.
    pub sub: PrincipalId,
    /// The principal again, under the name that Graph's clients read.
    pub oid: PrincipalId,
    /// The tenant.
    pub tid: TenantId,
    /// The user principal name, which clients show as the account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preferred_username: Option<&'a str>,
    /// The display name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<&'a str>,
    /// What the program sent, so that it knows the token for its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nonce: Option<&'a str>,
    /// How they showed who they are (RFC 8176).
    pub amr: &'a [String],
    /// When they signed in.
    pub auth_time: i64,
    /// When it was made.
    pub iat: i64,
    /// From when it is good.
    pub nbf: i64,
    /// Until when it is good.
    pub exp: i64,
    /// The form of these claims, as Entra numbers it.
    pub ver: &'static str,
}

/// Why a token is not accepted. What is shown to the caller does not depend on what the token says about others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unaccepted {
    /// Not a token of ours: its form, algorithm, key or signature.
    Forged,
    /// Ours, and over.
    Expired,
    /// Ours, and not good yet.
    Early,
    /// For another API.
    Audience,
    /// Of another server or tenant.
    Issuer,
    /// The session it belongs to was ended, or the account was disabled.
    SignedOut,
}

impl fmt::Display for Unaccepted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Unaccepted::Forged => {
                "CompactToken parsing failed with error code: 80049217. This server did not issue this token; sign in again."
            }
            Unaccepted::Expired => "Lifetime validation failed, the token is expired. Refresh it or sign in again.",
            Unaccepted::Early => "Lifetime validation failed, the token is not valid yet. Check the clock.",
            Unaccepted::Audience => "Access token validation failure. Invalid audience. The token was made for another API.",
            Unaccepted::Issuer => "The token was issued for another tenant; sign in to this one.",
            Unaccepted::SignedOut => "The sign-in session of this token has ended; sign in again.",
        })
    }
}

/// What a token must say to be accepted here.
#[derive(Clone, Debug)]
pub struct Terms {
    /// The issuer that this server writes.
    pub issuer: String,
    /// The APIs that this server answers for; the first is written when none is asked for.
    pub audiences: Vec<String>,
    /// The tenant.
    pub tenant: TenantId,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header<'a> {
    alg: &'a str,
    kid: &'a str,
    typ: &'a str,
}

/// RFC 9068, section 2.1.
const TYPE: &str = "at+jwt";
/// Of an id token, which no API accepts.
const ID_TYPE: &str = "JWT";
const ALGORITHM: &str = "ES256";
/// What `idtyp` says of a token in which a program speaks for itself.
pub const APP: &str = "app";

/// The server's token key, and what was lately verified with it.
pub struct Tokens {
    pair: EcdsaKeyPair,
    kid: String,
    rng: SystemRandom,
    verified: Mutex<Remembered>,
}

/// Two generations: when the newer is full it becomes the older, and the older is forgotten.
#[derive(Default)]
struct Remembered {
    newer: HashMap<[u8; 32], Arc<Claims>>,
    older: HashMap<[u8; 32], Arc<Claims>>,
}

/// Why there is no token key.
#[derive(Debug)]
pub enum NoKey {
    /// The vault failed.
    Vault(VaultError),
    /// What the vault holds is not a key, or none could be made.
    Broken,
}

impl fmt::Display for NoKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoKey::Vault(error) => write!(f, "the token key cannot be read: {error}"),
            NoKey::Broken => f.write_str("the token key in the vault is not a P-256 key, and none could be made"),
        }
    }
}

impl Tokens {
    /// With the key in the vault; the first start makes it.
    pub async fn open(vault: &Vault) -> Result<Self, NoKey> {
        let make = || {
            let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
            made.map(|made| Zeroizing::new(made.as_ref().to_vec()))
        };
        let kept = key::kept_or(vault, "access-tokens", make).await.map_err(NoKey::Vault)?;
        Self::from_pkcs8(&kept.map_err(|_| NoKey::Broken)?)
    }

    fn from_pkcs8(pkcs8: &[u8]) -> Result<Self, NoKey> {
        let rng = SystemRandom::new();
        let pair =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8, &rng).map_err(|_| NoKey::Broken)?;
        let (x, y) = coordinates(&pair);
        // RFC 7638: the members in order of their names, no blanks.
        let kid = B64.encode(Sha256::digest(format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#)));
        Ok(Self { pair, kid, rng, verified: Mutex::default() })
    }

    /// The public key as a JSON Web Key Set (RFC 7517).
    pub fn key_set(&self) -> serde_json::Value {
        let (x, y) = coordinates(&self.pair);
        serde_json::json!({"keys": [
            {"kty": "EC", "use": "sig", "alg": ALGORITHM, "crv": "P-256", "kid": self.kid, "x": x, "y": y}
        ]})
    }

    /// Signs what a token is to say.
    pub fn sign(&self, claims: &Claims) -> Result<String, NoRandomness> {
        self.sign_as(TYPE, claims)
    }

    /// Signs who has signed in, for a program to read.
    pub fn sign_id(&self, claims: &IdClaims<'_>) -> Result<String, NoRandomness> {
        self.sign_as(ID_TYPE, claims)
    }

    fn sign_as(&self, typ: &str, claims: &impl Serialize) -> Result<String, NoRandomness> {
        let header = Header { alg: ALGORITHM, kid: &self.kid, typ };
        let (header, claims) = (serde_json::to_vec(&header), serde_json::to_vec(claims));
        let (Ok(header), Ok(claims)) = (header, claims) else { return Err(NoRandomness) };
        let mut token = format!("{}.{}", B64.encode(header), B64.encode(claims));
        let signature = self.pair.sign(&self.rng, token.as_bytes()).map_err(|_| NoRandomness)?;
        token.push('.');
        token.push_str(&B64.encode(signature));
        Ok(token)
    }

    /// What a token says, if this server signed it, for these terms, and it is good now.
    pub fn verify(&self, token: &str, terms: &Terms, now: Time) -> Result<Arc<Claims>, Unaccepted> {
        if token.len() > TOKEN_MAX {
            return Err(Unaccepted::Forged);
        }
        let hash: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let known = self.verified.lock().get(&hash);
        let claims = match known {
            Some(claims) => claims,
            None => {
                let claims = Arc::new(self.signed(token).ok_or(Unaccepted::Forged)?);
                self.verified.lock().keep(hash, Arc::clone(&claims));
                claims
            }
        };
        if claims.tid != terms.tenant || claims.iss != terms.issuer {
            return Err(Unaccepted::Issuer);
        }
        if !terms.audiences.contains(&claims.aud) {
            return Err(Unaccepted::Audience);
        }
        if now.seconds() >= claims.exp {
            return Err(Unaccepted::Expired);
        }
        if now.seconds() < claims.nbf {
            return Err(Unaccepted::Early);
        }
        Ok(claims)
    }

    fn signed(&self, token: &str) -> Option<Claims> {
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let header = B64.decode(header).ok()?;
        let header: Header<'_> = serde_json::from_slice(&header).ok()?;
        if header.alg != ALGORITHM || header.kid != self.kid || header.typ != TYPE {
            return None;
        }
        let signature = B64.decode(signature).ok()?;
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, self.pair.public_key());
        key.verify(signed.as_bytes(), &signature).ok()?;
        let claims: Claims = serde_json::from_slice(&B64.decode(claims).ok()?).ok()?;
        // A token is of one kind: somebody's, with scopes and proofs; or a program's own, with roles and neither.
        let own = match claims.idtyp.as_deref() {
            None => claims.roles.is_empty(),
            Some(APP) => claims.scp.is_empty() && claims.mfa_time.is_none() && claims.acrs.is_empty(),
            Some(_) => false,
        };
        (claims.sub == claims.oid && own).then_some(claims)
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tokens(key {})", self.kid)
    }
}

impl Remembered {
    fn get(&self, hash: &[u8; 32]) -> Option<Arc<Claims>> {
        self.newer.get(hash).or_else(|| self.older.get(hash)).cloned()
    }

    fn keep(&mut self, hash: [u8; 32], claims: Arc<Claims>) {
        if self.newer.len() >= REMEMBERED {
            self.older = std::mem::take(&mut self.newer);
        }
        self.newer.insert(hash, claims);
    }
}

/// The public point, past its leading 4 ("uncompressed", SEC 1 section 2.3.3).
fn coordinates(pair: &EcdsaKeyPair) -> (String, String) {
    let point = pair.public_key().as_ref();
    (B64.encode(&point[1..33]), B64.encode(&point[33..65]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn terms() -> Terms {
        Terms {
            issuer: "https://writ.example/t/v2.0".into(),
            audiences: vec!["https://graph.microsoft.com".into(), "https://writ.example".into()],
            tenant: TenantId::from_u128(7),
        }
    }

    fn claims() -> Claims {
        let who = PrincipalId::from_u128(1);
        Claims {
            iss: terms().issuer,
            aud: terms().audiences[0].clone(),
            sub: who,
            oid: who,
            upn: Some("ana@northwind.example".into()),
            tid: terms().tenant,
            scp: "User.Read".into(),
            roles: Vec::new(),
            idtyp: None,
            amr: vec!["pwd".into(), "otp".into(), "mfa".into()],
            auth_time: 1000,
            mfa_time: Some(1000),
            appid: None,
            acrs: vec!["c1".into()],
            sid: SessionId::from_u128(2),
            jti: Uuid::from_u128(3),
            iat: 1000,
            nbf: 1000,
            exp: 4600,
        }
    }

    fn at(seconds: i64) -> Time {
        Time::from_millis(seconds * 1000)
    }

    fn fresh() -> Tokens {
        let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).unwrap();
        Tokens::from_pkcs8(made.as_ref()).unwrap()
    }

    /// Signs any header and body with our own key, as nobody but us can: what is refused then is refused for its words.
    fn sign_raw(tokens: &Tokens, header: &str, body: &str) -> String {
        let signed = format!("{}.{}", B64.encode(header), B64.encode(body));
        let signature = tokens.pair.sign(&tokens.rng, signed.as_bytes()).unwrap();
        format!("{signed}.{}", B64.encode(signature))
    }

    #[test]
    fn a_token_says_what_was_signed_until_it_is_over() {
        let tokens = fresh();
        let token = tokens.sign(&claims()).unwrap();
        for _ in 0..2 {
            // The second time it comes from memory; its times count all the same.
            assert_eq!(*tokens.verify(&token, &terms(), at(1000)).unwrap(), claims());
            assert_eq!(*tokens.verify(&token, &terms(), at(4599)).unwrap(), claims());
            assert_eq!(tokens.verify(&token, &terms(), at(4600)), Err(Unaccepted::Expired));
            assert_eq!(tokens.verify(&token, &terms(), at(999)), Err(Unaccepted::Early));
        }
    }

    #[test]
    fn a_token_of_another_key_tenant_issuer_or_audience_is_refused() {
        let tokens = fresh();
        let foreign = fresh().sign(&claims()).unwrap();
        assert_eq!(tokens.verify(&foreign, &terms(), at(2000)), Err(Unaccepted::Forged));
        for (claims, why) in [
            (Claims { tid: TenantId::from_u128(8), ..claims() }, Unaccepted::Issuer),
            (Claims { iss: "https://writ.example/other/v2.0".into(), ..claims() }, Unaccepted::Issuer),
            (Claims { aud: "https://vault.example".into(), ..claims() }, Unaccepted::Audience),
            (Claims { aud: "https://writ.example/".into(), ..claims() }, Unaccepted::Audience),
            (Claims { oid: PrincipalId::from_u128(9), ..claims() }, Unaccepted::Forged),
        ] {
            let token = tokens.sign(&claims).unwrap();
            assert_eq!(tokens.verify(&token, &terms(), at(2000)), Err(why));
        }
    }

    #[test]
    fn no_other_algorithm_key_or_header_is_accepted() {
        let tokens = fresh();
        let body = serde_json::to_string(&claims()).unwrap();
        let kid = tokens.kid.clone();
        let good = format!(r#"{{"alg":"ES256","kid":"{kid}","typ":"at+jwt"}}"#);
        assert!(tokens.verify(&sign_raw(&tokens, &good, &body), &terms(), at(2000)).is_ok());
        for header in [
            format!(r#"{{"alg":"none","kid":"{kid}","typ":"at+jwt"}}"#),
            format!(r#"{{"alg":"es256","kid":"{kid}","typ":"at+jwt"}}"#),
            format!(r#"{{"alg":"HS256","kid":"{kid}","typ":"at+jwt"}}"#),
            format!(r#"{{"alg":"ES256","kid":"{kid}","typ":"JWT"}}"#),
            format!(r#"{{"alg":"ES256","kid":"{kid}","typ":"at+jwt","jwk":{{}}}}"#),
            format!(r#"{{"alg":"ES256","kid":"{kid}","typ":"at+jwt","crit":["x"]}}"#),
            format!(r#"{{"alg":"none","alg":"ES256","kid":"{kid}","typ":"at+jwt"}}"#),
            r#"{"alg":"ES256","kid":"","typ":"at+jwt"}"#.into(),
            r#"{"alg":"ES256","typ":"at+jwt"}"#.into(),
            "{}".into(),
            "[]".into(),
        ] {
            assert_eq!(
                tokens.verify(&sign_raw(&tokens, &header, &body), &terms(), at(2000)),
                Err(Unaccepted::Forged),
                "{header}"
            );
        }
        // Unsigned, and signed with what everybody knows: the public key as an HMAC secret.
        let none = format!("{}.{}.", B64.encode(r#"{"alg":"none"}"#), B64.encode(&body));
        assert_eq!(tokens.verify(&none, &terms(), at(2000)), Err(Unaccepted::Forged));
        let signed = format!("{}.{}", B64.encode(good.replace("ES256", "HS256")), B64.encode(&body));
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, tokens.pair.public_key().as_ref());
        let tag = ring::hmac::sign(&key, signed.as_bytes());
        let confused = format!("{signed}.{}", B64.encode(tag));
        assert_eq!(tokens.verify(&confused, &terms(), at(2000)), Err(Unaccepted::Forged));
    }

    #[test]
    fn a_claim_too_many_or_too_few_is_refused() {
        let tokens = fresh();
        let header = format!(r#"{{"alg":"ES256","kid":"{}","typ":"at+jwt"}}"#, tokens.kid);
        let body = serde_json::to_value(claims()).unwrap();
        let mut more = body.clone();
        more["wids"] = serde_json::json!(["62e90394-69f5-4237-9190-012177145e10"]);
        let mut fewer = body.clone();
        fewer.as_object_mut().unwrap().remove("exp");
        for wrong in [more, fewer] {
            let token = sign_raw(&tokens, &header, &wrong.to_string());
            assert_eq!(tokens.verify(&token, &terms(), at(2000)), Err(Unaccepted::Forged));
        }
    }

    #[test]
    fn a_token_is_somebodys_or_a_programs_own_and_never_both() {
        let tokens = fresh();
        let own = Claims {
            scp: String::new(),
            roles: vec!["User.Read.All".into()],
            idtyp: Some(APP.into()),
            mfa_time: None,
            acrs: Vec::new(),
            ..claims()
        };
        assert!(tokens.verify(&tokens.sign(&own).unwrap(), &terms(), at(2000)).is_ok());
        for mixed in [
            Claims { roles: own.roles.clone(), ..claims() },
            Claims { scp: "User.Read".into(), ..own.clone() },
            Claims { mfa_time: Some(1000), ..own.clone() },
            Claims { acrs: vec!["c1".into()], ..own.clone() },
            Claims { idtyp: Some("user".into()), ..claims() },
            Claims { idtyp: None, ..own.clone() },
        ] {
            let token = tokens.sign(&mixed).unwrap();
            assert_eq!(tokens.verify(&token, &terms(), at(2000)), Err(Unaccepted::Forged), "{mixed:?}");
        }
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let tokens = fresh();
        for n in 0..3 * REMEMBERED as u128 {
            let hash: [u8; 32] = Sha256::digest(n.to_be_bytes()).into();
            tokens.verified.lock().keep(hash, Arc::new(claims()));
        }
        let remembered = tokens.verified.lock();
        assert!(remembered.newer.len() + remembered.older.len() <= 2 * REMEMBERED);
    }

    #[tokio::test]
    async fn the_key_is_made_once_and_published() {
        let vault = Vault::memory(TenantId::from_u128(7), [1; 32]);
        let (first, second) = (Tokens::open(&vault).await.unwrap(), Tokens::open(&vault).await.unwrap());
        let token = first.sign(&claims()).unwrap();
        assert!(second.verify(&token, &terms(), at(2000)).is_ok(), "a restart keeps the key");
        let set = first.key_set();
        let key = &set["keys"][0];
        let part = |name: &str| B64.decode(key[name].as_str().unwrap()).unwrap();
        let point = [vec![4], part("x"), part("y")].concat();
        let (signed, signature) = token.rsplit_once('.').unwrap();
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
            .verify(signed.as_bytes(), &B64.decode(signature).unwrap())
            .expect("anybody can verify with the published key");
        assert!(key.get("d").is_none() && !set.to_string().contains("\"d\""), "never the private part");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_token_changed_anywhere_is_refused(place in 0usize..900, with in any::<u8>()) {
            let tokens = fresh();
            let mut token = tokens.sign(&claims()).unwrap().into_bytes();
            let place = place % token.len();
            prop_assume!(token[place] != with);
            token[place] = with;
            let token = String::from_utf8_lossy(&token).into_owned();
            prop_assert_eq!(tokens.verify(&token, &terms(), at(2000)), Err(Unaccepted::Forged));
        }

        #[test]
        fn nothing_made_up_is_accepted_or_panics(token in ".{0,200}", dots in "[A-Za-z0-9_-]{0,80}\\.[A-Za-z0-9_-]{0,80}\\.[A-Za-z0-9_-]{0,90}") {
            let tokens = fresh();
            prop_assert!(tokens.verify(&token, &terms(), at(2000)).is_err());
            prop_assert!(tokens.verify(&dots, &terms(), at(2000)).is_err());
        }
    }

    #[test]
    fn a_huge_token_is_refused_unread() {
        let huge = "A".repeat(10_000_000);
        assert_eq!(fresh().verify(&huge, &terms(), at(2000)), Err(Unaccepted::Forged));
    }
}
