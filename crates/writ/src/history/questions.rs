//! What is asked of the history, as SQL: who did what to whom, sign-ins, lines, requests.
//! It only reads.
//!
//! Always: a question names its most rows, and what is often asked reads and sorts nothing that is not shown.

use super::audit::Record;
use super::latest::{At, Latest, LatestQuery, Side};
use super::sign_ins::{SignInQuery, SignedIn};
use super::tables::{bytes, json, number, word};
use super::{AuditQuery, Change, Line, LineQuery, Place, ROWS_MAX, RequestQuery};
use crate::store::Fault;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, params, params_from_iter};
use writ_core::ids::{PrincipalId, RequestId, Seq, Uuid};
use writ_core::state::Request;
use writ_core::time::Time;

/// The conditions of a question, each with its value.
#[derive(Default)]
struct Where {
    clauses: Vec<String>,
    values: Vec<Value>,
}

impl Where {
    /// Adds a condition; `?` in it stands for the value.
    fn and(&mut self, clause: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.values.push(value.into());
            self.clauses.push(clause.replacen('?', &format!("?{}", self.values.len()), 1));
        }
    }

    fn sql(&self) -> String {
        if self.clauses.is_empty() { String::new() } else { format!(" WHERE {}", self.clauses.join(" AND ")) }
    }
}

fn read_json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, Fault> {
    serde_json::from_str(text).map_err(|e| Fault(format!("a row of the history is not readable: {e}")))
}

fn bodies<T: serde::de::DeserializeOwned>(
    connection: &Connection,
    sql: &str,
    values: Vec<Value>,
) -> Result<Vec<T>, Fault> {
    let mut query = connection.prepare_cached(sql)?;
    let rows = query.query_map(params_from_iter(values), |row| row.get::<_, String>(0))?;
    rows.map(|text| read_json(&text?)).collect()
}

/// Where in the log the entries of a time stand, so that a question about a time looks at no others. Entries stand in the
/// order of their times, unless the clock was declared right once: then this is not known.
fn between(
    connection: &Connection,
    since: Option<Time>,
    until: Option<Time>,
) -> Result<(Option<i64>, Option<i64>), Fault> {
    let back = "SELECT 1 FROM audit WHERE activity = 'Declare clock right' COLLATE NOCASE LIMIT 1";
    if (since.is_none() && until.is_none()) || connection.prepare_cached(back)?.exists([])? {
        return Ok((None, None));
    }
    let first = |later: &str, at: Time| -> Result<Option<i64>, Fault> {
        let sql = format!("SELECT seq FROM line WHERE at {later} ?1 ORDER BY at, seq LIMIT 1");
        Ok(connection.prepare_cached(&sql)?.query_row([at.millis()], |row| row.get(0)).optional()?)
    };
    let from = since.map(|at| first(">=", at)).transpose()?.map(|found| found.unwrap_or(i64::MAX));
    let to = until.map(|at| first(">", at)).transpose()?.flatten();
    Ok((from, to))
}

pub(super) fn audit(connection: &Connection, query: &AuditQuery) -> Result<Vec<Record>, Fault> {
    let (sql, values) = audit_question(query, between(connection, query.since, query.until)?);
    bodies(connection, &sql, values)
}

