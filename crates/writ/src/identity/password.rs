//! Passwords: what a good one is, and hashing them with argon2id on a small pool of their own.
//! It never stores a password, and never works on the threads that answer requests.
//!
//! Always: at most [`AT_ONCE`] hashes are computed at once and at most [`QUEUE_MAX`] callers wait, so that a flood of
//! sign-ins costs the flood its answers and the server neither its memory nor its other work.

use super::random::{self, NoRandomness};
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use std::fmt;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use zeroize::Zeroizing;

/// How many hashes are computed at once. Each takes 19 MiB and about 15 ms of one core.
pub const AT_ONCE: usize = 2;
/// How many callers may wait for their turn; the next one is told to come back later.
pub const QUEUE_MAX: usize = 64;
/// The shortest password, in characters (NIST SP 800-63B asks for at least 8 beside a second factor).
pub const CHARACTERS_MIN: usize = 12;
/// The longest password, in bytes. Long enough for any phrase, short enough to hash without thinking.
pub const BYTES_MAX: usize = 256;

/// Memory in KiB, passes and lanes: the first of the equivalent settings that OWASP's Password Storage Cheat Sheet
/// gives for argon2id.
const COST: (u32, u32, u32) = (19 * 1024, 2, 1);

/// The most common passwords of twelve characters and more, and what this product's own people would try first.
const COMMON: &[&str] = &[
    "123456789012",
    "1234567890123",
    "12345678901234",
    "123123123123",
    "111111111111",
    "000000000000",
    "123456123456",
    "abcdefghijkl",
    "abcdefghijklm",
    "abcd12345678",
    "abc123456789",
    "aaaaaaaaaaaa",
    "administrator",
    "administrator1",
    "adminadminadmin",
    "admin1234567",
    "changemechangeme",
    "changeme1234",
    "correct horse battery staple",
    "correcthorsebatterystaple",
    "iloveyou1234",
    "iloveyouiloveyou",
    "letmeinletmein",
    "letmein12345",
    "password1234",
    "password12345",
    "password123456",
    "passwordpassword",
    "passw0rd1234",
    "p@ssw0rd1234",
    "p@ssword1234",
    "qwerty123456",
    "qwertyqwerty",
    "qwertyuiop12",
    "qwertyuiop123",
    "qwertyuiopasdf",
    "q1w2e3r4t5y6",
    "1q2w3e4r5t6y",
    "1qaz2wsx3edc",
    "1qazxsw23edc",
    "qazwsxedcrfv",
    "superadmin123",
    "welcome12345",
    "welcomewelcome",
    "zaq12wsxcde3",
    "asdfghjkl123",
    "asdfasdfasdf",
    "trustno1trustno1",
    "summer2026!!",
    "winter2026!!",
    "writwritwrit",
];

/// Why a password cannot be taken; each says what would be right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// Shorter than [`CHARACTERS_MIN`].
    Short,
    /// Longer than [`BYTES_MAX`].
    Long,
    /// The user principal name, its first part, or a text made of little else.
    Name,
    /// Known to everybody.
    Common,
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unfit::Short => write!(
                f,
                "A password needs at least {CHARACTERS_MIN} characters; four or five unrelated words make a good one."
            ),
            Unfit::Long => write!(f, "A password may have at most {BYTES_MAX} bytes."),
            Unfit::Name => f.write_str(
                "A password must not be made from your user name; choose words that have nothing to do with you.",
            ),
            Unfit::Common => f.write_str(
                "This password is one of the first that anybody would try; choose four or five unrelated words.",
            ),
        }
    }
}

/// Whether a password is good enough for this user principal name.
pub fn fit(password: &str, upn: &str) -> Result<(), Unfit> {
    if password.chars().count() < CHARACTERS_MIN {
        return Err(Unfit::Short);
    }
    if password.len() > BYTES_MAX {
        return Err(Unfit::Long);
    }
    let lower = Zeroizing::new(password.to_lowercase());
    let upn = upn.to_lowercase();
    let local = upn.split('@').next().unwrap_or_default();
    // "ana@northwind.example1" is still the name; a short name inside a long phrase is not.
    let mostly = |part: &str| !part.is_empty() && lower.contains(part) && lower.len() < 2 * part.len();
    if mostly(&upn) || mostly(local) {
        return Err(Unfit::Name);
    }
    let mut kinds: Vec<char> = lower.chars().collect();
    kinds.sort_unstable();
    kinds.dedup();
    if kinds.len() < 3 || COMMON.contains(&lower.trim_end_matches('!')) || COMMON.contains(&lower.as_str()) {
        return Err(Unfit::Common);
    }
    Ok(())
}

/// Why no hash was computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotHashed {
    /// Too many are waiting; try again in a few seconds.
    Busy,
    /// The system failed: no randomness, no memory.
    Failed,
}

impl From<NoRandomness> for NotHashed {
    fn from(_: NoRandomness) -> Self {
        NotHashed::Failed
    }
}

/// The pool that hashes passwords. Clones share it.
#[derive(Clone)]
pub struct Passwords {
    turns: Arc<Semaphore>,
    places: Arc<Semaphore>,
    /// A hash of nobody's password, compared when there is no account, so that both cases take as long.
    decoy: Arc<str>,
    /// How often a password was compared with a hash.
    #[cfg(test)]
    compared: Arc<std::sync::atomic::AtomicU32>,
}

