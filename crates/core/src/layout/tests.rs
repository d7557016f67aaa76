use proptest::prelude::*;

use super::*;

const NAME: NameParts<'_> = NameParts {
    topic: "clicks",
    output_partition: "dt=2014-05-01/hr=04",
    generation: Generation(1),
    partition: 0,
    start: Offset::ZERO,
    ext: ".gz",
};

fn offset(value: i64) -> Offset {
    Offset::new(value).unwrap()
}

fn layout(text: &str) -> Layout {
    Layout::parse(text).unwrap()
}

fn layout_error(text: &str) -> String {
    Layout::parse(text).unwrap_err().to_string()
}

// persisted: these very names stand in stores
#[test]
fn names_are_golden() {
    let name = NameParts { start: offset(100), ..NAME };
    let secor = layout("secor");
    assert_eq!(secor.key(&name), "clicks/dt=2014-05-01/hr=04/1_0_00000000000000000100.gz");
    let bare = NameParts { output_partition: "", ext: "", partition: 12, ..name };
    assert_eq!(secor.key(&bare), "clicks/1_12_00000000000000000100");
    let last = NameParts { start: offset(i64::MAX), generation: Generation(u32::MAX), ..bare };
    assert_eq!(secor.key(&last), "clicks/4294967295_12_09223372036854775807");
    assert_eq!(secor.dead_letter_key(&name), "_dead_letters/clicks/1_0_00000000000000000100.json.gz");

    let kafka_store = layout("kafka-store");
    assert_eq!(kafka_store.key(&bare), "clicks/000012/00000000000000000100");
    let second = NameParts { generation: Generation(2), ext: ".gz", ..bare };
    assert_eq!(kafka_store.key(&second), "clicks.g2/000012/00000000000000000100.gz");
    assert_eq!(kafka_store.dead_letter_key(&second), "_dead_letters/clicks.g2/000012/00000000000000000100.json.gz");

    let own = layout("raw/g{generation}/{output_partition}/{topic}/p={partition:04}/{start}{ext}");
    assert_eq!(own.key(&name), "raw/g1/dt=2014-05-01/hr=04/clicks/p=0000/100.gz");
    assert_eq!(own.key(&bare), "raw/g1/clicks/p=0012/100");
    let second = layout("raw/{output_partition}/{topic}/{generation}_{partition}_{start}{ext}");
    assert_eq!(second.key(&bare), "raw/clicks/1_12_100");
}

// persisted; the digits are md5sum's, of `clicks/dt=2014-05-01/hr=04` and of `clicks`
#[test]
fn names_with_the_prefixes_of_secor_are_golden() {
    let hashed = layout("{md5}/raw_logs/{topic}/{output_partition}/{generation}_{partition}_{start:020}{ext}");
    assert_eq!(hashed.key(&NAME), "184f/raw_logs/clicks/dt=2014-05-01/hr=04/1_0_00000000000000000000.gz");
    let bare = NameParts { output_partition: "", ..NAME };
    assert_eq!(hashed.key(&bare), "c9e9/raw_logs/clicks/1_0_00000000000000000000.gz");
    assert_eq!(hashed.dead_letter_key(&NAME), "_dead_letters/c9e9/raw_logs/clicks/1_0_00000000000000000000.json.gz");

    let dated =
        layout("{dt<2014-05-01?raw/logs:raw/logs_2}/{topic}/{output_partition}/{generation}_{partition}_{start}{ext}");
    assert!(dated.looks_at_date() && !hashed.looks_at_date());
    let key = |output_partition| dated.key(&NameParts { output_partition, ..NAME });
    assert_eq!(key("dt=2014-04-30"), "raw/logs/clicks/dt=2014-04-30/1_0_0.gz");
    assert_eq!(key("dt=2014-05-01/hr=04"), "raw/logs_2/clicks/dt=2014-05-01/hr=04/1_0_0.gz");
    assert_eq!(key("country=de/dt=2030-01-01"), "raw/logs_2/clicks/country=de/dt=2030-01-01/1_0_0.gz");
    assert_eq!(key("dt=__HIVE_DEFAULT_PARTITION__"), "raw/logs/clicks/dt=__HIVE_DEFAULT_PARTITION__/1_0_0.gz");
    assert_eq!(key(""), "raw/logs/clicks/1_0_0.gz");
}

