//! Generated secrets that people copy by hand: an emergency account's secret (160 bits) and single-use codes.
//! It never keeps one: only the SHA-256 is stored. A random secret needs no slow hash, there is nothing to guess at.
//!
//! Always: what is compared is compared in constant time.

use super::random::{self, NoRandomness};

use sha2::{Digest, Sha256};
use std::fmt;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// No I, L, O or U: nothing to misread, nothing rude (Crockford's alphabet).
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Characters of an emergency secret: 32 × 5 bits = 160 bits.
const EMERGENCY: usize = 32;
/// Characters of a single-use code: 20 × 5 bits = 100 bits.
const CODE: usize = 20;
/// Characters in one group.
const GROUP: usize = 4;
/// The longest text that is looked at; longer ones are nobody's secret.
const TEXT_MAX: usize = 128;

/// A secret as it is shown, once; wiped when dropped.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

/// What is stored of a secret.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Hash([u8; 32]);

impl Secret {
    /// A fresh secret for an emergency account.
    pub fn emergency() -> Result<Self, NoRandomness> {
        Self::fresh(EMERGENCY)
    }

    /// A fresh single-use code.
    pub fn code() -> Result<Self, NoRandomness> {
        Self::fresh(CODE)
    }

    fn fresh(characters: usize) -> Result<Self, NoRandomness> {
        let random = random::bytes::<EMERGENCY>()?;
        let mut text = String::with_capacity(characters + characters / GROUP);
        for (place, byte) in random.iter().take(characters).enumerate() {
            if place > 0 && place % GROUP == 0 {
                text.push('-');
            }
            // 256 is a multiple of 32, so each character is equally likely.
            text.push(char::from(ALPHABET[usize::from(byte & 31)]));
        }
        Ok(Self(Zeroizing::new(text)))
    }

    /// The text to show: groups of four characters.
    pub fn shown(&self) -> &str {
        &self.0
    }

    /// What to store.
    pub fn hash(&self) -> Hash {
        hash(&self.0)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hash(…)")
    }
}

impl Hash {
    /// From what the vault holds.
    pub fn from_row(secret: &[u8]) -> Option<Self> {
        Some(Self(secret.try_into().ok()?))
    }

    /// What the vault holds.
    pub fn to_row(self) -> [u8; 32] {
        self.0
    }

    /// Whether a text, as somebody typed it, is the secret with this hash. Case, blanks and hyphens do not matter, and
    /// O, I and L are read as the digits they look like.
    pub fn is_of(&self, typed: &str) -> bool {
        typed.len() <= TEXT_MAX && bool::from(hash(typed).0.ct_eq(&self.0))
    }
}

/// The hash of a typed secret, by which its row is found without the secret being anywhere in an address.
pub fn hash(typed: &str) -> Hash {
    let mut plain = Zeroizing::new(String::with_capacity(TEXT_MAX));
    for c in typed.chars().take(TEXT_MAX) {
        match c.to_ascii_uppercase() {
            '-' | '–' | '‐' | '_' => {}
            c if c.is_whitespace() => {}
            'O' => plain.push('0'),
            'I' | 'L' => plain.push('1'),
            c => plain.push(c),
        }
    }
    Hash(Sha256::digest(plain.as_bytes()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_emergency_secret_has_160_bits_in_groups_of_four() {
        let secret = Secret::emergency().unwrap();
        let groups: Vec<&str> = secret.shown().split('-').collect();
        assert_eq!(groups.len(), 8);
        assert!(groups.iter().all(|g| g.len() == 4 && g.bytes().all(|c| ALPHABET.contains(&c))), "{groups:?}");
        assert_eq!(Secret::code().unwrap().shown().len(), 24);
    }

    #[test]
    fn secrets_differ_and_use_the_whole_alphabet() {
        let mut seen = std::collections::BTreeSet::new();
        let mut letters = std::collections::BTreeSet::new();
        for _ in 0..200 {
            let secret = Secret::emergency().unwrap();
            letters.extend(secret.shown().bytes());
            assert!(seen.insert(secret.shown().to_owned()));
        }
        assert_eq!(letters.len(), 33, "32 characters and the hyphen");
    }

    #[test]
    fn a_secret_is_known_however_it_is_typed_and_no_other_is() {
        let secret = Secret::emergency().unwrap();
        let hash = secret.hash();
        assert!(hash.is_of(secret.shown()));
        assert!(hash.is_of(&secret.shown().to_lowercase().replace('-', " ")));
        assert!(hash.is_of(&secret.shown().replace('0', "o").replace('1', "l")));
        assert!(!hash.is_of(""));
        assert!(!hash.is_of(Secret::emergency().unwrap().shown()));
        let shown = secret.shown();
        for cut in 0..shown.len() {
            assert!(!hash.is_of(&shown[..cut]), "a part is not the whole");
        }
        assert!(!hash.is_of(&format!("{}{}", shown, " ".repeat(200))));
        assert!(!hash.is_of(&"\u{0}é".repeat(50_000)));
        assert_eq!(Hash::from_row(&hash.to_row()), Some(hash));
        assert_eq!(Hash::from_row(b"short"), None);
        assert!(!format!("{secret:?}{hash:?}").contains(&shown[..4]));
    }
}
