//! Every persisted form is golden: what an older program wrote, this one reads, and writes again byte by byte. Random
//! values go through the same door, and what is not exactly such a form is refused.

use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::*;
use crate::ids::SchemaHash;
use crate::json::{ParseError, canonical_json, parse};

fn ledger() -> LedgerId {
    LedgerId(Arc::from("0f1e2d3c4b5a69788796a5b4c3d2e1f0"))
}

fn topic_id() -> Option<TopicId> {
    Some(TopicId(Arc::from("AbCdEfGhIjKlMnOpQrStUv")))
}

fn offset(value: i64) -> Offset {
    Offset::new(value).expect("not negative")
}

fn entry(kind: Kind) -> Entry {
    Entry {
        version: 1,
        ledger: ledger(),
        topic: Arc::from("clicks"),
        topic_id: topic_id(),
        partition: 3,
        generation: Generation(1),
        start: offset(100),
        end: offset(250),
        receipt: None,
        kind,
    }
}

fn batch() -> Batch {
    Batch {
        reason: CutReason::MaxAge,
        clock: 1_700_000_000_123,
        isolation: Isolation::ReadCommitted,
        leader_epoch: Some(7),
        config: ConfigHash::of(b"shape"),
        time_zone_data: "2025b".to_owned(),
        schemas: Vec::new(),
        records: 148,
        files: vec![
            FileEntry {
                key: "_dead_letters/clicks/1_3_00000000000000000100.json.gz".to_owned(),
                records: 1,
                first_offset: offset(117),
                last_offset: offset(117),
                timestamps: None,
                event_times: None,
                bytes: 311,
                records_digest: Digest(1),
                values_digest: Digest(u128::MAX),
                dead_letters: true,
                schema: None,
            },
            FileEntry {
                key: "clicks/dt=2023-11-14/hr=22/1_3_00000000000000000100.gz".to_owned(),
                records: 147,
                first_offset: offset(100),
                last_offset: offset(248),
                timestamps: Some([1_699_999_000_000, 1_700_000_000_000]),
                event_times: Some([-5, 1_700_000_000_000]),
                bytes: 36_750,
                records_digest: Digest(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef),
                values_digest: Digest(2),
                dead_letters: false,
                schema: None,
            },
        ],
    }
}

/// Those of [`batch`], the good one by two schemas.
fn files_by_schema() -> Vec<FileEntry> {
    let [dead_letters, file] = <[FileEntry; 2]>::try_from(batch().files).expect("two files");
    let by = |schema: WriterSchema, name: &str| {
        let key = file.key.replace(".gz", &format!(".{name}.avro"));
        FileEntry { key, schema: Some(schema), ..file.clone() }
    };
    let fingerprint = WriterSchema::Fingerprint(0x0c3a_9d1e_5b7f_4201);
    vec![dead_letters, by(fingerprint, "f0c3a9d1e5b7f4201"), by(WriterSchema::Id(17), "s17")]
}

fn schemas() -> Vec<NamedSchema> {
    let found = NamedSchema { id: 17, schema: Some(registered().stored().0) };
    vec![found, NamedSchema { id: u32::MAX, schema: None }]
}

fn registered() -> RegisteredSchema {
    let text = r#"{"type":"record","name":"Click","fields":[{"name":"at","type":"acme.Place"}]}"#;
    let place = r#"{"type":"fixed","name":"acme.Place","size":2}"#;
    let references = BTreeMap::from([("acme.Place".to_owned(), place.to_owned())]);
    RegisteredSchema::new("AVRO".to_owned(), text.to_owned(), references)
}

fn receipt() -> Receipt {
    let file =
        |key: &str, size, checksum: &str| StoredFile { key: key.to_owned(), size, checksum: checksum.to_owned() };
    Receipt {
        start: offset(40),
        files: vec![
            file("clicks/dt=2023-11-14/hr=21/1_3_00000000000000000040.gz", 9_001, "etag:\"5d41402abc4b2a76\""),
            file("clicks/dt=2023-11-14/hr=22/1_3_00000000000000000040.gz", 20, "xxh3:00ff"),
        ],
    }
}

fn genesis() -> Genesis {
    Genesis {
        version: 1,
        ledger: ledger(),
        topic: Arc::from("clicks"),
        topic_id: topic_id(),
        cluster: Arc::from("5L6g3nShT-eMCtK--X86sw"),
        group: Arc::from("secor_backup"),
        generation: Generation(1),
        start: BTreeMap::from([(0, offset(12)), (1, Offset::ZERO), (10, offset(i64::MAX))]),
    }
}

