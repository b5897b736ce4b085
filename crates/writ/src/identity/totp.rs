//! Time-based one-time codes (RFC 6238: HMAC-SHA-1, 6 digits, 30 s), as every authenticator app makes them.
//! It never reads a clock and never stores; a [`Totp`] is what the vault's row holds.
//!
//! Always: a step that was accepted, and every earlier one, is never accepted again. The caller makes the consumed
//! state durable by compare-and-set before anything is decided on it.

use super::random::{self, NoRandomness};
use ring::hmac;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use writ_core::time::Time;
use zeroize::{Zeroize, Zeroizing};

/// How long one code lasts, in seconds.
pub const STEP: i64 = 30;
/// How many steps a clock may be off, to either side.
pub const WINDOW: i64 = 1;
/// The length of a fresh seed in bytes: the length of the hash, as RFC 4226 section 4 recommends.
const SEED: usize = 20;
const DIGITS: u32 = 6;

/// A seed with the last step that was accepted.
#[derive(Clone, Serialize, Deserialize)]
pub struct Totp {
    /// The seed in base32, as the app shows it.
    seed: String,
    /// The last step that was accepted; 0 for none.
    last: i64,
}

impl Drop for Totp {
    fn drop(&mut self) {
        self.seed.zeroize();
    }
}

impl Totp {
    /// A fresh random seed.
    pub fn fresh() -> Result<Self, NoRandomness> {
        Ok(Self { seed: base32(&*random::bytes::<SEED>()?), last: 0 })
    }

    /// With a seed in base32 as [`Totp::fresh`] makes them; none of its codes has been used.
    pub fn with_seed(seed: &str) -> Option<Self> {
        let ours = seed.len() == SEED.div_ceil(5) * 8 && seed.bytes().all(|c| ALPHABET.contains(&c));
        ours.then(|| Self { seed: seed.to_owned(), last: 0 })
    }

    /// From what the vault holds.
    pub fn from_row(secret: &[u8]) -> Option<Self> {
        serde_json::from_slice(secret).ok()
    }

    /// What the vault holds.
    pub fn to_row(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(serde_json::to_vec(self).unwrap_or_default())
    }

    /// The seed in base32, without padding, for typing into an app.
    pub fn seed(&self) -> &str {
        &self.seed
    }

    /// The same with its last step consumed, if `code` is right now and was not used before; its row is to be written
    /// by compare-and-set before the code counts.
    pub fn consume(&self, code: &str, now: Time) -> Option<Self> {
        let step = self.accepts(code, now)?;
        Some(Self { seed: self.seed.clone(), last: step })
    }

    /// The step at which this code is right, within the window and later than the last one used.
    fn accepts(&self, code: &str, now: Time) -> Option<i64> {
        let digits: Zeroizing<Vec<u8>> = Zeroizing::new(code.bytes().filter(|c| *c != b' ').take(16).collect());
        let well_formed = code.len() <= 16 && digits.len() == DIGITS as usize && digits.iter().all(u8::is_ascii_digit);
        let seed = Zeroizing::new(unbase32(&self.seed)?);
        let here = now.seconds().div_euclid(STEP);
        let mut found = None;
        // Every step of the window is computed, whichever matches, so that the time taken tells nothing.
        for step in here - WINDOW..=here + WINDOW {
            let same = bool::from(code_at(&seed, step).as_bytes().ct_eq(&digits));
            if same && well_formed && step > self.last && found.is_none() {
                found = Some(step);
            }
        }
        found
    }

    /// The code that an app with this seed shows at a moment; for tests and for the demo's own people.
    pub fn code(&self, at: Time) -> Option<Zeroizing<String>> {
        Some(code_at(&Zeroizing::new(unbase32(&self.seed)?), at.seconds().div_euclid(STEP)))
    }

    /// The link that authenticator apps read, also from a QR code (the "Key Uri Format").
    pub fn link(&self, issuer: &str, account: &str) -> Zeroizing<String> {
        use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
        let quoted = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        Zeroizing::new(format!(
            "otpauth://totp/{issuer}:{account}?secret={}&issuer={issuer}&algorithm=SHA1&digits={DIGITS}&period={STEP}",
            self.seed,
            issuer = quoted(issuer),
            account = quoted(account),
        ))
    }
}

impl std::fmt::Debug for Totp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Totp(last step {})", self.last)
    }
}

/// RFC 4226, section 5.3.
fn code_at(seed: &[u8], step: i64) -> Zeroizing<String> {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, seed);
    let tag = hmac::sign(&key, &step.to_be_bytes());
    let tag = tag.as_ref();
    let at = usize::from(tag[tag.len() - 1] & 0x0f);
    let word = u32::from_be_bytes([tag[at] & 0x7f, tag[at + 1], tag[at + 2], tag[at + 3]]);
    Zeroizing::new(format!("{:06}", word % 10u32.pow(DIGITS)))
}

