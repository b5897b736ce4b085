//! One recorded event: the public bytes that are hashed, and the private part that can be forgotten.
//! It knows no kind of event: an event is a JSON value here, and only personal data in it is recognised.
//!
//! Always: `open(seal(envelope))` gives back the envelope; erasing somebody's texts changes no public byte.

use super::merkle::{self, Hash};
use crate::ids::{PrincipalId, Seq, SessionId, Uuid};
use crate::personal::Personal;
use crate::time::Time;
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

mod sealing;
mod tree;
pub use sealing::{Sealer, seal};

/// Names of a personal text as `Personal` writes it, and of what stands in its place in the public bytes.
const ABOUT: &str = "~about";
const TEXT: &str = "~text";
const PRIVATE: &str = "~private";
/// Field names that begin with this mark are ours; anybody else's get one more of it on the way in.
const MARK: char = '~';

/// Why an envelope's own structures always become JSON: their keys are strings and their writers never fail.
const WRITES: &str = "an envelope has only string keys";

/// An event with everything known about its happening, in the clear. Read back, the event is a JSON value; what is to
/// be sealed may be anything that serialises to one.
#[derive(Clone, Debug, PartialEq)]
pub struct Envelope<E = Value> {
    /// The version of this kind's shape.
    pub v: u16,
    /// What happened, in the past tense: `activation_began`.
    pub kind: String,
    /// Position in the log, from 1.
    pub seq: Seq,
    /// When it was decided.
    pub at: Time,
    /// Who did it.
    pub actor: Actor,
    /// What led to it.
    pub cause: Cause,
    /// The event itself.
    pub event: E,
}

/// Who did it, and by which door they came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// The principal; none when Writ itself did it (time passed, a host reported).
    pub principal: Option<PrincipalId>,
    /// The door.
    pub via: Via,
    /// The sign-in session, if there was one.
    pub session: Option<SessionId>,
    /// The network address the ask came from.
    pub address: Option<Personal>,
}

/// The door by which an ask came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Via {
    /// A program or script, over the Graph API.
    Api,
    /// A page of the portal.
    Page,
    /// Writ's own command line.
    Cli,
    /// A host agent.
    Host,
    /// Time alone.
    Timer,
    /// Somebody at the server's own console.
    Console,
}

/// What led to an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cause {
    /// The command it was decided by.
    pub command: Uuid,
    /// What the caller calls the whole piece of work (Graph's `client-request-id`).
    pub correlation: Uuid,
    /// The earlier entry that made it necessary, if one did.
    pub parent: Option<Seq>,
}

/// A recorded event as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Position in the log, from 1; also in the bytes.
    pub seq: Seq,
    /// When it was decided; also in the bytes.
    pub at: Time,
    /// The event's kind; also in the bytes.
    pub kind: String,
    /// The public part: JSON on one line, exactly the bytes that the leaf hash covers.
    pub bytes: Vec<u8>,
    /// The texts that can be forgotten and their salts, as JSON. None when the event has no such text, or in a
    /// copy without them.
    pub private: Option<Vec<u8>>,
}

/// What is hashed, as it is read; `sealing` writes it, and the order of the fields is the format.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Public {
    v: u16,
    kind: String,
    seq: Seq,
    at: Time,
    actor: PublicActor,
    cause: Cause,
    event: Value,
    #[serde(default)]
    private: Vec<Commitment>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PublicActor {
    principal: Option<PrincipalId>,
    via: Via,
    session: Option<SessionId>,
    #[serde(default)]
    address: Option<Value>,
}

/// The promise, in the public part, that a text was this and no other.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Commitment {
    about: PrincipalId,
    #[serde(with = "super::as_hex")]
    commit: Hash,
}

/// A text that can be forgotten. Its salt goes with it, so that nobody can try out likely texts afterwards.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Secret {
    #[serde(with = "super::as_hex")]
    salt: [u8; 16],
    text: String,
}

impl Secret {
    fn commitment(&self) -> Hash {
        commitment(&self.salt, &self.text)
    }
}

fn commitment(salt: &[u8; 16], text: &str) -> Hash {
    Sha256::new().chain_update(salt).chain_update(text).finalize().into()
}