fn resolution() -> Resolution {
    let subset = ResolvedOutcome::Subset { records: 3, records_digest: Digest(9), values_digest: Digest(10) };
    let file = |key: &str, outcome| ResolvedFile { key: key.to_owned(), outcome };
    Resolution {
        version: 1,
        ledger: ledger(),
        topic: Arc::from("clicks"),
        topic_id: None,
        partition: 3,
        generation: Generation(1),
        start: offset(100),
        n: 1,
        reason: ResolutionReason::Compaction,
        files: vec![
            file("clicks/dt=2023-11-14/1_3_00000000000000000100.gz", ResolvedOutcome::Absent),
            file("clicks/dt=2023-11-15/1_3_00000000000000000100.gz", subset),
        ],
    }
}

fn golden<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(value: &T, text: &str) {
    assert_eq!(String::from_utf8(canonical_json(value)).expect("text"), text);
    assert_eq!(&parse::<T>(text.as_bytes()).expect("the golden file is read"), value);
}

#[test]
fn identity_forms_are_golden() {
    let identity = LedgerIdentity {
        version: 1,
        ledger: ledger(),
        arbiter: Arbiter::Store,
        probed: "s3://bucket/raw_logs at https://s3.example.com".to_owned(),
        seat: None,
    };
    golden(&identity, include_str!("testdata/ledger.json"));
    let seat =
        Seat { id: "00112233445566778899aabbccddeeff".to_owned(), place: "postgres://db:5432/archive".to_owned() };
    let moved = LedgerIdentity { arbiter: Arbiter::Sql, seat: Some(seat), ..identity };
    golden(&moved, include_str!("testdata/ledger_moved.json"));
    let closing = Closing { version: 1, ledger: ledger(), moving_to: "postgres://db:5432/archive".to_owned() };
    golden(&closing, include_str!("testdata/closing.json"));
    let started = Started { version: 1, ledger: ledger(), topics: vec!["clicks".to_owned(), "views".to_owned()] };
    golden(&started, include_str!("testdata/started.json"));
    let accepted = |group: Option<&str>, cluster: Option<&str>| Accepted {
        version: 1,
        ledger: ledger(),
        group: group.map(str::to_owned),
        cluster: cluster.map(str::to_owned),
    };
    golden(&accepted(Some("secor_partition"), None), include_str!("testdata/accepted_group.json"));
    golden(&accepted(None, Some("5L6g3nShT-eMCtK--X86sw")), include_str!("testdata/accepted_cluster.json"));
    golden(&genesis(), include_str!("testdata/genesis.json"));
}

#[test]
fn entries_of_every_kind_are_golden() {
    golden(&entry(Kind::Batch(batch())), include_str!("testdata/entry_batch.json"));
    golden(
        &entry(Kind::Batch(Batch { reason: CutReason::Schemas, schemas: schemas(), ..batch() })),
        include_str!("testdata/entry_batch_schemas.json"),
    );
    let batch_by_schema = Batch { reason: CutReason::Schemas, schemas: schemas(), files: files_by_schema(), ..batch() };
    golden(&entry(Kind::Batch(batch_by_schema)), include_str!("testdata/entry_batch_by_schema.json"));
    golden(
        &Entry { receipt: Some(receipt()), ..entry(Kind::Empty) },
        include_str!("testdata/entry_empty_receipt.json"),
    );
    let hole = |reason| entry(Kind::Hole(Hole { reason }));
    golden(&hole(HoleReason::Retention), include_str!("testdata/entry_hole_retention.json"));
    golden(&hole(HoleReason::AcceptedLoss), include_str!("testdata/entry_hole_accepted_loss.json"));
    let next = Next { generation: Generation(2), topic_id: topic_id(), start: offset(100) };
    let seal = Entry { end: offset(100), ..entry(Kind::Seal(Seal { next })) };
    golden(&seal, include_str!("testdata/entry_seal.json"));
    golden(&resolution(), include_str!("testdata/resolution.json"));
}

#[test]
fn a_registered_schema_is_golden() {
    golden(&registered(), include_str!("testdata/schema.json"));
}

#[test]
fn a_schema_is_found_or_missing_and_nothing_between() {
    for text in [r#"{"id":1}"#, r#"{"id":1,"missing":true,"sha256":"00"}"#, r#"{"id":1,"missing":false}"#] {
        assert!(serde_json::from_str::<NamedSchema>(text).is_err(), "{text}");
    }
}

