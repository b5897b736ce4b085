//! Moments and lengths of time as people read and type them: in the reader's zone, `2h` and `1h30m` beside ISO 8601.
//! It never asks what time it is.
//!
//! Always: a moment shown in UTC says so; a length that is typed has no years or months.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use writ_core::time::{Span, Time};

/// Somebody who reads times: where, and when.
#[derive(Clone, Debug)]
pub struct Reader {
    zone: TimeZone,
    now: Time,
}

impl Reader {
    /// A reader in this zone at this moment.
    pub fn new(zone: TimeZone, now: Time) -> Self {
        Self { zone, now }
    }

    /// The same reader, later.
    pub fn at(&self, now: Time) -> Self {
        Self { zone: self.zone.clone(), now }
    }

    /// When it is for this reader.
    pub fn now(&self) -> Time {
        self.now
    }

    /// As short as it can be told apart: `16:05` today, `22 Nov 16:05` within a week, `31 Dec` this year, `31 Mar 2027`.
    pub fn moment(&self, time: Time) -> String {
        let (Some(then), Some(now)) = (self.civil(time), self.civil(self.now)) else {
            return time.to_string();
        };
        let utc = if self.is_utc() { " UTC" } else { "" };
        let clock = format!("{:02}:{:02}{utc}", then.hour(), then.minute());
        let day = format!("{} {}", then.day(), month(then.month()));
        if then.date() == now.date() {
            clock
        } else if then.year() == now.year() {
            // A week away, the day is what matters.
            let far = time.since(self.now).seconds() > 7 * 86_400;
            if far { day } else { format!("{day} {clock}") }
        } else {
            format!("{day} {}", then.year())
        }
    }

    /// With seconds, for records: `14:05:02` today, `2026-11-20 14:05:02` otherwise.
    pub fn record(&self, time: Time) -> String {
        let (Some(then), Some(now)) = (self.civil(time), self.civil(self.now)) else {
            return time.to_string();
        };
        let clock = format!("{:02}:{:02}:{:02}", then.hour(), then.minute(), then.second());
        let utc = if self.is_utc() { " UTC" } else { "" };
        if then.date() == now.date() { format!("{clock}{utc}") } else { format!("{} {clock}{utc}", then.date()) }
    }

    /// The day and the second, whichever day it is: `2026-11-21 14:05:02`.
    pub fn exact(&self, time: Time) -> String {
        let Some(then) = self.civil(time) else { return time.to_string() };
        let utc = if self.is_utc() { " UTC" } else { "" };
        format!("{} {:02}:{:02}:{:02}{utc}", then.date(), then.hour(), then.minute(), then.second())
    }

    /// The day: `2026-11-21`.
    pub fn day(&self, time: Time) -> String {
        self.civil(time).map_or_else(|| time.to_string(), |then| then.date().to_string())
    }

    /// `4 min ago`, `2 h ago`, `just now`.
    pub fn ago(&self, time: Time) -> String {
        let seconds = self.now.since(time).seconds();
        match seconds {
            0..=9 => "just now".into(),
            10..=59 => format!("{seconds} s ago"),
            60..=3599 => format!("{} min ago", seconds / 60),
            3600..=86_399 => format!("{} h ago", seconds / 3600),
            _ => format!("{} days ago", seconds / 86_400),
        }
    }

    /// What is left until a moment: `1:12:40`, `12:40`, `00:31`, `3 days`.
    pub fn left(&self, until: Time) -> String {
        // Rounded up, so that the display never reads nothing while something is left.
        let seconds = (until.since(self.now).millis() + 999) / 1000;
        let (h, m, s) = (seconds / 3600, seconds % 3600 / 60, seconds % 60);
        match h {
            0 => format!("{m:02}:{s:02}"),
            1..=47 => format!("{h}:{m:02}:{s:02}"),
            _ => format!("{} days", h / 24),
        }
    }