/// The question as SQL: records come from an index in the order that is asked for, so that none is read that is not shown
/// but those that the rest of the conditions leaves out.
fn audit_question(query: &AuditQuery, (from, to): (Option<i64>, Option<i64>)) -> (String, Vec<Value>) {
    let mut wanted = Where::default();
    // What is done to most things is little beside the rest, and has an index in the same order.
    let (tables, seq, k) = match query.target {
        Some(_) => ("audit_target t CROSS JOIN audit a ON a.seq = t.seq AND a.k = t.k", "t.seq", "t.k"),
        None => ("audit a", "a.seq", "a.k"),
    };
    wanted.and("t.what = ?", query.target.map(bytes));
    wanted.and(&format!("{seq} >= ?"), from);
    wanted.and(&format!("{seq} < ?"), to);
    // A plus keeps the index of times out of it: it knows no other order than its own.
    wanted.and("+a.at >= ?", query.since.map(Time::millis));
    wanted.and("+a.at <= ?", query.until.map(Time::millis));
    wanted.and("a.activity = ? COLLATE NOCASE", query.activity.clone());
    if let Some(text) = &query.activity_begins {
        let length = text.chars().count();
        wanted.and(&format!("substr(a.activity, 1, {length}) = ? COLLATE NOCASE"), Some(text.clone()));
    }
    wanted.and("a.category = ? COLLATE NOCASE", query.category.clone());
    wanted.and("a.service = ? COLLATE NOCASE", query.service.clone());
    wanted.and("a.succeeded = ?", query.succeeded.map(i64::from));
    wanted.and("a.initiator = ?", query.initiator.map(|id| bytes(id.0)));
    wanted.and("a.correlation = ?", query.correlation.map(bytes));
    let (order, beyond) = if query.oldest_first { ("ASC", ">") } else { ("DESC", "<") };
    if let Some(Place { seq: last, k: of_it }) = query.after {
        wanted.and(&format!("({seq}, {k}) {beyond} (?, {of_it})"), Some(last.cast_signed()));
    }
    let limit = query.limit.min(ROWS_MAX);
    let sql = format!("SELECT a.body FROM {tables}{} ORDER BY {seq} {order}, {k} {order} LIMIT {limit}", wanted.sql());
    (sql, wanted.values)
}

pub(super) fn sign_ins(connection: &Connection, query: &SignInQuery) -> Result<Vec<SignedIn>, Fault> {
    let (sql, values) = sign_in_question(query, between(connection, query.since, query.until)?);
    bodies(connection, &sql, values)
}

fn sign_in_question(query: &SignInQuery, (from, to): (Option<i64>, Option<i64>)) -> (String, Vec<Value>) {
    let mut wanted = Where::default();
    wanted.and("seq >= ?", from);
    wanted.and("seq < ?", to);
    wanted.and("+at >= ?", query.since.map(Time::millis));
    wanted.and("+at <= ?", query.until.map(Time::millis));
    wanted.and("principal = ?", query.principal.map(|id| bytes(id.0)));
    wanted.and("id = ?", query.id.map(bytes));
    let (order, beyond) = if query.oldest_first { ("ASC", "seq > ?") } else { ("DESC", "seq < ?") };
    wanted.and(beyond, query.after.map(Seq::cast_signed));
    let limit = query.limit.min(ROWS_MAX);
    let sql = format!("SELECT body FROM sign_in{} ORDER BY seq {order} LIMIT {limit}", wanted.sql());
    (sql, wanted.values)
}

pub(super) fn latest(connection: &Connection, query: &LatestQuery) -> Result<Vec<Latest>, Fault> {
    let mut rows = connection.prepare_cached(
        "SELECT seq, what, side, other, gone FROM latest
         WHERE sort = ?1 AND seq <= ?2 AND (seq, what, side, other) > (?3, ?4, ?5, ?6)
             AND (gone = 0 OR seq > ?7) AND (side = 0 OR (side = 1 AND ?8) OR (side = 2 AND ?9))
         ORDER BY seq, what, side, other LIMIT ?10",
    )?;
    let after = query.after;
    let found = rows.query_map(
        params![
            word(&query.sort)?,
            query.until.cast_signed(),
            after.seq.cast_signed(),
            after.what.as_bytes(),
            number(after.side),
            after.other.as_bytes(),
            query.gone_since.cast_signed(),
            query.members,
            query.owners,
            query.limit.min(ROWS_MAX)
        ],
        |row| {
            let id = |at| row.get::<_, [u8; 16]>(at).map(Uuid::from_bytes);
            let side = match row.get::<_, i64>(2)? {
                0 => Side::Own,
                1 => Side::Member,
                _ => Side::Owner,
            };
            let at = At { seq: row.get::<_, i64>(0)?.cast_unsigned(), what: id(1)?, side, other: id(3)? };
            Ok(Latest { at, gone: row.get(4)? })
        },
    )?;
    Ok(found.collect::<Result<_, _>>()?)
}