#[test]
fn every_persisted_word_is_golden() {
    assert_eq!(words(&[Arbiter::Store, Arbiter::Sql]), ["store", "sql"]);
    assert_eq!(words(&[Isolation::ReadCommitted, Isolation::ReadUncommitted]), ["read_committed", "read_uncommitted"]);
    assert_eq!(words(&[HoleReason::Retention, HoleReason::AcceptedLoss]), ["retention", "accepted_loss"]);
    assert_eq!(
        words(&[ResolutionReason::Compaction, ResolutionReason::Retention, ResolutionReason::TopicReplaced]),
        ["compaction", "retention", "topic_replaced"]
    );
}

fn words<T: Serialize>(values: &[T]) -> Vec<String> {
    let word = |value: &T| serde_json::to_value(value).expect("serializes").as_str().expect("a word").to_owned();
    values.iter().map(word).collect()
}

#[test]
fn kinds_and_reasons_say_the_persisted_words() {
    let next = Next { generation: Generation(2), topic_id: None, start: Offset::ZERO };
    let holes = [HoleReason::Retention, HoleReason::AcceptedLoss].map(|reason| Hole { reason });
    for kind in [Kind::Batch(batch()), Kind::Empty, Kind::Hole(holes[0].clone()), Kind::Seal(Seal { next })] {
        assert_eq!(serde_json::to_value(&kind).expect("serializes")["kind"], kind.as_str());
    }
    for Hole { reason } in holes {
        assert_eq!(serde_json::to_value(reason).expect("serializes"), reason.as_str());
    }
}

#[test]
fn commit_metadata_is_golden() {
    let metadata = CommitMetadata { ledger: ledger(), generation: Generation(2), prev: offset(100) };
    assert_eq!(metadata.to_string() + "\n", include_str!("testdata/commit_metadata.txt"));
    let text = metadata.to_string();
    assert_eq!(CommitOrigin::of(&text), CommitOrigin::Secor(metadata));
    let foreign = [
        String::new(),
        "kafka-connect".to_owned(),
        text.replace("secor/1", "secor/2"),
        text.replace("prev=100", "prev=-1"),
        text.replace("gen=2", "gen="),
        format!("{text} more"),
        format!(" {text}"),
    ];
    for text in foreign {
        assert_eq!(CommitOrigin::of(&text), CommitOrigin::Foreign, "{text:?}");
    }
}

// found by the fuzz target `ledger_text`
#[test]
fn numbers_that_we_would_spell_otherwise_are_foreign() {
    let good = include_str!("testdata/commit_metadata.txt").trim_end();
    assert_ne!(CommitOrigin::of(good), CommitOrigin::Foreign);
    for (ours, other) in
        [("gen=2", "gen=+2"), ("gen=2", "gen=02"), ("prev=100", "prev=+100"), ("prev=100", "prev=0100")]
    {
        assert_eq!(CommitOrigin::of(&good.replace(ours, other)), CommitOrigin::Foreign, "{other}");
    }
    assert_eq!(paths::entry_start("x/entries/+0000000000000001234.json"), None);
    for name in ["+0000000000000001234.3.json", "00000000000000001234.+3.json", "00000000000000001234.03.json"] {
        assert_eq!(paths::resolution_start(&format!("x/resolutions/{name}")), None, "{name}");
    }
}