    /// A sentence of the server's, with its moments in the reader's zone and ids as short as people type them.
    pub fn local(&self, sentence: &str) -> String {
        let mut out = String::with_capacity(sentence.len());
        for piece in sentence.split_inclusive([' ', ',', ';', ')', '(', '\n']) {
            let word = piece.trim_end_matches([' ', ',', ';', ')', '(', '\n', '.', ':']);
            let rest = &piece[word.len()..];
            // A moment ends in Z: nothing else in a sentence looks like one.
            match word.parse::<Time>() {
                Ok(time) if word.ends_with('Z') => out.push_str(&self.moment(time)),
                _ if writ_core::ids::Uuid::try_parse(word).is_ok() && word.len() == 36 => out.push_str(&word[..8]),
                _ => out.push_str(word),
            }
            out.push_str(rest);
        }
        out
    }

    /// A moment that somebody typed: `2026-12-31`, `2026-12-31 16:00`, `16:00` (the next one), or RFC 3339.
    ///
    /// # Errors
    /// A sentence with the forms that are understood.
    pub fn read_moment(&self, text: &str) -> Result<Time, String> {
        let text = text.trim();
        if let Ok(time) = text.parse::<Time>() {
            return Ok(time);
        }
        let local = |at: DateTime| self.zone.to_timestamp(at).ok().map(|t| Time::from_millis(t.as_millisecond()));
        let found = if let Ok(at) = text.replace(' ', "T").parse::<DateTime>() {
            local(at)
        } else if let Ok(day) = text.parse::<Date>() {
            local(day.at(0, 0, 0, 0))
        } else if let (Ok(clock), Some(now)) = (text.parse::<jiff::civil::Time>(), self.civil(self.now)) {
            let today = now.date().to_datetime(clock);
            let next = now.date().tomorrow().ok().map(|day| day.to_datetime(clock));
            local(today).filter(|time| *time > self.now).or_else(|| next.and_then(local))
        } else {
            None
        };
        found.ok_or_else(|| {
            format!("`{text}` is not a moment; write 2026-12-31, \"2026-12-31 16:00\", 16:00, or 2026-12-31T15:00:00Z")
        })
    }

    /// A moment in the past: a length before now (`24h`), or a moment.
    ///
    /// # Errors
    /// As [`Reader::read_moment`].
    pub fn read_since(&self, text: &str) -> Result<Time, String> {
        match read_span(text) {
            Ok(span) => Ok(self.now.before(span)),
            Err(_) => self.read_moment(text),
        }
    }

    fn civil(&self, time: Time) -> Option<DateTime> {
        Timestamp::from_millisecond(time.millis()).ok().map(|t| self.zone.to_datetime(t))
    }

    fn is_utc(&self) -> bool {
        self.zone.iana_name().is_none_or(|name| matches!(name, "UTC" | "Etc/UTC" | "Etc/Unknown"))
    }
}

fn month(number: i8) -> &'static str {
    const NAMES: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    usize::try_from(number - 1).ok().and_then(|n| NAMES.get(n)).copied().unwrap_or("?")
}