/// Why an entry cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryError {
    /// The public bytes are not an envelope.
    NotAnEnvelope {
        /// What the parser found.
        why: String,
    },
    /// A column says something else than the bytes.
    Column {
        /// The column: `seq`, `at` or `kind`.
        column: &'static str,
    },
    /// A marked field in the event is not one that sealing makes.
    Marked {
        /// The field's name.
        field: String,
    },
    /// The private part is not the list of texts that the public part announces.
    NotPrivateTexts {
        /// What is wrong with it.
        why: String,
    },
    /// A private text is not the one that was committed to.
    Altered {
        /// Its position in the private part, from 0.
        index: usize,
        /// The principal it is about.
        about: PrincipalId,
    },
}

impl fmt::Display for EntryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAnEnvelope { why } => write!(f, "the entry is not an envelope: {why}"),
            Self::Column { column } => write!(f, "the column `{column}` differs from the entry's bytes"),
            Self::Marked { field } => write!(f, "the event has a field `{field}` that no sealing makes"),
            Self::NotPrivateTexts { why } => write!(f, "the private part does not fit the entry: {why}"),
            Self::Altered { index, about } => {
                write!(f, "private text {index} (about {about}) is not the one that was recorded")
            }
        }
    }
}
impl core::error::Error for EntryError {}

impl Entry {
    /// The RFC 6962 leaf hash of the public bytes.
    pub fn leaf(&self) -> Hash {
        merkle::leaf(&self.bytes)
    }

    /// This entry without the texts about a principal; none if it has no such text left.
    ///
    /// The public bytes, and so the leaf hash, stay as they are.
    pub fn erase(&self, about: PrincipalId) -> Option<Entry> {
        let private = self.private.as_deref()?;
        // Cheap to rule out first: erasing walks a whole log, and few entries are about one principal.
        let id = about.to_string();
        if !self.bytes.windows(id.len()).any(|part| part == id.as_bytes()) {
            return None;
        }
        let commitments = read(&self.bytes).ok()?.private;
        let mut secrets = read_secrets(private, commitments.len()).ok()?;
        let mut found = false;
        for (secret, commitment) in secrets.iter_mut().zip(&commitments) {
            if commitment.about == about && secret.take().is_some() {
                found = true;
            }
        }
        found.then(|| Entry { private: Some(write_secrets(&secrets)), ..self.clone() })
    }

    /// This entry without any private text: what a redacted copy carries.
    pub fn redacted(&self) -> Entry {
        Entry { private: None, ..self.clone() }
    }
}

/// Reads an entry back. Private texts are checked against their commitments; those that are gone come back as
/// erased.
pub fn open(entry: &Entry) -> Result<Envelope, EntryError> {
    let envelope = open_parts(&entry.bytes, entry.private.as_deref())?.envelope;
    for (column, differs) in
        [("seq", envelope.seq != entry.seq), ("at", envelope.at != entry.at), ("kind", envelope.kind != entry.kind)]
    {
        if differs {
            return Err(EntryError::Column { column });
        }
    }
    Ok(envelope)
}

/// An entry as read from its two parts alone.
pub(super) struct Opened {
    pub(super) envelope: Envelope,
    /// Whom the texts are about that were promised and are gone.
    pub(super) gone: Vec<PrincipalId>,
}

/// Reads an entry from its two parts, without columns to compare.
pub(super) fn open_parts(bytes: &[u8], private: Option<&[u8]>) -> Result<Opened, EntryError> {
    let Public { v, kind, seq, at, actor, cause, mut event, private: commitments } = read(bytes)?;
    let texts = texts(&commitments, private)?;
    let gone = commitments.iter().zip(&texts).filter(|(_, text)| text.is_none()).map(|(promise, _)| promise.about);
    let gone = gone.collect();
    let mut opening = Opening { commitments: &commitments, texts };
    let address = match actor.address {
        Some(mut address) => {
            opening.walk(&mut address)?;
            let personal = serde_json::from_value(address).map_err(|_| EntryError::NotAnEnvelope {
                why: "the actor's address is not a personal text".to_owned(),
            })?;
            Some(personal)
        }
        None => None,
    };
    opening.walk(&mut event)?;
    let actor = Actor { principal: actor.principal, via: actor.via, session: actor.session, address };
    Ok(Opened { envelope: Envelope { v, kind, seq, at, actor, cause, event }, gone })
}

fn read(bytes: &[u8]) -> Result<Public, EntryError> {
    serde_json::from_slice(bytes).map_err(|e| EntryError::NotAnEnvelope { why: e.to_string() })
}

