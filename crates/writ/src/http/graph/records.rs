//! Lists of records that the history keeps: audit records and sign-ins, in the order in which they were written.
//! It knows nothing of what is in them and judges no right.
//!
//! Always: no more records are held than a page shows, and each that is looked at is counted, whether it is shown or not.

use super::ask::{Answer, Ask};
use super::odata::options::{By, Of, PAGE_MAX, Query, unsorted};
use super::odata::{Entity, Kind, Row};
use super::page::{PAGE_USUAL, Shape};
use crate::history::ROWS_MAX;
use crate::http::problem::Problem;
use crate::store::Fault;
use std::future::Future;

/// How many records are looked through for one answer.
pub const RECORDS_MAX: usize = 50_000;

/// A kind of record, and how its list is read.
pub struct Records<R, P> {
    /// What a record is.
    pub entity: &'static Entity,
    /// Where the list is, below the version.
    pub path: &'static str,
    /// What they are called.
    pub told: &'static str,
    /// The property that says when, which is all that they are sorted by.
    pub when: &'static str,
    /// Where a record stands.
    pub place: fn(&R) -> P,
    /// The same from a page's token.
    pub read: fn(&str) -> Option<P>,
}

/// What is asked for, and in which order.
pub struct Asked {
    /// The query.
    pub query: Query,
    /// Whether the oldest comes first.
    pub oldest_first: bool,
}

impl<R: Row, P: Ord + Copy> Records<R, P> {
    /// Reads what is asked for.
    ///
    /// # Errors
    /// When it cannot be read, or wants another order than that of time.
    pub fn asked(&self, ask: &Ask) -> Result<Asked, Problem> {
        let mut query = Query::of(ask.options()?, self.entity, Of::Many)?;
        let other = query.order.iter().position(|by| by.property != self.when).or((query.order.len() > 1).then_some(1));
        if let Some(By { property, .. }) = other.and_then(|at| query.order.get(at)) {
            return Err(unsorted(self.entity, property));
        }
        let oldest_first = query.order.first().is_some_and(|by| !by.descending);
        query.order.clear();
        ask.reach.weigh(query.row_cost());
        Ok(Asked { query, oldest_first })
    }

    /// The page that is asked for. `next` gives the records after a place, at most so many.
    ///
    /// # Errors
    /// When more than [`RECORDS_MAX`] would have to be looked through, or the history cannot be read.
    pub async fn page<F: Future<Output = Result<Vec<R>, Fault>>>(
        &self,
        ask: &Ask,
        asked: Asked,
        mut next: impl FnMut(Option<P>, u32) -> F,
    ) -> Result<Answer, Problem> {
        let Asked { mut query, oldest_first } = asked;
        let by_place = By { property: "position", kind: Kind::Id, descending: !oldest_first };
        let shape = Shape::by_id().sorted().ordered(vec![by_place]);
        let last = ask.resumed(&query, &shape)?.and_then(|keys| (self.read)(keys.first()?.text()?));
        // A count is of all records, whichever page it stands on.
        let all = query.count || ask.counting;
        let beyond = |place: P| last.is_none_or(|last| if oldest_first { place > last } else { place < last });
        // What the query leaves out is left out here, so that it is not held either.
        let mut skip = if last.is_some() { 0 } else { std::mem::take(&mut query.skip) };
        let wanted = query.top.unwrap_or(PAGE_USUAL) as usize + 1;
        let (filter, mut after) = (query.filter.take(), last.filter(|_| !all));
        let (mut rows, mut count, mut seen) = (Vec::new(), 0, 0);
        // What the tables narrow down is mostly all there is to the filter: as many as the page has are enough then.
        let first = u32::try_from(wanted).unwrap_or(PAGE_MAX).saturating_add(skip);
        let mut limit = if all { ROWS_MAX } else { first.min(ROWS_MAX) };
        loop {
            let records = next(after, limit).await.map_err(|fault| ask.faulted(&fault))?;
            let (found, asked) = (records.len(), limit as usize);
            after = records.last().map(self.place);
            limit = ROWS_MAX;
            seen += found;
            let mut looked = 0;
            for record in ask.reach.count(records.into_iter()) {
                looked += 1;
                if filter.as_ref().is_some_and(|filter| !filter.holds(&record)) {
                    continue;
                }
                count += 1;
                if !beyond((self.place)(&record)) || rows.len() == wanted {
                    continue;
                }
                if skip > 0 {
                    skip -= 1;
                    continue;
                }
                rows.push(record);
            }
            if looked < found {
                // It is read again where there is time for it.
                return Err(Problem::internal());
            }
            if found < asked || (!all && rows.len() == wanted) {
                break;
            }
            if seen >= RECORDS_MAX {
                return Err(Problem::unsupported_query(format!(
                    "More than {RECORDS_MAX} {} would have to be looked through; narrow the filter, for example with {} \
                     ge 2026-11-21T00:00:00Z.",
                    self.told, self.when
                )));
            }
        }
        // All that the filter lets through is known by now.
        let shape = if all { shape.of_total(count) } else { shape };
        ask.page_of(&query, self.path, &shape, rows.into_iter())
    }
}
