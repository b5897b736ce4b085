//! Pages of a list: which rows are on this one, and a link to the next.
//! The link's token holds the sort keys of the last row shown, so a page begins where the one before it ended,
//! however many rows came or went in between. Nothing is kept on the server.
//!
//! Always: rows that are there throughout, with unchanged sort keys, appear exactly once. A token works only for
//! the caller, the path and the options it was made for; anything else is refused.

use super::odata::Row;
use super::odata::options::{By, Query};
use super::odata::render::{Full, Room, write};
use super::odata::value::Key;
use crate::http::problem::Problem;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use ring::hmac;
use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BinaryHeap;
use writ_core::ids::PrincipalId;

/// Rows on a page when nobody says how many.
pub const PAGE_USUAL: u32 = 100;

/// How many rows `$skip` may leave out of a list that has to be sorted for it.
pub const SKIP_MAX: usize = 100_000;

/// How large the rows of an answer may be with all that is expanded in them, in bytes, before it is refused: nothing is
/// left out of an expansion unsaid.
pub const ROWS_BYTES_MAX: usize = 32 << 20;

/// How much memory is set aside for a page's rows, in bytes, before it is known how long they are.
const RESERVED_MAX: usize = 256 << 10;

impl From<Full> for Problem {
    fn from(full: Full) -> Problem {
        match full {
            // It is read again where there is time for it.
            Full::Rows => Problem::internal(),
            Full::Bytes => Problem::unsupported_query(format!(
                "The answer with all that is expanded in it would be larger than {ROWS_BYTES_MAX} bytes. Ask for fewer \
                 rows with $top, for fewer properties with $select, or for what is expanded by itself."
            )),
        }
    }
}

/// The key that signs page tokens; made once for a server and never shown.
#[derive(Clone)]
pub struct PageKey(hmac::Key);

impl PageKey {
    /// A key from 32 secret bytes.
    pub fn new(secret: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }
}

impl std::fmt::Debug for PageKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PageKey")
    }
}

/// Bytes of a tag: half of what SHA-256 gives, which nobody guesses either, and every link is shorter.
const TAG: usize = 16;

/// What a token is bound to: who asks, the path, and the options. They are hashed once, for the token that came and
/// the one that goes.
#[derive(Clone)]
pub struct Place {
    /// The absolute URL without its query part.
    url: String,
    /// All options but the token itself and `$skip`, in the order given.
    options: Vec<(String, String)>,
    /// The hash of all that, before a token's own values.
    begun: hmac::Context,
}

impl Place {
    /// Where this caller stands at this absolute URL, with these names and values in its query part.
    pub fn of(key: &PageKey, caller: PrincipalId, url: &str, options: &[(String, String)]) -> Self {
        let own = |name: &str| ["skiptoken", "skip"].iter().any(|own| bare(name).eq_ignore_ascii_case(own));
        let options: Vec<(String, String)> = options.iter().filter(|(name, _)| !own(name)).cloned().collect();
        let mut begun = hmac::Context::with_key(&key.0);
        part(&mut begun, caller.0.as_bytes());
        // The host may be written differently from one request to the next; the path may not.
        part(&mut begun, path_of(url).as_bytes());
        for (name, value) in &options {
            part(&mut begun, bare(name).to_ascii_lowercase().as_bytes());
            part(&mut begun, value.as_bytes());
        }
        Self { url: url.to_owned(), options, begun }
    }

    fn tag(&self, payload: &[u8]) -> [u8; TAG] {
        let mut context = self.begun.clone();
        part(&mut context, payload);
        let whole = context.sign();
        let mut tag = [0; TAG];
        tag.copy_from_slice(&whole.as_ref()[..TAG]);
        tag
    }

    /// The URL that goes on from here, with a signed token of this name that holds these bytes.
    pub fn link(&self, name: &str, mut token: Vec<u8>) -> String {
        let tag = self.tag(&token);
        token.extend_from_slice(&tag);
        let mut url = String::with_capacity(self.url.len() + 256 + token.len() * 4 / 3);
        url.push_str(&self.url);
        url.push('?');
        for (option, value) in &self.options {
            url.push('$');
            url.extend(utf8_percent_encode(bare(option), ESCAPED));
            url.push('=');
            url.extend(utf8_percent_encode(value, ESCAPED));
            url.push('&');
        }
        url.push_str(name);
        url.push('=');
        URL_SAFE_NO_PAD.encode_string(token, &mut url);
        url
    }

    /// The bytes in a token that this server gave to this caller for this query; `None` for any other text.
    pub fn held_in(&self, token: &str) -> Option<Vec<u8>> {
        let mut bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (held, given) = bytes.split_last_chunk::<TAG>()?;
        if !bool::from(subtle::ConstantTimeEq::ct_eq(&self.tag(held)[..], &given[..])) {
            return None;
        }
        bytes.truncate(bytes.len() - TAG);
        Some(bytes)
    }

