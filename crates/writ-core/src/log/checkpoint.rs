//! A signed statement of a log's size and root hash: a C2SP signed note (tlog-checkpoint) with Ed25519.
//! It never holds the signing key; that is lent to it for one signature.
//!
//! Always: a checkpoint has one spelling, so that no changed byte reads the same; a signature counts only when it
//! is by the key that was asked for, under that key's own name.

use super::merkle::Head;
use crate::ids::TenantId;
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use core::fmt;
use core::str::FromStr;
use ed25519_dalek::{Signature, Signer as _};
pub use ed25519_dalek::{SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};

/// The longest note that is read, in bytes.
pub const NOTE_MAX: usize = 16 * 1024;
/// The most signature lines that are read: the log's own and those of witnesses.
const SIGNATURES_MAX: usize = 16;
/// The signature type of Ed25519 in a signed note.
const ED25519: u8 = 1;
/// What every signature line begins with: an em dash and a space.
const SIGNATURE: &str = "\u{2014} ";

/// The origin line of a tenant's log: its name for the whole world.
pub fn origin(tenant: TenantId) -> String {
    format!("writ/{tenant}")
}

/// The public key of a log, with the name it signs under. Its text form is the one that the Go checksum database
/// made common: `name+hash+key`.
#[derive(Clone, PartialEq, Eq)]
pub struct LogKey {
    name: String,
    key: VerifyingKey,
}

impl LogKey {
    /// The key of a tenant's log.
    pub fn new(tenant: TenantId, key: VerifyingKey) -> Self {
        Self { name: origin(tenant), key }
    }

    /// The name it signs under: the log's origin.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The key's short hash in hex: enough to tell the keys of a log apart, not enough to trust one.
    pub fn hash(&self) -> String {
        hex::encode(self.id())
    }

    /// The key's short hash, as signature lines carry it.
    fn id(&self) -> [u8; 4] {
        let hash: [u8; 32] = Sha256::new()
            .chain_update(&self.name)
            .chain_update(b"\n")
            .chain_update([ED25519])
            .chain_update(self.key.as_bytes())
            .finalize()
            .into();
        [hash[0], hash[1], hash[2], hash[3]]
    }
}

impl fmt::Display for LogKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = Vec::from([ED25519]);
        bytes.extend_from_slice(self.key.as_bytes());
        write!(f, "{}+{}+{}", self.name, hex::encode(self.id()), STANDARD.encode(bytes))
    }
}

impl fmt::Debug for LogKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for LogKey {
    type Err = CheckpointError;

    fn from_str(text: &str) -> Result<Self, CheckpointError> {
        let wrong = |why| CheckpointError::NotAKey { why };
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(wrong("a log's key has the form name+hash+key"));
        };
        if !is_name(name) {
            return Err(wrong("the name is empty or has a space or a plus sign in it"));
        }
        let bytes = STANDARD.decode(key).map_err(|_| wrong("its last part is not base64"))?;
        let Some((&ED25519, key)) = bytes.split_first() else {
            return Err(wrong("it is not an Ed25519 key"));
        };
        let key: [u8; 32] = key.try_into().map_err(|_| wrong("an Ed25519 key has 32 bytes"))?;
        let key = VerifyingKey::from_bytes(&key).map_err(|_| wrong("these bytes are no Ed25519 key"))?;
        if key.is_weak() {
            return Err(wrong("this key would accept signatures by anybody"));
        }
        let read = Self { name: name.to_owned(), key };
        // The hash is what finds a key that was copied with a mistake in it.
        if super::unhex(id) != Some(read.id()) {
            return Err(wrong("its hash does not fit its name and key: it was changed or copied badly"));
        }
        Ok(read)
    }
}

/// A name as signed notes allow it: not empty, without spaces and plus signs.
fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c.is_control() || c == '+')
}

/// What a checkpoint states: whose log, how many entries, which root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's name.
    pub origin: String,
    /// Its size and root hash.
    pub head: Head,
}

impl Checkpoint {
    /// The checkpoint of a tenant's log.
    pub fn new(tenant: TenantId, head: Head) -> Self {
        Self { origin: origin(tenant), head }
    }

    fn body(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.head.size, STANDARD.encode(self.head.root))
    }

    /// The signed note: text, an empty line, and the log's signature.
    pub fn sign(&self, key: &SigningKey) -> String {
        let body = self.body();
        let named = LogKey { name: self.origin.clone(), key: key.verifying_key() };
        let mut signature = Vec::from(named.id());
        signature.extend_from_slice(&key.sign(body.as_bytes()).to_bytes());
        format!("{body}\n{SIGNATURE}{} {}\n", self.origin, STANDARD.encode(signature))
    }
}

/// A checkpoint with its signatures, read but not yet believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    checkpoint: Checkpoint,
    body: String,
    signatures: Vec<SignatureLine>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct SignatureLine {
    name: String,
    /// Key hash and signature, as the line carries them.
    bytes: Vec<u8>,
}

