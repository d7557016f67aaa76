//! What the archive must hold, worked out a second time without the product's routing, naming or encoding.
//!
//! It knows only the shapes that [`super::scenario`] draws, and what the producer meant, so it can be plain: an escape,
//! a calendar, a line. [`read_lines`] decompresses with other code than the encoders were written against.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::rc::Rc;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use secor_core::shape::{Compression, InputFormat, Shape, TimestampPolicy, TimestampSource};

use super::log::{Content, Meaning, Message, Written};

/// A file as it must be: the stored text of each record, and its offset, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    pub lines: Vec<(i64, Vec<u8>)>,
}

/// Of which batch.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub topic: &'a str,
    pub generation: u32,
    pub partition: i32,
    pub start: i64,
    pub clock_ms: i64,
}

/// The files of a batch that consists of `records`.
pub(super) fn files(shape: &Shape, place: Place<'_>, records: &[Rc<Written>]) -> BTreeMap<String, Wanted> {
    let mut files: BTreeMap<String, Wanted> = BTreeMap::new();
    for written in records {
        let Content::Record(message) = &written.content else { continue };
        let (key, line) = match folder(shape, place, written.offset, message) {
            Some(folder) => (good_key(shape, place, &folder), stored_value(shape, message)),
            None => (dead_key(shape, place), dead_line(written.offset, message)),
        };
        files.entry(key).or_default().lines.push((written.offset, line));
    }
    files
}

/// `None`: it belongs to the dead letters.
fn folder(shape: &Shape, place: Place<'_>, offset: i64, message: &Message) -> Option<String> {
    let is_json = shape.input.format == InputFormat::Json;
    match message.meaning {
        Meaning::Garbage if is_json => return None,
        // a line break that is no white space between tokens cannot be stored in a line
        Meaning::Event { spaced: true, .. } if !is_json => return None,
        _ => {}
    }
    let time = event_time(shape, message)?;
    let country = match message.meaning {
        Meaning::Event { country, .. } => escaped(country),
        Meaning::NoTime | Meaning::Null => "__HIVE_DEFAULT_PARTITION__".to_owned(),
        // only named where the input is JSON, which this is not
        Meaning::Garbage => String::new(),
    };
    let (zone_ms, text) = (zone_ms(shape), &shape.output_partitions);
    let segments: Vec<String> = text
        .iter()
        .map(|template| match template.as_str() {
            "dt={timestamp:%Y-%m-%d}" => format!("dt={}", civil(time + zone_ms).date()),
            "hr={timestamp:%H}" => format!("hr={:02}", civil(time + zone_ms).hour),
            "dt={timestamp:%Y-%m-%d-%H-%M}" => {
                let at = civil(time + zone_ms);
                format!("dt={}-{:02}-{:02}", at.date(), at.hour, at.minute)
            }
            "c={field:country}" => format!("c={country}"),
            "o={offset:10}" => format!("o={}", offset / 10 * 10),
            "dt={clock:%Y-%m-%d}" => format!("dt={}", civil(place.clock_ms + zone_ms).date()),
            "at={clock:%H-%M-%S}" => {
                let at = civil(place.clock_ms + zone_ms);
                format!("at={:02}-{:02}-{:02}", at.hour, at.minute, at.second)
            }
            other => unreachable!("no scenario has the template `{other}`"),
        })
        .collect();
    Some(segments.join("/"))
}

/// `None`: the record has none and is bad. Where no template names it, any will do.
fn event_time(shape: &Shape, message: &Message) -> Option<i64> {
    let is_named = shape.output_partitions.iter().any(|template| template.contains("{timestamp:"));
    match (is_named, shape.timestamp.source, message.meaning) {
        (true, Some(TimestampSource::Field), Meaning::Event { ts_ms, .. }) => Some(ts_ms),
        (true, Some(TimestampSource::Field), _) => {
            (shape.timestamp.missing == TimestampPolicy::Kafka).then_some(message.timestamp)
        }
        _ => Some(message.timestamp),
    }
}

fn good_key(shape: &Shape, place: Place<'_>, folder: &str) -> String {
    let ext = match shape.output.compression {
        Compression::None => "",
        Compression::Gzip => ".gz",
        Compression::Zstd => ".zst",
        other => unreachable!("no scenario compresses with {other:?}"),
    };
    key(shape, place, folder, ext)
}

fn dead_key(shape: &Shape, place: Place<'_>) -> String {
    format!("_dead_letters/{}", key(shape, place, "", ".json.gz"))
}