    /// The keys of the last row of the page before, in the token of a further page.
    ///
    /// # Errors
    /// When this server did not give the token to this caller for this query.
    pub fn resumed(&self, token: &str) -> Result<Vec<Key>, Problem> {
        self.held_in(token).and_then(|held| token::read(&held)).ok_or_else(wrong)
    }
}

/// An option's name without its sign.
fn bare(name: &str) -> &str {
    name.trim_start_matches('$')
}

fn part(context: &mut hmac::Context, bytes: &[u8]) {
    context.update(&(bytes.len() as u64).to_be_bytes());
    context.update(bytes);
}

/// One page.
#[derive(Debug)]
pub struct Page {
    /// The rows as JSON, with commas between them.
    pub rows: Vec<u8>,
    /// How many rows there are in all, when asked.
    pub count: Option<u64>,
    /// Where the next page is, if there are more rows.
    pub next: Option<String>,
}

/// How to show a page.
#[derive(Clone, Debug)]
pub struct Shape {
    /// The order when the query names none, ending in a key that tells all rows apart.
    pub order: Vec<By>,
    /// Rows on a page when the query does not say.
    pub usual: u32,
    /// Whether the rows come in that order already, so that reading can stop when the page is full.
    pub sorted: bool,
    /// How many rows there are when nothing is filtered, if that is known without reading them.
    pub total: Option<usize>,
    /// Whether each row says its type.
    pub typed: bool,
}

impl Shape {
    /// By id, rows in no particular order.
    pub fn by_id() -> Self {
        Self { order: vec![By::id()], usual: PAGE_USUAL, sorted: false, total: None, typed: false }
    }
    /// The same for rows that come in order of their ids.
    pub fn sorted(self) -> Self {
        Self { sorted: true, ..self }
    }
    /// The same with another usual size.
    pub fn usual(self, usual: u32) -> Self {
        Self { usual, ..self }
    }
    /// The same with another order, which ends in a key that tells all rows apart.
    pub fn ordered(self, order: Vec<By>) -> Self {
        Self { order, ..self }
    }
    /// The same with the number of all rows.
    pub fn of_total(self, total: usize) -> Self {
        Self { total: Some(total), ..self }
    }
    /// The same with each row saying its type.
    pub fn typed(self) -> Self {
        Self { typed: true, ..self }
    }

    /// Whether rows come in the order that the query wants.
    pub fn as_wanted(&self, query: &Query) -> bool {
        self.sorted && (query.order.is_empty() || self.order == *keys(query, self))
    }

    /// How many rows there are, if the query counts all of them and that is known.
    pub fn known(&self, query: &Query) -> Option<usize> {
        self.total.filter(|_| query.filter.is_none())
    }

    /// Whether reading can begin after the page before and stop when this one is full.
    pub fn seekable(&self, query: &Query) -> bool {
        self.as_wanted(query) && (!query.count || self.known(query).is_some())
    }
}

/// A row with the keys it is sorted by.
struct Kept<'k, R> {
    at: Vec<Key>,
    row: R,
    keys: &'k [By],
}

impl<R> Ord for Kept<'_, R> {
    fn cmp(&self, other: &Self) -> Ordering {
        compare(&self.at, &other.at, self.keys)
    }
}
impl<R> PartialOrd for Kept<'_, R> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl<R> PartialEq for Kept<'_, R> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}
impl<R> Eq for Kept<'_, R> {}

/// Picks the page that the query asks for out of the rows: those that are shown, after the row with the keys `after`.
/// It holds no more rows than the page has and, where they have to be sorted, are left out before it; and asks for the
/// place only when there is a next page.
pub fn page<'p, R: Row>(
    rows: impl Iterator<Item = R>,
    shown: impl Fn(&R) -> bool,
    query: &Query,
    shape: &Shape,
    after: Option<&[Key]>,
    place: impl FnOnce() -> Result<&'p Place, Problem>,
    room: &Room<'_>,
) -> Result<Page, Problem> {
    let keys = keys(query, shape);
    let size = query.top.unwrap_or(shape.usual).max(1) as usize;
    let skip = if after.is_some() { 0 } else { query.skip as usize };
    let rows = rows.filter(|row| query.lets(row) && shown(row));
    let follows = |row: &R| after.is_none_or(|after| placed(row, after, &keys) == Ordering::Greater);
    let picked = if shape.as_wanted(query) {
        in_order(rows, follows, skip, size, shape.seekable(query))
    } else if skip <= SKIP_MAX {
        sorted(rows, follows, skip, size, &keys)
    } else {
        return Err(Problem::unsupported_query(format!(
            "$skip may leave out at most {SKIP_MAX} rows of a list in this order. Follow @odata.nextLink instead."
        )));
    };
    let next = match picked.rows.last() {
        Some(last) if picked.more => Some(place()?.link("$skiptoken", token::write(&keys_of(last, &keys)))),
        _ => None,
    };
    let mut out = Vec::new();
    for (n, row) in picked.rows.iter().enumerate() {
        if n > 0 {
            out.push(b',');
        }
        write(row, query, shape.typed, "", &mut out, room)?;
        if n == 0 {
            // The others are about as long.
            out.reserve((out.len() + 16).saturating_mul(picked.rows.len()).min(RESERVED_MAX));
        }
    }
    let count = shape.known(query).unwrap_or(picked.count);
    Ok(Page { rows: out, count: query.count.then_some(count as u64), next })
}

