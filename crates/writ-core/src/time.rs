//! Moments and lengths of time: milliseconds in UTC, RFC 3339 and ISO 8601 on the wire.
//! Nothing here knows what time it is now; that comes in with the context.
//!
//! Always: a `Span` is never negative, and has no years or months (their length depends on the calendar).

use alloc::format;
use alloc::string::{String, ToString};
use core::fmt;
use core::ops::{Add, Sub};
use core::str::FromStr;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A moment, in milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Time(i64);

/// A length of time, in milliseconds, never negative.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span(i64);

/// The last moment accepted from outside: the end of the year 9999, as far as RFC 3339 reaches.
pub const TIME_MAX: Time = Time(253_402_300_799_999);

/// The first moment accepted from outside: the beginning of the year 0, where RFC 3339 begins.
pub const TIME_MIN: Time = Time(-62_167_219_200_000);

/// The longest span accepted from outside: about a hundred years.
pub const SPAN_MAX: Span = Span(36_525 * 86_400_000);

impl Time {
    /// The moment this many milliseconds after 1970-01-01T00:00:00Z.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since 1970-01-01T00:00:00Z, rounded down.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// How long after `earlier` this is; nothing if it is not after it.
    pub fn since(self, earlier: Time) -> Span {
        Span(self.0.saturating_sub(earlier.0).max(0))
    }

    /// This moment moved back by a span.
    pub fn before(self, span: Span) -> Time {
        Time(self.0.saturating_sub(span.0))
    }

    /// `YYYYMMDDHHMMSSZ`, the form sudoers takes, rounded down to the second. The `Z` is essential: without it
    /// sudo reads the time in a zone that the user picks.
    pub fn sudoers(self) -> String {
        let t = jiff::Timestamp::from_second(self.seconds()).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        let d = jiff::tz::Offset::UTC.to_datetime(t);
        format!("{:04}{:02}{:02}{:02}{:02}{:02}Z", d.year(), d.month(), d.day(), d.hour(), d.minute(), d.second())
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(t) => write!(f, "{t:.3}"),
            Err(_) => f.write_str("9999-12-31T23:59:59.999Z"),
        }
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a text is not a moment or a span; says what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotATime(pub &'static str);

impl fmt::Display for NotATime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}
impl core::error::Error for NotATime {}

impl FromStr for Time {
    type Err = NotATime;

    /// RFC 3339 with an offset (`Z` or `+02:00`); fractions finer than a millisecond are cut off.
    fn from_str(text: &str) -> Result<Self, NotATime> {
        const FORM: NotATime =
            NotATime("a time needs the form 2026-11-21T13:05:00Z, with Z or an offset such as +02:00");
        if text.len() > 40 || !text.as_bytes().get(10).is_some_and(|c| matches!(c, b'T' | b't' | b' ')) {
            return Err(FORM);
        }
        let t: jiff::Timestamp = match text.parse() {
            Ok(t) => t,
            // The last moments of all lie past what the parser takes, and clients write them for "never".
            Err(_) if text.starts_with("9999-12-3") => {
                let earlier = ["9998", text.get(4..).unwrap_or_default()].concat();
                return earlier.parse::<jiff::Timestamp>().map(|_| TIME_MAX).map_err(|_| FORM);
            }
            Err(_) => return Err(FORM),
        };
        // What lies too late to be written is written as the last moment of all, so it is taken for that.
        let time = match jiff::Timestamp::from_millisecond(t.as_millisecond()) {
            Err(_) if t > jiff::Timestamp::UNIX_EPOCH => TIME_MAX,
            _ => Time(t.as_millisecond()),
        };
        // Neither could be written so that it reads back, and the log is written with what is asked.
        if !(TIME_MIN..=TIME_MAX).contains(&time) {
            return Err(NotATime("a time must lie in the years 0000 to 9999 in UTC"));
        }
        Ok(time)
    }
}

impl Span {
    /// No time at all.
    pub const ZERO: Span = Span(0);