#[test]
fn the_named_layout_is_its_template() {
    assert_eq!(layout("secor"), layout("{topic}/{output_partition}/{generation}_{partition}_{start:020}{ext}"));
    assert!(layout("secor").names_output_partition());
    assert!(!layout("kafka-store").names_output_partition());
}

#[test]
fn layouts_that_let_two_files_meet_are_refused() {
    for (text, why) in [
        ("", "a segment is empty or relative"),
        ("{topic}/{partition}_{start}{ext}", "{generation} must appear once, it appears 0 times"),
        ("{topic}/{generation}_{partition}{ext}", "{start} must appear once, it appears 0 times"),
        ("{topic}/{topic}/{generation}_{partition}_{start}{ext}", "{topic} must appear once, it appears 2 times"),
        ("{topic}/{generation}_{partition}_{start}", "{ext} must appear once, it appears 0 times"),
        ("{topic}/{ext}/{generation}_{partition}_{start}", "{ext} must stand at the end"),
        ("{topic}-{generation}_{partition}_{start}{ext}", "must be whole segments"),
        ("{topic}/{output_partition}/a/{output_partition}/{generation}_{partition}_{start}{ext}", "more than once"),
        ("{topic}/{generation}{partition}_{start}{ext}", "a number touches another number or a digit"),
        ("{topic}/{generation}_{partition}_7{start}{ext}", "a number touches another number or a digit"),
        ("{topic}/{generation}_{partition}_{start}7{ext}", "a number touches another number or a digit"),
        ("/{topic}/{generation}_{partition}_{start}{ext}", "a segment is empty or relative"),
        ("a/../{topic}/{generation}_{partition}_{start}{ext}", "a segment is empty or relative"),
        ("_secor/{topic}/{generation}_{partition}_{start}{ext}", "keeps for itself"),
        ("_dead_letters/{topic}/{generation}_{partition}_{start}{ext}", "keeps for itself"),
        ("{topic}/{generation}_{partition}_{start:20}{ext}", "`20` is not a width of 01 to 020"),
        ("{topic}/{generation}_{partition}_{start:021}{ext}", "`021` is not a width of 01 to 020"),
        ("{topic}/{generation}_{partition}_{offset}{ext}", "`{offset}` is not known here"),
        ("{topic}/{generation}_{partition}_{start", "is not closed"),
        ("{topic}/{generation}_{partition}_{start} {ext}", "` ` can't stand in a name"),
        ("kafka_store", "{topic} must appear once"),
        ("x{md5}/{topic}/{generation}_{partition}_{start}{ext}", "must be whole segments"),
        ("{dt<2014?a:b}/{topic}/{generation}_{partition}_{start}{ext}", "`2014` is no date"),
        ("{dt<2014-05-01?a}/{topic}/{generation}_{partition}_{start}{ext}", "is not a date and two folders"),
        ("{dt<2014-05-01?a:a}/{topic}/{generation}_{partition}_{start}{ext}", "could be taken for each other"),
        ("{dt<2014-05-01?a:a/b}/{topic}/{generation}_{partition}_{start}{ext}", "could be taken for each other"),
        ("{dt<2014-05-01?a:_secor}/{topic}/{generation}_{partition}_{start}{ext}", "keeps for itself"),
        ("{dt<2014-05-01?a/..:a/b}/{topic}/{generation}_{partition}_{start}{ext}", "empty or relative"),
        ("{dt<2014-05-01?a:b c}/{topic}/{generation}_{partition}_{start}{ext}", "` ` can't stand in a name"),
    ] {
        let error = layout_error(text);
        assert!(error.contains(why), "{text}: {error}");
    }
}

// found by the fuzz target `layout`
#[test]
fn an_empty_extension_leaves_no_empty_or_relative_name() {
    let refused = |text| assert!(layout_error(text).contains("whole name of a file"), "{text}");
    refused("{topic}/{generation}_{partition}_{start}/{ext}");
    refused("{topic}/{generation}_{partition}_{start}/a/.{ext}");
    refused("{topic}/{generation}_{partition}_{start}_/..{ext}");
    let own = layout("{topic}/{generation}_{partition}_{start}/...{ext}");
    assert_eq!(own.key(&NameParts { ext: "", output_partition: "", ..NAME }), "clicks/1_0_0/...");
    layout("{topic}/{generation}_{partition}_{start}..{ext}");
}