/// The rows of a page, and what was noticed of the others.
struct Picked<R> {
    rows: Vec<R>,
    /// Whether there are more behind them.
    more: bool,
    /// How many were seen in all.
    count: usize,
}

/// Picks a page of rows that come in its order. If it `stops`, nobody counts the rows behind it.
fn in_order<R>(
    rows: impl Iterator<Item = R>,
    follows: impl Fn(&R) -> bool,
    mut skip: usize,
    size: usize,
    stops: bool,
) -> Picked<R> {
    let (mut picked, mut begun, mut count) = (Vec::new(), false, 0);
    for row in rows {
        count += 1;
        if picked.len() > size {
            continue;
        }
        // Where one row follows the page before, all that come after it do.
        begun = begun || follows(&row);
        if !begun {
            continue;
        }
        if skip > 0 {
            skip -= 1;
            continue;
        }
        picked.push(row);
        if stops && picked.len() > size {
            break;
        }
    }
    let more = picked.len() > size;
    picked.truncate(size);
    Picked { rows: picked, more, count }
}

/// Picks a page of rows that come in any order.
fn sorted<R: Row>(
    rows: impl Iterator<Item = R>,
    follows: impl Fn(&R) -> bool,
    skip: usize,
    size: usize,
    keys: &[By],
) -> Picked<R> {
    let end = size.saturating_add(skip);
    let (mut kept, mut count): (BinaryHeap<Kept<'_, R>>, usize) = (BinaryHeap::new(), 0);
    for row in rows {
        count += 1;
        if !follows(&row) {
            continue;
        }
        if kept.len() <= end {
            kept.push(Kept { at: keys_of(&row, keys), row, keys });
        } else if let Some(mut last) = kept.peek_mut()
            && placed(&row, &last.at, keys) == Ordering::Less
        {
            *last = Kept { at: keys_of(&row, keys), row, keys };
        }
    }
    let more = kept.len() > end;
    let rows = kept.into_sorted_vec().into_iter().take(end).skip(skip).map(|kept| kept.row).collect();
    Picked { rows, more, count }
}

/// The keys by which rows are sorted and pages resumed, which tell all rows apart: after those that the query names comes
/// the shape's own, because an id that Graph composes is dear to make for every row that another key does not tell.
pub fn keys<'q>(query: &'q Query, shape: &'q Shape) -> Cow<'q, [By]> {
    if query.order.is_empty() {
        return Cow::Borrowed(&shape.order);
    }
    let mut keys = query.order.clone();
    let apart = |by: &By| by.property == "id" || shape.order.last().is_some_and(|own| own.property == by.property);
    if !keys.iter().any(apart) {
        keys.extend(shape.order.last().cloned());
    }
    Cow::Owned(keys)
}

/// Whether a token holds a key for each of these keys.
///
/// # Errors
/// When it does not: it was given for another order.
pub fn fitting<'k>(at: &'k [Key], query: &Query, shape: &Shape) -> Result<&'k [Key], Problem> {
    if at.len() == keys(query, shape).len() { Ok(at) } else { Err(wrong()) }
}

fn keys_of(row: &impl Row, keys: &[By]) -> Vec<Key> {
    keys.iter().map(|by| Key::of(&by.kind, &row.value(by.property))).collect()
}

/// Where a row stands beside one with these keys. Most rows are told by their first.
fn placed(row: &impl Row, other: &[Key], keys: &[By]) -> Ordering {
    let mut each = keys.iter().zip(other).map(|(by, other)| {
        let ordering = Key::of(&by.kind, &row.value(by.property)).order(other);
        if by.descending { ordering.reverse() } else { ordering }
    });
    each.find(|o| o.is_ne()).unwrap_or(Ordering::Equal)
}

fn compare(a: &[Key], b: &[Key], keys: &[By]) -> Ordering {
    keys.iter()
        .zip(a.iter().zip(b))
        .map(|(key, (a, b))| {
            let ordering = a.order(b);
            if key.descending { ordering.reverse() } else { ordering }
        })
        .find(|o| o.is_ne())
        .unwrap_or(Ordering::Equal)
}

/// What is escaped in a nextLink's option values.
const ESCAPED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'(').remove(b')').remove(b',');

fn path_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.find('/').map_or("", |at| &rest[at..])
}

fn wrong() -> Problem {
    Problem::bad_request(
        "The $skiptoken is not one that this server gave to this caller for this query; follow @odata.nextLink \
         exactly as it was given.",
    )
}

#[cfg(test)]
mod tests;
mod token;