const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// RFC 4648 base32 without padding.
fn base32(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(5) * 8);
    for chunk in bytes.chunks(5) {
        let mut block = [0u8; 8];
        block[3..3 + chunk.len()].copy_from_slice(chunk);
        let bits = u64::from_be_bytes(block);
        for place in 0..(chunk.len() * 8).div_ceil(5) {
            out.push(char::from(ALPHABET[(bits >> (35 - 5 * place) & 31) as usize]));
        }
    }
    out
}

fn unbase32(text: &str) -> Option<Vec<u8>> {
    let (mut out, mut bits, mut count) = (Vec::with_capacity(text.len() * 5 / 8), 0u32, 0u32);
    for c in text.bytes().filter(|c| !matches!(c, b' ' | b'=')) {
        let value = ALPHABET.iter().position(|a| *a == c.to_ascii_uppercase())?;
        bits = (bits << 5 | value as u32) & 0xfff;
        count += 5;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count & 0xff) as u8);
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The seed of RFC 6238, appendix B.
    fn rfc() -> Totp {
        Totp { seed: base32(b"12345678901234567890"), last: 0 }
    }

    fn at(seconds: i64) -> Time {
        Time::from_millis(seconds * 1000)
    }

    #[test]
    fn codes_are_those_of_rfc_6238() {
        for (seconds, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(*rfc().code(at(seconds)).unwrap(), code);
            assert!(rfc().consume(code, at(seconds)).is_some());
        }
    }

    #[test]
    fn base32_is_rfc_4648s() {
        for (plain, coded) in [
            ("", ""),
            ("f", "MY"),
            ("fo", "MZXQ"),
            ("foo", "MZXW6"),
            ("foob", "MZXW6YQ"),
            ("fooba", "MZXW6YTB"),
            ("foobar", "MZXW6YTBOI"),
        ] {
            assert_eq!(base32(plain.as_bytes()), coded);
            assert_eq!(unbase32(coded).unwrap(), plain.as_bytes());
        }
        assert_eq!(unbase32("mzxw 6ytb oi==").unwrap(), b"foobar");
        assert_eq!(unbase32("MZXW1"), None);
    }

    #[test]
    fn a_code_counts_once_and_never_after_a_later_one() {
        let (fresh, now) = (rfc(), at(1_700_000_000));
        let code = fresh.code(now).unwrap();
        let before = fresh.code(at(1_700_000_000 - STEP)).unwrap();
        let used = fresh.consume(&code, now).unwrap();
        assert!(used.consume(&code, now).is_none(), "replayed");
        assert!(used.consume(&before, now).is_none(), "an earlier step after a later one");
        let next = at(1_700_000_000 + STEP);
        assert!(used.consume(&code, next).is_none(), "replayed within the window");
        assert!(used.consume(&fresh.code(next).unwrap(), next).is_some());
    }

    #[test]
    fn a_code_counts_one_step_early_or_late_and_no_more() {
        let now = 1_700_000_010;
        let code = rfc().code(at(now)).unwrap();
        for (off, counts) in [(-2, false), (-1, true), (0, true), (1, true), (2, false), (2880, false)] {
            assert_eq!(rfc().consume(&code, at(now + off * STEP)).is_some(), counts, "{off} steps");
        }
    }

    #[test]
    fn odd_codes_are_refused() {
        let now = at(59);
        for code in [
            "",
            "28708",
            "2870822",
            "28708２",
            "287082\n",
            "-87082",
            "0x2870",
            &"287082".repeat(100_000),
            "２８７０８２",
        ] {
            assert!(rfc().consume(code, now).is_none(), "{}", &code[..code.len().min(20)]);
        }
        assert!(rfc().consume("287 082", now).is_some(), "as apps show it");
    }

    #[test]
    fn the_link_says_who_and_the_row_comes_back() {
        assert_eq!(
            *rfc().link("Northwind Ltd", "ana@northwind.example"),
            "otpauth://totp/Northwind%20Ltd:ana%40northwind%2Eexample?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\
             &issuer=Northwind%20Ltd&algorithm=SHA1&digits=6&period=30"
        );
        let fresh = Totp::fresh().unwrap();
        assert_eq!(fresh.seed().len(), 32);
        assert_eq!(Totp::from_row(&fresh.to_row()).unwrap().seed(), fresh.seed());
        assert_ne!(fresh.seed(), Totp::fresh().unwrap().seed());
    }
}