/// True when a private part is written the way sealing writes it, so that no changed byte in it reads the same.
pub(super) fn is_plainly_written(private: &[u8]) -> bool {
    serde_json::from_slice::<Vec<Option<Secret>>>(private).is_ok_and(|secrets| write_secrets(&secrets) == private)
}

/// The private texts, each checked against its commitment; `None` for those that are gone.
fn texts(commitments: &[Commitment], private: Option<&[u8]>) -> Result<Vec<Option<String>>, EntryError> {
    let Some(private) = private else {
        return Ok(commitments.iter().map(|_| None).collect());
    };
    let secrets = read_secrets(private, commitments.len())?;
    let mut texts = Vec::with_capacity(secrets.len());
    for (index, (secret, commitment)) in secrets.into_iter().zip(commitments).enumerate() {
        match secret {
            Some(secret) if secret.commitment() != commitment.commit => {
                return Err(EntryError::Altered { index, about: commitment.about });
            }
            secret => texts.push(secret.map(|secret| secret.text)),
        }
    }
    Ok(texts)
}

fn read_secrets(private: &[u8], expected: usize) -> Result<Vec<Option<Secret>>, EntryError> {
    let secrets: Vec<Option<Secret>> =
        serde_json::from_slice(private).map_err(|e| EntryError::NotPrivateTexts { why: e.to_string() })?;
    if secrets.len() == expected {
        Ok(secrets)
    } else {
        let why = format!("it has {} texts, the entry announces {expected}", secrets.len());
        Err(EntryError::NotPrivateTexts { why })
    }
}

fn write_secrets(secrets: &[Option<Secret>]) -> Vec<u8> {
    serde_json::to_vec(secrets).expect(WRITES)
}

/// Puts texts back where they stood.
struct Opening<'a> {
    commitments: &'a [Commitment],
    texts: Vec<Option<String>>,
}

impl Opening<'_> {
    fn walk(&mut self, value: &mut Value) -> Result<(), EntryError> {
        match value {
            Value::Array(items) => items.iter_mut().try_for_each(|item| self.walk(item)),
            Value::Object(fields) => {
                if fields.keys().any(|name| name.starts_with(MARK)) && self.marked(fields)? {
                    return Ok(());
                }
                fields.values_mut().try_for_each(|field| self.walk(field))
            }
            _ => Ok(()),
        }
    }

    /// True when the fields were a text of ours, which is now back in its place.
    fn marked(&mut self, fields: &mut Map<String, Value>) -> Result<bool, EntryError> {
        if let (1, Some(index)) = (fields.len(), fields.get(PRIVATE)) {
            let index = index.as_u64().and_then(|index| usize::try_from(index).ok());
            let found = index.and_then(|index| Some((self.commitments.get(index)?, self.texts.get_mut(index)?)));
            let (commitment, text) = found.ok_or_else(|| EntryError::Marked { field: PRIVATE.to_owned() })?;
            let about = commitment.about.to_string();
            fields.clear();
            fields.insert(ABOUT.to_owned(), Value::from(about));
            fields.insert(TEXT.to_owned(), text.take().map_or(Value::Null, Value::from));
            return Ok(true);
        }
        if personal_about(fields).is_some() && fields.get(TEXT) == Some(&Value::Null) {
            return Ok(true);
        }
        let ours = |name: &&String| name.starts_with(MARK) && !name[1..].starts_with(MARK);
        if let Some(field) = fields.keys().find(ours) {
            return Err(EntryError::Marked { field: field.clone() });
        }
        rename(fields, |name| if name.starts_with(MARK) { name[1..].to_owned() } else { name });
        Ok(false)
    }
}

/// Whom these fields are about, if they are exactly what `Personal` writes.
fn personal_about(fields: &Map<String, Value>) -> Option<PrincipalId> {
    match (fields.len(), fields.get(ABOUT), fields.get(TEXT)) {
        (2, Some(Value::String(id)), Some(Value::String(_) | Value::Null)) => as_spelt(id),
        _ => None,
    }
}

/// The principal with this id, if it is spelt the one way that ids are written.
fn as_spelt(id: &str) -> Option<PrincipalId> {
    let about: PrincipalId = id.parse().ok()?;
    let spelt = about.0.hyphenated().encode_lower(&mut Uuid::encode_buffer()) == id;
    spelt.then_some(about)
}

fn rename(fields: &mut Map<String, Value>, name: impl Fn(String) -> String) {
    *fields = core::mem::take(fields).into_iter().map(|(field, value)| (name(field), value)).collect();
}

#[cfg(test)]
mod tests;