// found by the fuzz target `shape`
#[test]
fn a_record_cannot_name_a_folder_that_secor_keeps() {
    let error = layout_error("{output_partition}/{topic}/{generation}_{partition}_{start}{ext}");
    assert!(error.contains("{output_partition} can't stand first"), "{error}");
}

#[test]
fn topics_that_would_meet_others_are_refused() {
    let (secor, kafka_store) = (layout("secor"), layout("kafka-store"));
    for reserved in ["_secor", "_dead_letters"] {
        assert_eq!(secor.check_topic(reserved), Err(TopicNameError::Reserved(reserved.to_owned())));
    }
    assert_eq!(secor.check_topic("clicks.g2"), Ok(()));
    assert!(matches!(kafka_store.check_topic("clicks.g2"), Err(TopicNameError::LooksLikeGeneration(_))));
    assert_eq!(kafka_store.check_topic("clicks.g"), Ok(()));
    assert_eq!(kafka_store.check_topic("clicks.g2x"), Ok(()));
}

#[test]
fn extensions_are_those_of_the_codec_or_the_configured_one() {
    let of = |compression, set: Option<&str>| {
        let output = Output { compression, extension: set.map(str::to_owned), ..Output::default() };
        extension(&output).into_owned()
    };
    assert_eq!(of(Compression::None, None), "");
    assert_eq!(of(Compression::Gzip, None), ".gz");
    assert_eq!(of(Compression::Zstd, None), ".zst");
    assert_eq!(of(Compression::Zstd, Some(".log.zst")), ".log.zst");
    assert_eq!(of(Compression::Gzip, Some("")), "");
}

#[test]
fn extensions_name_the_schema_of_a_files_rows() {
    let avro = Output { format: OutputFormat::Avro, ..Output::default() };
    let none = Output { extension: Some(String::new()), ..avro.clone() };
    for (output, schema, expected) in [
        (&avro, None, ".avro"),
        (&avro, Some(WriterSchema::Id(0)), ".s0.avro"),
        (&avro, Some(WriterSchema::Id(u32::MAX)), ".s4294967295.avro"),
        (&avro, Some(WriterSchema::Fingerprint(0xab)), ".f00000000000000ab.avro"),
        (&none, Some(WriterSchema::Id(17)), ".s17"),
    ] {
        assert_eq!(extension_by(output, schema), expected);
    }
}

#[test]
fn keys_are_checked() {
    let long = "x".repeat(256);
    assert_eq!(check_key("a/b.gz"), Ok(()));
    assert_eq!(check_key(""), Err(KeyError::Empty));
    assert_eq!(check_key(&format!("a/{}", &long[..255])), Ok(()));
    assert!(matches!(check_key(&format!("a/{long}")), Err(KeyError::SegmentLength { bytes: 256, .. })));
    assert!(matches!(check_key("a//b"), Err(KeyError::SegmentLength { bytes: 0, .. })));
    assert_eq!(check_key("a/../b"), Err(KeyError::Relative("..".to_owned())));
    assert_eq!(check_key("a/."), Err(KeyError::Relative(".".to_owned())));
    let longest = format!("{0}/{0}/{0}/{0}", &long[..255]);
    assert_eq!((longest.len(), check_key(&longest)), (1_023, Ok(())));
    assert_eq!(check_key(&format!("{longest}/x")), Err(KeyError::TooLong { bytes: 1_025 }));
}

#[test]
fn keys_that_differ_in_case_only_are_found() {
    assert_eq!(case_fold_clash(["a/DE", "a/FR", "a/de"]), Some(("a/DE", "a/de")));
    assert_eq!(case_fold_clash(["a/DE", "a/DE", "a/FR"]), None);
}

// the table of Hive's FileUtils.escapePathName
#[test]
fn values_are_escaped_as_hive_does() {
    assert_eq!(escape_value(""), DEFAULT_PARTITION);
    assert_eq!(escape_value("a b+c,d;e&f@g!h~i`j|k<l>m$n(o)p}q.r-s_t"), "a b+c,d;e&f@g!h~i`j|k<l>m$n(o)p}q.r-s_t");
    assert_eq!(escape_value("\"#%'*/:=?\\{[]^"), "%22%23%25%27%2A%2F%3A%3D%3F%5C%7B%5B%5D%5E");
    assert_eq!(escape_value("\0\u{1}\n\u{1f}\u{7f}"), "%00%01%0A%1F%7F");
    assert_eq!(escape_value("Zürich 東京"), "Zürich 東京");
}

