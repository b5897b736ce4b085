//! Personal data: text about one principal that can be erased without breaking the log.
//! It never decides anything, and never reaches the public part of an entry: the envelope moves it into the
//! entry's private part and leaves a salted commitment.
//!
//! Always: once erased, only the fact that there was a text remains.

use crate::ids::PrincipalId;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use serde::{Deserialize, Serialize};

/// A name, an address or a free text, with the principal it is about.
///
/// Serialised with two marked fields, `~about` and `~text`; no other type may use these field names, since the
/// envelope finds personal data by them.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Personal {
    #[serde(rename = "~about")]
    about: PrincipalId,
    #[serde(rename = "~text")]
    text: Option<String>,
}

/// What is shown in place of an erased text.
pub const ERASED: &str = "(erased)";

impl Personal {
    /// A text about a principal.
    pub fn new(about: PrincipalId, text: impl Into<String>) -> Self {
        Self { about, text: Some(text.into()) }
    }

    /// An already erased text about a principal.
    pub const fn erased(about: PrincipalId) -> Self {
        Self { about, text: None }
    }

    /// The principal the text is about.
    pub const fn about(&self) -> PrincipalId {
        self.about
    }

    /// The text, or `None` when it was erased.
    pub fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }

    /// The text, or a mark that it was erased.
    pub fn shown(&self) -> &str {
        self.text.as_deref().unwrap_or(ERASED)
    }

    /// Forgets the text if it is about this principal.
    pub fn erase(&mut self, about: PrincipalId) {
        if self.about == about {
            self.text = None;
        }
    }
}

/// A text about several: each part says whom it is about, and goes when that one's data are erased.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Passage(Vec<Personal>);

impl Passage {
    /// Made of these parts, in this order.
    pub fn new(parts: Vec<Personal>) -> Self {
        Self(parts)
    }

    /// The whole text, with a mark for what was erased.
    pub fn shown(&self) -> String {
        self.0.iter().map(Personal::shown).collect()
    }

    /// Whether any part is about this principal.
    pub fn is_about(&self, about: PrincipalId) -> bool {
        self.0.iter().any(|part| part.about() == about)
    }

    /// Forgets the parts that are about this principal.
    pub fn erase(&mut self, about: PrincipalId) {
        for part in &mut self.0 {
            part.erase(about);
        }
    }
}

impl fmt::Debug for Personal {
    /// Never prints the text: debug output ends up in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Personal({})", if self.text.is_some() { "…" } else { "erased" })
    }
}