impl Signed {
    /// What it states, once the signature by this key is found to be good.
    pub fn by(&self, key: &LogKey) -> Result<&Checkpoint, CheckpointError> {
        if self.checkpoint.origin != key.name {
            return Err(CheckpointError::Foreign { origin: self.checkpoint.origin.clone(), name: key.name.clone() });
        }
        let id = key.id();
        let ours = |line: &&SignatureLine| line.name == key.name && line.bytes.starts_with(&id);
        let line = self.signatures.iter().find(ours).ok_or(CheckpointError::NotSigned)?;
        let signature = Signature::from_slice(&line.bytes[id.len()..]).map_err(|_| CheckpointError::BadSignature)?;
        // The strict check: nobody can make a second, different signature that is good as well.
        key.key.verify_strict(self.body.as_bytes(), &signature).map_err(|_| CheckpointError::BadSignature)?;
        Ok(&self.checkpoint)
    }

    /// What it states, whoever signed it. For messages only.
    pub fn unproved(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// True when there is nothing in it beyond what Writ itself signs: three lines and one signature.
    pub(super) fn is_plain(&self) -> bool {
        self.signatures.len() == 1 && self.body == self.checkpoint.body()
    }
}

impl FromStr for Signed {
    type Err = CheckpointError;

    fn from_str(note: &str) -> Result<Self, CheckpointError> {
        let wrong = |why| CheckpointError::NotACheckpoint { why };
        if note.len() > NOTE_MAX {
            return Err(wrong("it is longer than 16 KiB"));
        }
        if note.chars().any(|c| c.is_control() && c != '\n') {
            return Err(wrong("it has control characters in it"));
        }
        let (body, signatures) =
            note.rsplit_once("\n\n").ok_or(wrong("it needs an empty line between text and signature"))?;
        let body = format!("{body}\n");
        let mut lines = body.lines();
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next()) else {
            return Err(wrong("it needs three lines: the log's name, its size, its root hash"));
        };
        if !is_name(origin) {
            return Err(wrong("the log's name is empty or has a space or a plus sign in it"));
        }
        if lines.any(str::is_empty) {
            return Err(wrong("it has an empty line within its text"));
        }
        let head =
            Head { size: read_size(size).ok_or(wrong("its second line is not a size"))?, root: read_root(root)? };
        let signatures = signatures.strip_suffix('\n').ok_or(wrong("its last line is cut off"))?;
        let signatures = signatures.split('\n').map(read_signature).collect::<Option<Vec<_>>>();
        let signatures = signatures.ok_or(wrong("a signature line is not well formed"))?;
        if signatures.len() > SIGNATURES_MAX {
            return Err(wrong("it has more than 16 signatures"));
        }
        Ok(Self { checkpoint: Checkpoint { origin: origin.to_owned(), head }, body, signatures })
    }
}

/// A size in decimal digits, without leading zeros.
fn read_size(text: &str) -> Option<u64> {
    let size: u64 = text.parse().ok()?;
    (size.to_string() == text).then_some(size)
}

fn read_root(text: &str) -> Result<[u8; 32], CheckpointError> {
    let root = STANDARD.decode(text).ok().and_then(|root| root.try_into().ok());
    root.ok_or(CheckpointError::NotACheckpoint { why: "its third line is not a root hash in base64" })
}

fn read_signature(line: &str) -> Option<SignatureLine> {
    let (name, signature) = line.strip_prefix(SIGNATURE)?.split_once(' ')?;
    let bytes = STANDARD.decode(signature).ok()?;
    (is_name(name) && bytes.len() > 4).then(|| SignatureLine { name: name.to_owned(), bytes })
}

/// Why a checkpoint or a key is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CheckpointError {
    /// The text is not a signed checkpoint.
    NotACheckpoint {
        /// What is wrong with it.
        why: &'static str,
    },
    /// The text is not a log's public key.
    NotAKey {
        /// What is wrong with it.
        why: &'static str,
    },
    /// It is about another log than the one that the key belongs to.
    Foreign {
        /// The log that the checkpoint is about.
        origin: String,
        /// The log that the key belongs to.
        name: String,
    },
    /// No signature by the key is on it.
    NotSigned,
    /// There is a signature under the key's name, and it is not good.
    BadSignature,
}

impl fmt::Display for CheckpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotACheckpoint { why } => write!(f, "this is not a signed checkpoint: {why}"),
            Self::NotAKey { why } => write!(f, "this is not a log's public key: {why}"),
            Self::Foreign { origin, name } => {
                write!(f, "the checkpoint is about the log {origin}, the key is {name}'s")
            }
            Self::NotSigned => f.write_str("the checkpoint is not signed by this key"),
            Self::BadSignature => f.write_str("the signature does not fit the checkpoint: one of them was changed"),
        }
    }
}
impl core::error::Error for CheckpointError {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tenant() -> TenantId {
        TenantId::from_u128(0x7e)
    }
    fn key() -> SigningKey {
        SigningKey::from_bytes(&[7; 32])
    }
    fn checkpoint(size: u64) -> Checkpoint {
        Checkpoint::new(tenant(), Head { size, root: [9; 32] })
    }

