//! Cuts the text of a filter, an expansion or a search into tokens.
//! It knows no properties and no types.
//!
//! Always: it reads each byte once and never panics, whatever the text.

use std::fmt;
use uuid::Uuid;
use writ_core::time::Time;

/// One token and where it began, in bytes from 0.
#[derive(Clone, Debug, PartialEq)]
pub struct Token {
    /// What it is.
    pub what: What,
    /// Where it began.
    pub at: usize,
}

/// What a token is.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// A name, an operator, `null`, `true` or `false`.
    Name(String),
    /// A quoted text, `''` inside already turned into `'`.
    Text(String),
    /// A GUID without quotes, in any case.
    Guid(Uuid),
    /// A date with a time, or a bare date (midnight UTC).
    Time(Time),
    /// A whole number.
    Int(i64),
    /// A number with a fraction.
    Float(f64),
    /// `(`
    Open,
    /// `)`
    Close,
    /// `,`
    Comma,
    /// `/`
    Slash,
    /// `:`
    Colon,
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            What::Name(n) => f.write_str(n),
            What::Text(t) => write!(f, "'{t}'"),
            What::Guid(g) => write!(f, "{g}"),
            What::Time(t) => write!(f, "{t}"),
            What::Int(n) => write!(f, "{n}"),
            What::Float(n) => write!(f, "{n}"),
            What::Open => f.write_str("("),
            What::Close => f.write_str(")"),
            What::Comma => f.write_str(","),
            What::Slash => f.write_str("/"),
            What::Colon => f.write_str(":"),
        }
    }
}

/// The tokens of a text, or the position of the first byte that fits none.
pub fn tokens(text: &str) -> Result<Vec<Token>, usize> {
    let bytes = text.as_bytes();
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(&c) = bytes.get(at) {
        let one = match c {
            b' ' | b'\t' | b'\r' | b'\n' => {
                at += 1;
                continue;
            }
            b'(' => What::Open,
            b')' => What::Close,
            b',' => What::Comma,
            b'/' => What::Slash,
            b':' => What::Colon,
            b'\'' => {
                let (value, end) = quoted(text, at)?;
                out.push(Token { what: What::Text(value), at });
                at = end;
                continue;
            }
            c if c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'$' | b'@') => {
                let (what, end) = word(text, at)?;
                out.push(Token { what, at });
                at = end;
                continue;
            }
            _ => return Err(at),
        };
        out.push(Token { what: one, at });
        at += 1;
    }
    Ok(out)
}

/// The text in quotes that begins here, and where it ends.
fn quoted(text: &str, from: usize) -> Result<(String, usize), usize> {
    let mut value = String::new();
    let mut chars = text[from + 1..].char_indices().peekable();
    while let Some((i, c)) = chars.next() {
        if c != '\'' {
            value.push(c);
        } else if chars.next_if(|(_, c)| *c == '\'').is_some() {
            value.push('\'');
        } else {
            return Ok((value, from + 1 + i + 1));
        }
    }
    Err(from)
}

/// The name, GUID, time or number that begins here, and where it ends.
fn word(text: &str, from: usize) -> Result<(What, usize), usize> {
    let bytes = text.as_bytes();
    let run = |from: usize, more: &[u8]| {
        let mut end = from;
        while bytes.get(end).is_some_and(|c| {
            c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.' | b'$' | b'@') || more.contains(c)
        }) {
            end += 1;
        }
        end
    };
    let mut end = run(from, b"");
    let mut cut = &text[from..end];
    if is_date(cut) {
        end = run(from, b":+");
        cut = &text[from..end];
        let moment = if cut.len() == 10 { format!("{cut}T00:00:00Z") } else { cut.to_owned() };
        if let Ok(time) = moment.parse::<Time>() {
            return Ok((What::Time(time), end));
        }
        // A `+` that was not encoded arrives as a space: `…T13:05:00 00:00`.
        let longer = run((end + 1).min(text.len()), b":");
        if bytes.get(end) == Some(&b' ')
            && let Ok(time) = format!("{cut}+{}", &text[end + 1..longer]).parse::<Time>()
        {
            return Ok((What::Time(time), longer));
        }
        return Err(from);
    }
    if cut.len() == 36
        && let Ok(id) = Uuid::try_parse(cut)
    {
        return Ok((What::Guid(id), end));
    }
    if cut.starts_with(|c: char| c.is_ascii_digit() || c == '-') {
        if let Ok(n) = cut.parse::<i64>() {
            return Ok((What::Int(n), end));
        }
        return match cut.parse::<f64>() {
            Ok(n) if n.is_finite() && cut.bytes().all(|c| matches!(c, b'0'..=b'9' | b'.' | b'-' | b'e' | b'E')) => {
                Ok((What::Float(n), end))
            }
            _ => Err(from),
        };
    }
    if cut.contains('-') {
        return Err(from);
    }
    Ok((What::Name(cut.to_owned()), end))
}

/// Whether a word begins as `2026-11-21` does and is a bare date or goes on with a time.
fn is_date(cut: &str) -> bool {
    let b = cut.as_bytes();
    b.len() >= 10
        && b[..10].iter().enumerate().all(|(i, c)| if i == 4 || i == 7 { *c == b'-' } else { c.is_ascii_digit() })
        && b.get(10).is_none_or(|c| matches!(c, b'T' | b't'))
}