    /// A span of milliseconds; negative counts as zero.
    pub const fn from_millis(millis: i64) -> Self {
        Self(if millis < 0 { 0 } else { millis })
    }
    /// A span of seconds.
    pub const fn from_seconds(seconds: u32) -> Self {
        Self(seconds as i64 * 1000)
    }
    /// A span of minutes.
    pub const fn from_minutes(minutes: u32) -> Self {
        Self(minutes as i64 * 60_000)
    }
    /// A span of hours.
    pub const fn from_hours(hours: u32) -> Self {
        Self(hours as i64 * 3_600_000)
    }
    /// A span of days of 24 hours.
    pub const fn from_days(days: u32) -> Self {
        Self(days as i64 * 86_400_000)
    }
    /// Milliseconds.
    pub const fn millis(self) -> i64 {
        self.0
    }
    /// Whole seconds, rounded down.
    pub const fn seconds(self) -> i64 {
        self.0 / 1000
    }
    /// For people: `2 h`, `1 h 30 min`, `40 s`, `3 days`.
    pub fn told(self) -> String {
        let s = self.0 / 1000;
        let (d, h, m, r) = (s / 86_400, s % 86_400 / 3600, s % 3600 / 60, s % 60);
        let mut parts = alloc::vec::Vec::new();
        if d > 0 {
            parts.push(format!("{d} {}", if d == 1 { "day" } else { "days" }));
        }
        if h > 0 {
            parts.push(format!("{h} h"));
        }
        if m > 0 {
            parts.push(format!("{m} min"));
        }
        if r > 0 && d == 0 && h == 0 || parts.is_empty() {
            parts.push(format!("{r} s"));
        }
        parts.join(" ")
    }
}

impl Add<Span> for Time {
    type Output = Time;
    fn add(self, span: Span) -> Time {
        Time(self.0.saturating_add(span.0))
    }
}
impl Sub<Time> for Time {
    type Output = Span;
    fn sub(self, earlier: Time) -> Span {
        self.since(earlier)
    }
}
impl Add for Span {
    type Output = Span;
    fn add(self, other: Span) -> Span {
        Span(self.0.saturating_add(other.0))
    }
}

impl fmt::Display for Span {
    /// ISO 8601, as Edm.Duration writes it: `PT8H`, `P1DT2H30M`, `PT0.5S`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, rest) = (self.0 / 86_400_000, self.0 % 86_400_000);
        let (h, m, ms) = (rest / 3_600_000, rest % 3_600_000 / 60_000, rest % 60_000);
        f.write_str("P")?;
        if days > 0 {
            write!(f, "{days}D")?;
        }
        if rest > 0 || days == 0 {
            f.write_str("T")?;
            if h > 0 {
                write!(f, "{h}H")?;
            }
            if m > 0 {
                write!(f, "{m}M")?;
            }
            if ms % 1000 > 0 {
                let fraction = format!("{:03}", ms % 1000);
                write!(f, "{}.{}S", ms / 1000, fraction.trim_end_matches('0'))?;
            } else if ms > 0 || rest == 0 {
                write!(f, "{}S", ms / 1000)?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Span {
    type Err = NotATime;

    /// ISO 8601 durations of weeks, days, hours, minutes and seconds (source: OData 4.01 Edm.Duration, and
    /// the week form that one Graph SDK writes). Years and months, signs and `1:00:00` are refused.
    fn from_str(text: &str) -> Result<Self, NotATime> {
        const FORM: NotATime = NotATime("a duration needs the ISO 8601 form, such as PT8H, PT30M or P30D");
        let body = text.strip_prefix(['P', 'p']).ok_or(FORM)?;
        if body.is_empty() || body.len() > 40 || body.ends_with(['T', 't']) {
            return Err(FORM);
        }
        let (mut total, mut in_time, mut number, mut fraction, mut last) =
            (0i64, false, None::<i64>, None::<(i64, i64)>, 0u8);
        for c in body.bytes() {
            let c = c.to_ascii_uppercase();
            match c {
                b'0'..=b'9' => {
                    let digit = i64::from(c - b'0');
                    if let Some((value, scale)) = fraction {
                        if scale > 1 {
                            fraction = Some((value + digit * (scale / 10), scale / 10));
                        }
                    } else {
                        let n = number.unwrap_or(0).checked_mul(10).and_then(|n| n.checked_add(digit));
                        number = Some(n.ok_or(FORM)?);
                    }
                }
                b'.' if number.is_some() && fraction.is_none() && in_time => fraction = Some((0, 1000)),
                b'T' if !in_time && number.is_none() => in_time = true,
                b'Y' | b'M' if !in_time => {
                    return Err(NotATime("years and months have no fixed length; give days, such as P365D"));
                }
                _ => {
                    let (rank, unit) = match (c, in_time) {
                        (b'W', false) => (1, 604_800_000),
                        (b'D', false) => (2, 86_400_000),
                        (b'H', true) => (3, 3_600_000),
                        (b'M', true) => (4, 60_000),
                        (b'S', true) => (5, 1000),
                        _ => return Err(FORM),
                    };
                    if rank <= last || (fraction.is_some() && c != b'S') {
                        return Err(FORM);
                    }
                    last = rank;
                    let part = number.take().ok_or(FORM)?.checked_mul(unit).ok_or(FORM)?;
                    total = total.checked_add(part).ok_or(FORM)?;
                    if let Some((value, _)) = fraction.take() {
                        total += value;
                    }
                }
            }
        }
        if number.is_some() || last == 0 {
            return Err(FORM);
        }
        let span = Span(total);
        if span > SPAN_MAX {
            return Err(NotATime("a duration of more than 36525 days is not accepted"));
        }
        Ok(span)
    }
}

macro_rules! as_text {
    ($($name:ident),+) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                struct Text;
                impl de::Visitor<'_> for Text {
                    type Value = $name;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str(stringify!($name))
                    }
                    fn visit_str<E: de::Error>(self, v: &str) -> Result<$name, E> {
                        v.parse().map_err(|e: NotATime| E::custom(e.to_string()))
                    }
                }
                d.deserialize_str(Text)
            }
        }
    )+};
}
as_text!(Time, Span);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_are_read_as_graph_clients_write_them() {
        for (text, seconds) in [
            ("PT8H", 28_800),
            ("P1D", 86_400),
            ("P8D", 691_200),
            ("P1W", 604_800),
            ("PT1H45M", 6300),
            ("P1DT2H30M5S", 95_405),
            ("pt1h", 3600),
            ("PT0S", 0),
        ] {
            assert_eq!(text.parse::<Span>().map(Span::seconds), Ok(seconds), "{text}");
        }
        assert_eq!("PT0.25S".parse::<Span>(), Ok(Span::from_millis(250)));
    }

    #[test]
    fn durations_without_a_fixed_length_or_form_are_refused() {
        for text in [
            "",
            "P",
            "PT",
            "P1Y",
            "P6M",
            "1:00:00",
            "8",
            "-PT1H",
            "PT-1H",
            "PT1H1H",
            "PT1M1H",
            "PT1",
            "P1H",
            "PT1D",
            "PT1.5H",
            "PT99999999999999999999H",
            "P1DT",
            "PT1H ",
            "PT１H",
            "P40000D",
        ] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
    }

    #[test]
    fn no_time_is_taken_that_would_not_read_back_from_the_log() {
        for text in [
            "0000-01-01T00:00:00Z",
            "0000-01-01T00:00:00+01:00",
            "0001-01-01T00:00:00+23:59",
            "9999-12-30T21:59:59.999Z",
            "9999-12-30T22:00:00.001Z",
            "9999-12-31T23:59:59.9999999Z",
            "9999-12-31T23:59:59-23:59",
        ] {
            let Ok(time) = text.parse::<Time>() else { continue };
            assert_eq!(time.to_string().parse::<Time>(), Ok(time), "{text}");
        }
        assert_eq!("0000-01-01T00:00:00Z".parse::<Time>(), Ok(TIME_MIN));
        assert!("0000-01-01T00:00:00+01:00".parse::<Time>().is_err(), "there is no year before that in RFC 3339");
    }

    #[test]
    fn times_need_an_offset() {
        assert_eq!(
            "2026-11-21T11:27:20.656395+00:00".parse::<Time>().map(|t| t.to_string()),
            Ok("2026-11-21T11:27:20.656Z".to_string())
        );
        for text in [
            "2026-11-21T11:27:20",
            "2026-11-21",
            "now",
            "",
            "2026-13-01T00:00:00Z",
            "99999-01-01T00:00:00Z",
            "9999-12-32T00:00:00Z",
            "9999-12-3",
            "2026-11-21T11:27:20 Z",
        ] {
            assert!(text.parse::<Time>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_span_reads_back_as_written(ms in 0i64..SPAN_MAX.0) {
            prop_assert_eq!(Span(ms).to_string().parse::<Span>(), Ok(Span(ms)));
        }
        #[test]
        fn a_time_reads_back_as_written(ms in TIME_MIN.0..TIME_MAX.0) {
            prop_assert_eq!(Time(ms).to_string().parse::<Time>(), Ok(Time(ms)));
        }
        #[test]
        fn a_sudoers_time_always_says_its_zone(ms in 0i64..TIME_MAX.0) {
            let text = Time(ms).sudoers();
            prop_assert_eq!(text.len(), 15);
            prop_assert!(text.ends_with('Z') && text[..14].bytes().all(|b| b.is_ascii_digit()));
        }
        #[test]
        fn no_text_makes_the_parsers_panic(text in ".{0,60}") {
            let _ = text.parse::<Span>();
            let _ = text.parse::<Time>();
        }
    }
}