    #[test]
    fn a_checkpoint_has_this_form() {
        insta::assert_snapshot!(checkpoint(23).sign(&key()), @"
        writ/00000000-0000-0000-0000-00000000007e
        23
        CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk=

        — writ/00000000-0000-0000-0000-00000000007e jncxFMlhqMoLaSLVTLzX2fKafsHfHG+O22LB06vnH3KRIfwh70Oad9vMJKe/Kg+pzBQhV9M9UWcUjtz3SGTAOnqtWg0=
        ");
        insta::assert_snapshot!(
            LogKey::new(tenant(), key().verifying_key()),
            @"writ/00000000-0000-0000-0000-00000000007e+8e773114+AepKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs"
        );
    }

    /// The example key of the Go package that signed notes come from (golang.org/x/mod/sumdb/note).
    #[test]
    fn keys_have_the_form_of_other_tools() {
        let text = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
        assert_eq!(text.parse::<LogKey>().map(|key| key.to_string()), Ok(text.to_owned()));
    }

    /// The example note of the same package; its text is not a checkpoint, its signature is an ordinary one.
    #[test]
    fn signatures_are_those_of_other_tools() {
        let key: LogKey = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW".parse().unwrap();
        let body = "If you think cryptography is the answer to your problem,\n\
                    then you don't know what your problem is.\n";
        let line = "\u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=";
        let signed = Signed {
            checkpoint: Checkpoint { origin: "PeterNeumann".to_owned(), head: Head::empty() },
            body: body.to_owned(),
            signatures: Vec::from([read_signature(line).unwrap()]),
        };
        assert!(signed.by(&key).is_ok());
    }

    #[test]
    fn what_was_signed_is_believed_and_nothing_else() {
        let log_key = LogKey::new(tenant(), key().verifying_key());
        let signed: Signed = checkpoint(23).sign(&key()).parse().unwrap();
        assert_eq!(signed.by(&log_key), Ok(&checkpoint(23)));
        assert!(signed.is_plain());

        let other = LogKey::new(tenant(), SigningKey::from_bytes(&[8; 32]).verifying_key());
        assert_eq!(signed.by(&other), Err(CheckpointError::NotSigned));
        let elsewhere = LogKey::new(TenantId::from_u128(1), key().verifying_key());
        assert!(matches!(signed.by(&elsewhere), Err(CheckpointError::Foreign { .. })));
        let larger = checkpoint(23).sign(&key()).replace("\n23\n", "\n24\n").parse::<Signed>().unwrap();
        assert_eq!(larger.by(&log_key), Err(CheckpointError::BadSignature));
    }

    #[test]
    fn a_witness_may_sign_as_well() {
        let witness = "\u{2014} witness.example/w x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZI=\n";
        let note = format!("{}{witness}", checkpoint(23).sign(&key()));
        let signed: Signed = note.parse().unwrap();
        assert_eq!(signed.by(&LogKey::new(tenant(), key().verifying_key())), Ok(&checkpoint(23)));
        assert!(!signed.is_plain());
    }

    #[test]
    fn notes_with_a_second_spelling_are_refused() {
        let note = checkpoint(23).sign(&key());
        for changed in [
            note.replace("\n23\n", "\n023\n"),
            note.replace("\n23\n", "\n+23\n"),
            note.replace("CQk=\n", "CQl=\n"),
            note.replace('\n', "\r\n"),
            note.trim_end().to_owned(),
            format!("{note}\n"),
            note.replace("writ/", "writ /"),
            String::new(),
            "\n\n".repeat(NOTE_MAX),
        ] {
            assert!(changed.parse::<Signed>().is_err(), "{changed:?}");
        }
    }

    proptest! {
        #[test]
        fn a_changed_byte_is_never_believed(at: prop::sample::Index, flip in 1u8..) {
            let mut note = checkpoint(23).sign(&key()).into_bytes();
            let place = at.index(note.len());
            note[place] ^= flip;
            let believed = String::from_utf8(note).ok().and_then(|note| note.parse::<Signed>().ok())
                .is_some_and(|signed| signed.by(&LogKey::new(tenant(), key().verifying_key())).is_ok());
            prop_assert!(!believed);
        }

        #[test]
        fn no_text_makes_the_parsers_panic(text in "(\\PC|\n){0,80}") {
            let _ = text.parse::<Signed>();
            let _ = text.parse::<LogKey>();
        }
    }
}