impl Passwords {
    /// A pool with nobody waiting.
    pub fn new() -> Result<Self, NotHashed> {
        let decoy = hash(&*random::bytes::<16>()?)?;
        Ok(Self {
            turns: Arc::new(Semaphore::new(AT_ONCE)),
            places: Arc::new(Semaphore::new(AT_ONCE + QUEUE_MAX)),
            decoy: decoy.into(),
            #[cfg(test)]
            compared: Arc::default(),
        })
    }

    /// The argon2id hash of a password, as a PHC string.
    pub async fn hash(&self, password: Zeroizing<String>) -> Result<String, NotHashed> {
        self.run(move || hash(password.as_bytes())).await?
    }

    /// Whether the password is the one that was hashed. With no hash at all the answer is no, after the same work.
    pub async fn verify(
        &self,
        password: Zeroizing<String>,
        stored: Option<Zeroizing<String>>,
    ) -> Result<bool, NotHashed> {
        let decoy = Arc::clone(&self.decoy);
        #[cfg(test)]
        self.compared.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.run(move || {
            // A text longer than any password is not hashed in full: its length is the caller's own secret.
            let mut end = password.len().min(BYTES_MAX + 1);
            while !password.is_char_boundary(end) {
                end -= 1;
            }
            let text = &password.as_bytes()[..end];
            let (known, phc) = match &stored {
                Some(stored) => (true, stored.as_str()),
                None => (false, &*decoy),
            };
            let Ok(phc) = PasswordHash::new(phc) else { return false };
            let matches = Argon2::default().verify_password(text, &phc).is_ok();
            matches && known && password.len() <= BYTES_MAX
        })
        .await
    }

    /// How often a password was compared with a hash, whether there was one or not.
    #[cfg(test)]
    pub(super) fn compared(&self) -> u32 {
        self.compared.load(std::sync::atomic::Ordering::Relaxed)
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, NotHashed> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| NotHashed::Busy)?;
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| NotHashed::Failed)?;
        // Both are held by the work itself: a caller who hangs up does not free a core that is still busy.
        let held: (OwnedSemaphorePermit, OwnedSemaphorePermit) = (place, turn);
        let done = tokio::task::spawn_blocking(move || {
            let result = work();
            drop(held);
            result
        });
        done.await.map_err(|_| NotHashed::Failed)
    }
}

fn hash(password: &[u8]) -> Result<String, NotHashed> {
    let (memory, passes, lanes) = COST;
    let params = Params::new(memory, passes, lanes, None).map_err(|_| NotHashed::Failed)?;
    let salt = random::bytes::<16>()?;
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    Ok(argon.hash_password_with_salt(password, &*salt).map_err(|_| NotHashed::Failed)?.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Zeroizing<String> {
        Zeroizing::new(text.to_owned())
    }

    #[test]
    fn a_password_is_long_and_not_the_name_and_not_everybodys() {
        let upn = "ana.silva@northwind.example";
        for (password, verdict) in [
            ("", Err(Unfit::Short)),
            ("elevenchars", Err(Unfit::Short)),
            ("пароль-ёё", Err(Unfit::Short)),
            ("Ana.Silva@Northwind.Example", Err(Unfit::Name)),
            ("ana.silva@northwind.example1", Err(Unfit::Name)),
            ("ana.silva2026", Err(Unfit::Name)),
            ("Password1234", Err(Unfit::Common)),
            ("Password1234!!!", Err(Unfit::Common)),
            ("aaaaaaaaaaaaaaaaaaaaa", Err(Unfit::Common)),
            ("abababababababab", Err(Unfit::Common)),
            ("four unrelated plain words", Ok(())),
            ("the one where ana.silva wins a bicycle", Ok(())),
            ("тридцать три коровы", Ok(())),
        ] {
            assert_eq!(fit(password, upn), verdict, "{password}");
        }
        assert_eq!(fit(&"word ".repeat(60), upn), Err(Unfit::Long));
    }

    #[tokio::test]
    async fn a_password_is_known_again_and_another_is_not() {
        let pool = Passwords::new().unwrap();
        let stored = pool.hash(text("four unrelated plain words")).await.unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        let stored = || Some(text(&stored));
        assert_eq!(pool.verify(text("four unrelated plain words"), stored()).await, Ok(true));
        assert_eq!(pool.verify(text("four unrelated plain wordz"), stored()).await, Ok(false));
        assert_eq!(pool.verify(text(""), stored()).await, Ok(false));
        assert_eq!(pool.verify(text(&"é".repeat(100_000)), stored()).await, Ok(false));
        assert_eq!(pool.verify(text("four unrelated plain words"), None).await, Ok(false));
        assert_eq!(pool.verify(text("x"), Some(text("not a hash"))).await, Ok(false));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_flood_is_told_to_come_back_and_the_pool_recovers() {
        let pool = Passwords::new().unwrap();
        let mut flood = tokio::task::JoinSet::new();
        for _ in 0..4 * (AT_ONCE + QUEUE_MAX) {
            let pool = pool.clone();
            flood.spawn(async move { pool.verify(text("guess"), None).await });
        }
        let (mut busy, mut answered) = (0, 0);
        while let Some(answer) = flood.join_next().await {
            match answer.unwrap() {
                Err(NotHashed::Busy) => busy += 1,
                other => {
                    assert_eq!(other, Ok(false));
                    answered += 1;
                }
            }
        }
        assert!(busy > 0 && answered >= AT_ONCE + QUEUE_MAX, "{busy} busy, {answered} answered");
        assert_eq!(pool.verify(text("guess"), None).await, Ok(false));
    }
}