/// A length of time that somebody typed: `2h`, `90m`, `1h30m`, `40s`, `3d`, or ISO 8601 such as `PT2H`.
///
/// # Errors
/// A sentence with the forms that are understood.
pub fn read_span(text: &str) -> Result<Span, String> {
    let text = text.trim();
    if text.starts_with(['P', 'p']) {
        return text.parse::<Span>().map_err(|e| format!("`{text}`: {e}"));
    }
    let wrong = || format!("`{text}` is not a length of time; write 2h, 90m, 1h30m, 40s, 3d, or PT2H");
    let (mut total, mut number, mut last) = (0i64, None::<i64>, 0);
    for c in text.chars().filter(|c| *c != ' ') {
        if let Some(digit) = c.to_digit(10) {
            let grown = number.unwrap_or(0).checked_mul(10).and_then(|n| n.checked_add(i64::from(digit)));
            number = Some(grown.ok_or_else(wrong)?);
            continue;
        }
        let (rank, unit) = match c {
            'w' => (1, 604_800_000),
            'd' => (2, 86_400_000),
            'h' => (3, 3_600_000),
            'm' => (4, 60_000),
            's' => (5, 1000),
            _ => return Err(wrong()),
        };
        let part = number.take().and_then(|n| n.checked_mul(unit)).ok_or_else(wrong)?;
        if rank <= last {
            return Err(wrong());
        }
        last = rank;
        total = total.checked_add(part).ok_or_else(wrong)?;
    }
    let span = Span::from_millis(total);
    if number.is_some() || last == 0 || span > writ_core::time::SPAN_MAX {
        return Err(wrong());
    }
    Ok(span)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_berlin() -> Reader {
        // 14:05:02 in Berlin.
        Reader::new(TimeZone::get("Europe/Berlin").unwrap(), "2026-11-21T13:05:02Z".parse().unwrap())
    }
    fn t(text: &str) -> Time {
        text.parse().unwrap()
    }

    #[test]
    fn lengths_are_read_as_people_type_them() {
        for (text, seconds) in [
            ("2h", 7200),
            ("90m", 5400),
            ("1h30m", 5400),
            ("40s", 40),
            ("3d", 259_200),
            ("PT2H", 7200),
            ("1h 5m", 3900),
        ] {
            assert_eq!(read_span(text).map(Span::seconds), Ok(seconds), "{text}");
        }
        for text in ["", "2", "h", "2x", "30m1h", "1h1h", "P1Y", "-2h", "99999999999999999999h", "40000d", "two hours"]
        {
            assert!(read_span(text).is_err(), "{text}");
        }
    }

    #[test]
    fn moments_are_shown_in_the_readers_zone_and_utc_says_so() {
        let reader = in_berlin();
        assert_eq!(reader.moment(t("2026-11-21T15:05:00Z")), "16:05");
        assert_eq!(reader.moment(t("2026-11-23T15:05:00Z")), "23 Nov 16:05");
        assert_eq!(reader.moment(t("2026-12-31T15:05:00Z")), "31 Dec");
        assert_eq!(reader.moment(t("2027-03-31T15:05:00Z")), "31 Mar 2027");
        assert_eq!(reader.record(t("2026-11-20T13:05:02Z")), "2026-11-20 14:05:02");
        let utc = Reader::new(TimeZone::UTC, reader.now());
        assert_eq!(utc.moment(t("2026-11-21T15:05:00Z")), "15:05 UTC");
    }

    #[test]
    fn a_sentence_is_told_in_the_readers_zone() {
        assert_eq!(
            in_berlin().local(
                "request 7f31aaaa-0000-4000-8000-000000000001 has waited since 2026-11-21T12:52:00.000Z; cancel it"
            ),
            "request 7f31aaaa has waited since 13:52; cancel it"
        );
        assert_eq!(in_berlin().local("without end, until 2027-03-31T12:00:00Z."), "without end, until 31 Mar 2027.");
        assert_eq!(in_berlin().local("nothing to see (here)"), "nothing to see (here)");
    }

    #[test]
    fn what_is_left_never_reads_nothing_while_something_is() {
        let reader = in_berlin();
        assert_eq!(reader.left(reader.now() + Span::from_millis(1)), "00:01");
        assert_eq!(reader.left(reader.now() + Span::from_seconds(4360)), "1:12:40");
        assert_eq!(reader.left(reader.now()), "00:00");
        assert_eq!(reader.left(reader.now() + Span::from_days(30)), "30 days");
    }

    #[test]
    fn typed_moments_are_in_the_readers_zone() {
        let reader = in_berlin();
        assert_eq!(reader.read_moment("2026-12-31"), Ok(t("2026-12-30T23:00:00Z")));
        assert_eq!(reader.read_moment("2026-12-31 16:00"), Ok(t("2026-12-31T15:00:00Z")));
        assert_eq!(reader.read_moment("16:00"), Ok(t("2026-11-21T15:00:00Z")));
        assert_eq!(reader.read_moment("09:00"), Ok(t("2026-11-22T08:00:00Z")), "the next one");
        assert!(reader.read_moment("tomorrow").is_err());
        assert_eq!(reader.read_since("24h"), Ok(t("2026-11-20T13:05:02Z")));
    }
}