fn template_error(text: &str) -> (usize, String) {
    let error = OutputPartitionTemplate::parse(text).unwrap_err();
    assert_eq!(error.template, text);
    assert!(!error.hint.is_empty());
    (error.position, error.message)
}

#[test]
fn templates_are_read() {
    let parts = OutputPartitionTemplate::parse("c={field:geo.country}-{offset:10}").unwrap().parts;
    assert_eq!(
        parts,
        [
            TemplatePart::Literal("c=".to_owned()),
            TemplatePart::Field("geo.country".to_owned()),
            TemplatePart::Literal("-".to_owned()),
            TemplatePart::Offset(10),
        ]
    );
    let template = OutputPartitionTemplate::parse("dt={timestamp:%Y-%m-%d}").unwrap();
    assert!(template.needs_timestamp() && !template.needs_field());
    let unit = |pattern: &str| TimePattern::parse(pattern).unwrap().unit();
    assert_eq!(unit("%Y-%m"), CalendarUnit::Day);
    assert_eq!(unit("%M-%Y-%H"), CalendarUnit::Minute);
    assert_eq!(unit("%H%S"), CalendarUnit::Second);
}

#[test]
fn bad_templates_say_where_and_why() {
    for (text, position, why) in [
        ("", 1, "is no name of a folder"),
        ("..", 1, "is no name of a folder"),
        ("dt=ü/{clock:%Y}", 5, "a template holds no `/`"),
        ("dt={timestamp:%Y", 4, "`{` is not closed"),
        ("dt=}", 4, "`}` can't stand"),
        ("dt:x", 3, "`:` can't stand"),
        ("dt={timestamp}", 4, "shows no part of a time"),
        ("dt={timestamp:yyyy}", 4, "`yyyy` shows no part of a time"),
        ("dt={timestamp:%Y-%Q}", 4, "`%Q` is not known"),
        ("hr={clock:%H:%M}", 4, "`:` can't stand in a name"),
        ("hr={clock:%H%}", 4, "`%` stands alone"),
        ("a={field:}", 3, "names no field"),
        ("a={field}", 3, "names no field"),
        ("o={offset:0}", 3, "`0` is no number of offsets"),
        ("o={offset:-5}", 3, "`-5` is no number of offsets"),
        ("o={offset:1k}", 3, "`1k` is no number of offsets"),
        ("a={topic}", 3, "`{topic}` is not known"),
    ] {
        let (at, message) = template_error(text);
        assert_eq!(at, position, "{text}: {message}");
        assert!(message.contains(why), "{text}: {message}");
    }
}

const HOUR_MS: i64 = 3_600_000;

fn zone(name: &str) -> Zone {
    Zone::named(name).unwrap()
}

fn written(zone: &Zone, pattern: &str, ms: i64) -> String {
    let mut text = String::new();
    zone.push_time(&mut text, &TimePattern::parse(pattern).unwrap(), ms);
    text
}

fn utc(text: &str) -> i64 {
    text.parse::<jiff::Timestamp>().unwrap().as_millisecond()
}

#[test]
fn every_conversion_writes_a_legal_name() {
    let pattern = "%Y %G %y %m %b %B %V %j %d %F %a %A %u %H %I %p %M %S %z";
    let text = written(&zone("Asia/Kolkata"), pattern, utc("2024-02-29T23:59:59.999Z"));
    assert_eq!(text, "2024 2024 24 03 Mar March 09 061 01 2024-03-01 Fri Friday 5 05 05 AM 29 59 +0530");
    assert_eq!(written(&zone("UTC"), "%Y-%m-%dT%H", EVENT_TIME_MS_MIN), "0001-01-02T00");
    assert_eq!(written(&zone("Etc/GMT-14"), "%F", EVENT_TIME_MS_MAX), "9999-12-30");
}

#[test]
fn zones_are_bundled_and_unknown_ones_refused() {
    assert_eq!(Zone::named("Mars/Olympus"), Err(UnknownTimeZone("Mars/Olympus".to_owned())));
    assert_eq!(time_zone_data_version().len(), 5);
}