pub(super) fn audit_at(connection: &Connection, place: Place) -> Result<Option<Record>, Fault> {
    let values = vec![Value::Integer(place.seq.cast_signed()), Value::Integer(i64::from(place.k))];
    Ok(bodies(connection, "SELECT body FROM audit WHERE seq = ?1 AND k = ?2", values)?.pop())
}

pub(super) fn lines(connection: &Connection, query: &LineQuery) -> Result<Vec<Line>, Fault> {
    let (sql, values) = line_question(query, between(connection, query.since, query.until)?)?;
    let mut query = connection.prepare_cached(&sql)?;
    let rows = query.query_map(params_from_iter(values), |row| {
        Ok(Line {
            seq: row.get::<_, i64>(0)?.cast_unsigned(),
            at: Time::from_millis(row.get(1)?),
            kind: row.get(2)?,
            actor: row.get::<_, Option<[u8; 16]>>(3)?.map(|id| PrincipalId(Uuid::from_bytes(id))),
            correlation: Uuid::from_bytes(row.get(4)?),
            told: row.get(5)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn line_question(query: &LineQuery, (from, to): (Option<i64>, Option<i64>)) -> Result<(String, Vec<Value>), Fault> {
    let mut wanted = Where::default();
    let (first, second) = match query.about {
        Some(_) => (query.about, query.also_about),
        None => (query.also_about, None),
    };
    let (tables, seq) = match first {
        Some(_) => ("about b CROSS JOIN line l ON l.seq = b.seq", "b.seq"),
        None => ("line l", "l.seq"),
    };
    wanted.and("b.what = ?", first.map(bytes));
    wanted.and(&format!("{seq} >= ?"), from);
    wanted.and(&format!("{seq} < ?"), to);
    wanted.and(&format!("{seq} < ?"), query.before.map(Seq::cast_signed));
    wanted.and("+l.at >= ?", query.since.map(Time::millis));
    wanted.and("+l.at <= ?", query.until.map(Time::millis));
    wanted.and("EXISTS (SELECT 1 FROM about o WHERE o.what = ? AND o.seq = l.seq)", second.map(bytes));
    if !query.kinds.is_empty() {
        // One value holds the whole list, so that the statement stays the same however long it is.
        wanted.and("l.kind IN (SELECT value FROM json_each(?))", Some(json(&query.kinds)?));
    }
    let limit = query.limit.min(ROWS_MAX);
    let sql = format!(
        "SELECT l.seq, l.at, l.kind, l.actor, l.correlation, l.told FROM {tables}{} ORDER BY {seq} DESC LIMIT {limit}",
        wanted.sql()
    );
    Ok((sql, wanted.values))
}

pub(super) fn changes(connection: &Connection, after: Seq, limit: u32) -> Result<Vec<Change>, Fault> {
    let sql = "SELECT seq, at, kind, about FROM line WHERE seq > ?1 ORDER BY seq LIMIT ?2";
    let mut query = connection.prepare_cached(sql)?;
    let rows = query.query_map(params![after.cast_signed(), limit.min(ROWS_MAX)], |row| {
        let ids: Vec<u8> = row.get(3)?;
        Ok(Change {
            seq: row.get::<_, i64>(0)?.cast_unsigned(),
            at: Time::from_millis(row.get(1)?),
            kind: row.get(2)?,
            about: ids.chunks_exact(16).filter_map(|id| Uuid::from_slice(id).ok()).collect(),
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn request(connection: &Connection, id: RequestId) -> Result<Option<Request>, Fault> {
    Ok(bodies(connection, "SELECT body FROM request WHERE id = ?1", vec![Value::Blob(bytes(id.0))])?.pop())
}

pub(super) fn requests_about(
    connection: &Connection,
    subject: PrincipalId,
    limit: u32,
) -> Result<Vec<RequestId>, Fault> {
    let mut query =
        connection.prepare_cached("SELECT id FROM request WHERE subject = ?1 ORDER BY made DESC, id DESC LIMIT ?2")?;
    let rows = query.query_map(rusqlite::params![bytes(subject.0), limit], |row| row.get::<_, [u8; 16]>(0))?;
    let ids = rows.map(|id| id.map(|id| RequestId(Uuid::from_bytes(id))));
    Ok(ids.collect::<Result<_, _>>()?)
}

pub(super) fn requests(connection: &Connection, query: &RequestQuery) -> Result<Vec<Request>, Fault> {
    let mut wanted = Where::default();
    wanted.and("sort = ?", query.sort.as_ref().map(word).transpose()?);
    wanted.and("subject = ?", query.subject.map(|id| bytes(id.0)));
    wanted.and("role = ?", query.role.map(|id| bytes(id.0)));
    wanted.and("status = ?", query.status.as_ref().map(word).transpose()?);
    wanted.and("action = ?", query.action.as_ref().map(word).transpose()?);
    if let Some((made, id)) = query.after {
        let made = made.millis();
        wanted.and(&format!("(made, id) < ({made}, ?)"), Some(bytes(id.0)));
    }
    let limit = query.limit.min(ROWS_MAX);
    let sql = format!("SELECT body FROM request{} ORDER BY made DESC, id DESC LIMIT {limit}", wanted.sql());
    bodies(connection, &sql, wanted.values)
}

#[cfg(test)]
mod tests {
    use super::super::tables::TABLES;
    use super::*;

    /// How SQLite reads for a question, one step a line.
    fn plan((sql, values): (String, Vec<Value>)) -> String {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(TABLES).unwrap();
        let mut explained = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let steps = explained.query_map(params_from_iter(values), |row| row.get::<_, String>(3)).unwrap();
        steps.map(Result::unwrap).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn what_is_often_asked_reads_and_sorts_nothing_that_is_not_shown() {
        let (day, id) = ((Some(1), Some(2)), Uuid::from_u128(1));
        let (time, limit) = ((Some(Time::from_millis(1)), Some(Time::from_millis(2))), 100);
        let audit = AuditQuery { since: time.0, until: time.1, limit, ..AuditQuery::default() };
        let after = Some(Place { seq: 3, k: 0 });
        for question in [
            audit_question(&AuditQuery { activity: Some("x".into()), ..audit.clone() }, day),
            audit_question(&AuditQuery { activity: Some("x".into()), after, ..audit.clone() }, day),
            audit_question(&AuditQuery { activity: Some("x".into()), ..audit.clone() }, (None, None)),
            audit_question(&AuditQuery { initiator: Some(PrincipalId(id)), after, ..audit.clone() }, day),
            audit_question(&AuditQuery { correlation: Some(id), ..audit.clone() }, day),
            audit_question(&AuditQuery { target: Some(id), after, ..audit.clone() }, day),
            audit_question(&AuditQuery { target: Some(id), activity: Some("x".into()), ..audit.clone() }, (None, None)),
            audit_question(&AuditQuery { oldest_first: true, service: Some("x".into()), ..audit.clone() }, day),
            audit_question(&audit, day),
            sign_in_question(&SignInQuery { since: time.0, limit, ..SignInQuery::default() }, day),
            sign_in_question(&SignInQuery { principal: Some(PrincipalId(id)), limit, ..SignInQuery::default() }, day),
            line_question(&LineQuery { about: Some(id), since: time.0, limit, ..LineQuery::default() }, day).unwrap(),
            line_question(
                &LineQuery { about: Some(id), also_about: Some(id), limit, ..LineQuery::default() },
                (None, None),
            )
            .unwrap(),
            line_question(&LineQuery { since: time.0, until: time.1, limit, ..LineQuery::default() }, day).unwrap(),
        ] {
            let (sql, plan) = (question.0.clone(), plan(question));
            assert!(!plan.contains("SCAN") && !plan.contains("TEMP B-TREE"), "{sql}\n{plan}");
        }
    }
}