#[test]
fn paths_are_golden() {
    let generation = Generation(2);
    assert_eq!(paths::genesis("clicks"), "_secor/topics/clicks/genesis.json");
    assert_eq!(paths::accepted(7), "_secor/accepted/00007.json");
    assert_eq!(
        paths::entry("clicks", generation, 12, offset(1_234)),
        "_secor/topics/clicks/2/00012/entries/00000000000000001234.json"
    );
    assert_eq!(
        paths::resolution("clicks", generation, 12, offset(1_234), 3),
        "_secor/topics/clicks/2/00012/resolutions/00000000000000001234.3.json"
    );
    assert_eq!(paths::resolution_start("x/00000000000000001234.3.json"), Some(offset(1_234)));
    assert_eq!(paths::resolution_start("x/00000000000000001234.json"), None);
    assert_eq!(paths::moved_ledger(2), "_secor/ledger.2.json");
    assert_eq!(paths::seat("00ff"), "_secor/seats/00ff");
    let hash = ConfigHash::of(b"");
    assert_eq!(paths::config(&hash), format!("_secor/configs/{hash}"));
    assert_eq!(hash.0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_eq!(paths::schema(&SchemaHash::of(b"")), format!("_secor/schemas/{hash}"));
    assert_eq!(paths::entry_start("x/entries/09223372036854775807.json"), Some(offset(i64::MAX)));
    for key in ["x/entries/1.json", "x/entries/00000000000000001234", "x/entries/0000000000000000123a.json"] {
        assert_eq!(paths::entry_start(key), None, "{key}");
    }
}

#[test]
fn what_this_program_does_not_know_is_refused() {
    let good = include_str!("testdata/entry_batch.json");
    let error = |text: &str| parse::<Entry>(text.as_bytes()).expect_err("refused");
    let later = good.replace(r#""version":1"#, r#""version":2"#);
    assert!(matches!(error(&later), ParseError::UnknownVersion { found: 2 }));
    assert!(matches!(error(&good.replace(r#","version":1"#, "")), ParseError::NoVersion));
    let changed = [
        good.replace(r#""kind":"batch""#, r#""kind":"merge""#),
        good.replace(r#""max_age""#, r#""max_moon""#),
        good.replace(r#""partition":3,"#, ""),
        good.replace(r#""start":100"#, r#""start":-100"#),
        good.replace(r#""clock":1700000000123"#, r#""clock":1.7"#),
        good.replace("0123456789abcdef0123456789abcdef", "0123456789ABCDEF0123456789abcdef"),
        good.replace(r#""time_zone_data":"#, r#""time_zone":"#),
        good.replace(r#""dead_letters":false"#, r#""dead_letters":false,"schema":{"id":-1}"#),
        good.replace(r#""dead_letters":false"#, r#""dead_letters":false,"schema":{"fingerprint":"AB"}"#),
    ];
    for text in changed {
        assert_ne!(text, good, "the case changes something");
        assert!(matches!(error(&text), ParseError::Malformed(_)), "{text}");
    }
}

#[test]
fn what_would_be_lost_is_refused() {
    let forms = [
        include_str!("testdata/entry_batch.json"),
        include_str!("testdata/entry_empty_receipt.json"),
        include_str!("testdata/entry_hole_retention.json"),
        include_str!("testdata/entry_seal.json"),
    ];
    for good in forms {
        let more = [
            good.replacen('{', r#"{"aside":1,"#, 1),
            good.replacen('{', "{ ", 1),
            format!("{good}\n"),
            good.trim_end().to_owned(),
            good.replacen(r#""partition":3"#, r#""partition":3,"partition":3"#, 1),
        ];
        for text in more {
            assert_ne!(text, good, "the case changes something");
            assert!(parse::<Entry>(text.as_bytes()).is_err(), "{text}");
        }
    }
    // so a program that knows nothing of moves stops at a slot that one has closed
    assert!(parse::<Entry>(include_bytes!("testdata/closing.json")).is_err());
    let resolution = include_str!("testdata/resolution.json").replacen(r#"{"key""#, r#"{"aside":1,"key""#, 1);
    assert!(parse::<Resolution>(resolution.as_bytes()).is_err());
}

#[test]
fn receipts_do_not_make_entries_differ() {
    let bare = entry(Kind::Batch(batch()));
    let receipted = Entry { receipt: Some(receipt()), ..bare.clone() };
    assert!(bare.same_content(&receipted));
    assert!(!bare.same_content(&Entry { end: offset(251), ..receipted }));
}

// === random values ===

fn any_offset() -> impl Strategy<Value = Offset> {
    (0..=i64::MAX).prop_map(offset)
}

fn any_digest() -> impl Strategy<Value = Digest> {
    any::<u128>().prop_map(Digest)
}

fn any_topic_id() -> impl Strategy<Value = Option<TopicId>> {
    proptest::option::of("[A-Za-z0-9_-]{22}").prop_map(|id| id.map(|id| TopicId(Arc::from(id))))
}

fn any_file() -> impl Strategy<Value = FileEntry> {
    let times = || proptest::option::of(any::<[i64; 2]>());
    let offsets = (any_offset(), any_offset());
    let digests = (any_digest(), any_digest());
    let schema = prop_oneof![any::<u32>().prop_map(WriterSchema::Id), any::<u64>().prop_map(WriterSchema::Fingerprint)];
    let schema = proptest::option::of(schema);
    (".{0,40}", any::<(u64, u64, bool)>(), offsets, times(), times(), digests, schema).prop_map(
        |(key, (records, bytes, dead_letters), offsets, timestamps, event_times, digests, schema)| FileEntry {
            key,
            records,
            first_offset: offsets.0,
            last_offset: offsets.1,
            timestamps,
            event_times,
            bytes,
            records_digest: digests.0,
            values_digest: digests.1,
            dead_letters,
            schema,
        },
    )
}

fn any_kind() -> impl Strategy<Value = Kind> {
    let batch = (
        (0..CutReason::ALL.len(), any::<i64>(), any::<bool>(), any::<Option<i32>>()),
        (any::<Vec<u8>>(), ".{0,8}", any::<u64>(), proptest::collection::vec(any_file(), 0..4)),
        proptest::collection::vec((any::<u32>(), any::<Option<Vec<u8>>>()), 0..3),
    );
    let named = |(id, text): (u32, Option<Vec<u8>>)| NamedSchema { id, schema: text.map(|text| SchemaHash::of(&text)) };
    let batch =
        batch.prop_map(move |((reason, clock, committed, leader_epoch), (shape, zone, records, files), schemas)| {
            Kind::Batch(Batch {
                reason: CutReason::ALL[reason],
                clock,
                isolation: if committed { Isolation::ReadCommitted } else { Isolation::ReadUncommitted },
                leader_epoch,
                config: ConfigHash::of(&shape),
                time_zone_data: zone,
                schemas: schemas.into_iter().map(named).collect(),
                records,
                files,
            })
        });
    let seal = (any::<u32>(), any_topic_id(), any_offset());
    let seal = seal.prop_map(|(generation, topic_id, start)| {
        Kind::Seal(Seal { next: Next { generation: Generation(generation), topic_id, start } })
    });
    prop_oneof![
        batch,
        seal,
        Just(Kind::Empty),
        Just(Kind::Hole(Hole { reason: HoleReason::Retention })),
        Just(Kind::Hole(Hole { reason: HoleReason::AcceptedLoss })),
    ]
}

fn any_receipt() -> impl Strategy<Value = Receipt> {
    let file =
        (".{0,40}", any::<u64>(), ".{0,20}").prop_map(|(key, size, checksum)| StoredFile { key, size, checksum });
    (any_offset(), proptest::collection::vec(file, 0..4)).prop_map(|(start, files)| Receipt { start, files })
}

fn any_entry() -> impl Strategy<Value = Entry> {
    let place = (".{1,20}", any_topic_id(), any::<(i32, u32)>());
    (place, any_offset(), any_offset(), proptest::option::of(any_receipt()), any_kind()).prop_map(
        |((topic, topic_id, (partition, generation)), start, end, receipt, kind)| Entry {
            version: 1,
            ledger: ledger(),
            topic: Arc::from(topic),
            topic_id,
            partition,
            generation: Generation(generation),
            start,
            end,
            receipt,
            kind,
        },
    )
}

fn any_resolution() -> impl Strategy<Value = Resolution> {
    let subset = (any::<u64>(), any_digest(), any_digest()).prop_map(|(records, records_digest, values_digest)| {
        ResolvedOutcome::Subset { records, records_digest, values_digest }
    });
    let outcome = prop_oneof![Just(ResolvedOutcome::Absent), subset];
    let file = (".{0,40}", outcome).prop_map(|(key, outcome)| ResolvedFile { key, outcome });
    let files = proptest::collection::vec(file, 0..4);
    let reason = prop_oneof![
        Just(ResolutionReason::Compaction),
        Just(ResolutionReason::Retention),
        Just(ResolutionReason::TopicReplaced),
    ];
    (any_offset(), any::<u32>(), reason, files, any_topic_id()).prop_map(|(start, n, reason, files, topic_id)| {
        Resolution { start, n, reason, files, topic_id, ..resolution() }
    })
}

fn round_trip<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(value: &T) {
    assert_eq!(&parse::<T>(&canonical_json(value)).expect("reads what was written"), value);
}

proptest! {
    #[test]
    fn entries_read_back(entry in any_entry()) {
        round_trip(&entry);
    }

    #[test]
    fn geneses_read_back(start in proptest::collection::btree_map(any::<i32>(), any_offset(), 0..6), topic_id in any_topic_id()) {
        round_trip(&Genesis { start, topic_id, ..genesis() });
    }

    #[test]
    fn resolutions_read_back(resolution in any_resolution()) {
        round_trip(&resolution);
    }

    #[test]
    fn commit_metadata_reads_back(generation: u32, prev in any_offset()) {
        let metadata = CommitMetadata { ledger: ledger(), generation: Generation(generation), prev };
        prop_assert_eq!(CommitOrigin::of(&metadata.to_string()), CommitOrigin::Secor(metadata));
    }

    #[test]
    fn entry_names_sort_as_offsets(a in any_offset(), b in any_offset()) {
        prop_assert_eq!(paths::entry_name(a).cmp(&paths::entry_name(b)), a.cmp(&b));
        prop_assert_eq!(paths::entry_start(&paths::entry_name(a)), Some(a));
    }
}