#[test]
fn a_day_of_daylight_saving_has_23_or_25_hours() {
    let berlin = zone("Europe/Berlin");
    let spring = berlin.bucket(CalendarUnit::Day, utc("2026-03-29T00:30:00Z"));
    // the change itself cuts the day: two stretches, one name
    assert_eq!((spring.lo, spring.hi), (utc("2026-03-28T23:00:00Z"), utc("2026-03-29T01:00:00Z")));
    let after = berlin.bucket(CalendarUnit::Day, spring.hi);
    assert_eq!((after.lo, after.hi), (spring.hi, utc("2026-03-29T22:00:00Z")));
    assert_eq!(after.hi - spring.lo, 23 * HOUR_MS);
    // 02:00 to 03:00 happens twice in autumn: two stretches that write the same hour
    let first = berlin.bucket(CalendarUnit::Hour, utc("2026-10-25T00:10:00Z"));
    let second = berlin.bucket(CalendarUnit::Hour, utc("2026-10-25T01:10:00Z"));
    assert_eq!((first.hi, second.hi - second.lo), (second.lo, HOUR_MS));
    assert_eq!(written(&berlin, "%H", first.lo), "02");
    assert_eq!(written(&berlin, "%H", second.lo), "02");
    assert_eq!(written(&berlin, "%H", second.hi), "03");
}

#[test]
fn civil_times_in_gap_and_fold() {
    let berlin = zone("Europe/Berlin");
    let civil = |text: &str| berlin.instant_of(text.parse().unwrap());
    assert_eq!(civil("2026-03-29T02:30"), Some(utc("2026-03-29T01:30:00Z")));
    assert_eq!(civil("2026-10-25T02:30"), Some(utc("2026-10-25T00:30:00Z")));
    assert_eq!(civil("1969-12-31T23:59:59.9999"), Some(utc("1969-12-31T22:59:59.999Z")));
}

const ZONES: [&str; 8] = [
    "UTC",
    "Europe/Berlin",
    "America/St_Johns",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Africa/Monrovia",
    "Pacific/Apia",
    "America/New_York",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    // within a bucket nothing changes, at its edges something does (or the zone's offset does)
    #[test]
    fn buckets_are_exact(
        zone in prop::sample::select(&ZONES[..]),
        ms in prop_oneof![-3_000_000_000_000i64..5_000_000_000_000, EVENT_TIME_MS_MIN..=EVENT_TIME_MS_MAX],
        (unit, pattern) in prop::sample::select(&[
            (CalendarUnit::Second, "%F %H-%M-%S"),
            (CalendarUnit::Minute, "%F %H-%M"),
            (CalendarUnit::Hour, "%F %H"),
            (CalendarUnit::Day, "%F"),
        ][..]),
        share in 0.0..1.0f64,
    ) {
        let zone = self::zone(zone);
        let bucket = zone.bucket(unit, ms);
        prop_assert!(bucket.contains(ms));
        let inside = bucket.lo + ((bucket.hi - bucket.lo - 1) as f64 * share) as i64;
        for at in [bucket.lo, inside, bucket.hi - 1] {
            if (EVENT_TIME_MS_MIN..=EVENT_TIME_MS_MAX).contains(&at) {
                prop_assert_eq!(written(&zone, pattern, at), written(&zone, pattern, ms));
                prop_assert_eq!(zone.bucket(unit, at), bucket);
            }
        }
        for outside in [bucket.lo - 1, bucket.hi] {
            if (EVENT_TIME_MS_MIN..=EVENT_TIME_MS_MAX).contains(&outside) {
                let with_offset = format!("{pattern} %z");
                let same = written(&zone, &with_offset, outside) == written(&zone, &with_offset, ms);
                // an offset of seconds may change by less than `%z` shows, a zone may change its name alone
                prop_assert!(!same || zone.bucket(unit, outside) != bucket);
                prop_assert!(!zone.bucket(unit, outside).contains(ms));
            }
        }
    }

    #[test]
    fn escaped_values_are_legal_segments_and_differ_as_their_values_do(one in ".{1,40}", other in ".{1,40}") {
        let escaped = escape_value(&one);
        prop_assert!(!escaped.contains('/') && !escaped.chars().any(|c| c.is_ascii_control()));
        prop_assert_eq!(one == other, escaped == escape_value(&other));
    }
}
