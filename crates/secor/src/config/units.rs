//! Durations and sizes as people write them: `15s`, `1h30m`, `200MB`, `8MiB`.

use bytesize::ByteSize;

const UNITS_MS: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// Milliseconds of a text such as `15s`, `250ms` or `1h30m`; `None` when it is no duration or too long for an `i64`.
#[must_use]
pub fn parse_duration_ms(text: &str) -> Option<u64> {
    let mut rest = text.trim();
    let mut total_ms: u64 = 0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, tail) = rest.split_at(digits);
        let letters = tail.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, tail) = tail.split_at(letters);
        let (_, unit_ms) = UNITS_MS.iter().find(|(name, _)| *name == unit)?;
        total_ms = total_ms.checked_add(number.parse::<u64>().ok()?.checked_mul(*unit_ms)?)?;
        rest = tail.trim_start();
    }
    (total_ms <= i64::MAX as u64).then_some(total_ms)
}

/// Bytes of a text such as `200MB` (10^6), `8MiB` (2^20) or `4096`; `None` when it is no size.
#[must_use]
pub fn parse_size(text: &str) -> Option<u64> {
    text.parse::<ByteSize>().ok().map(|size| size.as_u64()).filter(|bytes| *bytes <= i64::MAX as u64)
}

/// The shortest exact way to write `ms`.
#[must_use]
pub fn format_duration(ms: u64) -> String {
    let exact = UNITS_MS.iter().rev().find(|(_, unit_ms)| ms.is_multiple_of(*unit_ms) && ms >= *unit_ms);
    match exact {
        Some((unit, unit_ms)) => format!("{}{unit}", ms / unit_ms),
        None => "0s".to_owned(),
    }
}

/// The shortest exact way to write `bytes`.
#[must_use]
pub fn format_size(bytes: u64) -> String {
    let units = [("GiB", 1 << 30), ("GB", 1_000_000_000), ("MiB", 1 << 20), ("MB", 1_000_000), ("KiB", 1 << 10)];
    match units.iter().find(|(_, unit)| bytes >= *unit && bytes.is_multiple_of(*unit)) {
        Some((unit, unit_bytes)) => format!("{}{unit}", bytes / unit_bytes),
        None => format!("{bytes}B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_and_print() {
        let table = [("15s", 15_000), ("1h", 3_600_000), ("1h30m", 5_400_000), ("250ms", 250), ("2d", 172_800_000)];
        for (text, ms) in table {
            assert_eq!(parse_duration_ms(text), Some(ms), "{text}");
        }
        assert_eq!(parse_duration_ms(&format_duration(5_400_000)), Some(5_400_000));
        assert_eq!(format_duration(3_600_000), "1h");
        assert_eq!(format_duration(0), "0s");
        for text in ["", "15", "s", "1w", "-1s", "1.5h", "99999999999999999999s", "300000000000d"] {
            assert_eq!(parse_duration_ms(text), None, "{text}");
        }
    }

    #[test]
    fn sizes_read_and_print() {
        for (text, bytes) in [("200MB", 200_000_000), ("8MiB", 8 << 20), ("4096", 4096), ("1.5 GB", 1_500_000_000)] {
            assert_eq!(parse_size(text), Some(bytes), "{text}");
        }
        for text in ["", "lots", "-1MB", "8XB"] {
            assert_eq!(parse_size(text), None, "{text}");
        }
        assert_eq!(format_size(8 << 20), "8MiB");
        assert_eq!(format_size(200_000_000), "200MB");
        assert_eq!(format_size(1), "1B");
    }
}