fn key(shape: &Shape, place: Place<'_>, folder: &str, ext: &str) -> String {
    let Place { topic, generation, partition, start, .. } = place;
    let folder = if folder.is_empty() { String::new() } else { format!("{folder}/") };
    match shape.layout.as_str() {
        "secor" => format!("{topic}/{folder}{generation}_{partition}_{start:020}{ext}"),
        "kafka-store" if generation > 1 => format!("{topic}.g{generation}/{partition:06}/{start:020}{ext}"),
        "kafka-store" => format!("{topic}/{partition:06}/{start:020}{ext}"),
        _ => format!("{topic}/p{partition:03}/{folder}{start:020}_{generation}{ext}"),
    }
}

/// A JSON record's line breaks between tokens are spaces in its line.
fn stored_value(shape: &Shape, message: &Message) -> Vec<u8> {
    let value = message.value.clone().unwrap_or_default();
    if shape.input.format == InputFormat::Json {
        value.into_iter().map(|byte| if byte == b'\n' { b' ' } else { byte }).collect()
    } else {
        value
    }
}

/// What a dead letter must give back, in a form that [`read_dead_letter`] gives too.
fn dead_line(offset: i64, message: &Message) -> Vec<u8> {
    let mut headers = Vec::new();
    for (name, value) in secor_core::record::headers(&message.headers) {
        headers.push((name.to_vec(), value.map(<[u8]>::to_vec)));
    }
    format!("{offset} {} {:?} {:?} {headers:?}", message.timestamp, message.key, message.value).into_bytes()
}

/// The lines of a stored file, or why it is none.
pub(super) fn read_lines(key: &str, bytes: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let text = if key.ends_with(".gz") {
        let mut text = Vec::new();
        let read = flate2::read::MultiGzDecoder::new(bytes).read_to_end(&mut text);
        read.map_err(|error| format!("`{key}`: {error}"))?;
        text
    } else if key.ends_with(".zst") {
        zstd::stream::decode_all(bytes).map_err(|error| format!("`{key}`: {error}"))?
    } else {
        bytes.to_vec()
    };
    let Some(body) = text.strip_suffix(b"\n") else {
        return Err(format!("`{key}` does not end with a line break"));
    };
    let lines = body.split(|byte| *byte == b'\n');
    if key.starts_with("_dead_letters/") {
        lines.map(read_dead_letter).collect()
    } else {
        Ok(lines.map(<[u8]>::to_vec).collect())
    }
}

fn read_dead_letter(line: &[u8]) -> Result<Vec<u8>, String> {
    let json: serde_json::Value = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    let bytes = |value: &serde_json::Value| {
        value.as_str().map(|text| BASE64_STANDARD.decode(text).map_err(|error| error.to_string())).transpose()
    };
    let mut headers = Vec::new();
    for header in json["headers"].as_array().into_iter().flatten() {
        let name = header["name"].as_str().unwrap_or_default().as_bytes().to_vec();
        headers.push((name, bytes(&header["value"])?));
    }
    let (key, value) = (bytes(&json["key"])?, bytes(&json["value"])?);
    let text = format!("{} {} {key:?} {value:?} {headers:?}", json["offset"], json["timestamp"]);
    Ok(text.into_bytes())
}

/// The escapes that the producer's countries need.
fn escaped(country: &str) -> String {
    if country.is_empty() {
        return "__HIVE_DEFAULT_PARTITION__".to_owned();
    }
    country.replace('%', "%25").replace('/', "%2F").replace('=', "%3D")
}

/// Neither zone has changed its offset since 1945.
fn zone_ms(shape: &Shape) -> i64 {
    if shape.time_zone == "Asia/Kolkata" { 19_800_000 } else { 0 }
}

struct Civil {
    year: i64,
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
}

impl Civil {
    fn date(&self) -> String {
        format!("{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

/// Days to civil dates after Hinnant's `civil_from_days`.
fn civil(ms: i64) -> Civil {
    let seconds = ms.div_euclid(1_000);
    let (days, of_day) = (seconds.div_euclid(86_400) + 719_468, seconds.rem_euclid(86_400));
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    Civil {
        year: era * 400 + year_of_era + i64::from(month <= 2),
        month,
        day: of_year - (153 * shifted + 2) / 5 + 1,
        hour: of_day / 3_600,
        minute: of_day / 60 % 60,
        second: of_day % 60,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_calendar_agrees_with_known_dates() {
        let known =
            [(0, "1970-01-01"), (951_782_400_000, "2000-02-29"), (1_795_255_200_000, "2026-11-21"), (-1, "1969-12-31")];
        for (ms, date) in known {
            assert_eq!(civil(ms).date(), date);
        }
        assert_eq!((civil(1_795_255_261_000).hour, civil(1_795_255_261_000).second), (10, 1));
    }
}
