//! Goal: readers that we did not write see what was written, also when they skip by our indexes.
//! Method: columns of all types with drawn values in several shapes of files; `tests/lab/read_orc.py` reads them with
//! Arrow's and ORC's C++ readers and, in Spark, ORC's Java reader, compares all rows, and asks for ranges and values
//! that make the readers skip stripes and row groups.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use crate::values::{Draw, all_types, batch, rows, schema, union_of, write};
use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use arrow_schema::{DataType, TimeUnit, UnionMode};
use secor_orc::{Compression, Options};
use serde_json::json;

/// Columns that a type of Spark holds wholly, and whose equality it pushes down.
const EQUAL: [&str; 7] = ["bigint", "date", "micros", "decimal_small", "string", "double", "tinyint"];

#[test]
fn every_type_is_read_by_others() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut names = Vec::new();
    let mut put = |name: &str, types: &[(&str, DataType)], batches: &[RecordBatch], options: Options| {
        put(folder.path(), name, types, batches, options);
        names.push(name.to_owned());
    };
    let mut draw = Draw::new(2_015);
    let everything = [vec![("n", DataType::Int64)], all_types()].concat();
    let numbered: Vec<_> = everything.iter().filter(|(_, t)| !is_instant(t)).cloned().collect();
    let compressions = [
        ("none", Compression::None),
        ("zlib", Compression::Zlib { level: 6 }),
        ("snappy", Compression::Snappy),
        ("lz4", Compression::Lz4),
        ("zstd", Compression::Zstd { level: 3 }),
    ];
    for (i, (name, compression)) in compressions.into_iter().enumerate() {
        let blooms = ["n", "string", "date", "micros", "double", "struct.b"].map(str::to_owned);
        let options = Options {
            compression,
            // several row groups in a stripe, and several stripes
            group_rows: [500, 10_000][i % 2],
            stripe_rows: [1_900, usize::MAX][i % 2],
            block_bytes: [256 * 1_024, 5_000][i / 2 % 2],
            bloom_columns: if i % 2 == 0 { blooms.to_vec() } else { Vec::new() },
            ..Options::default()
        };
        let lengths: [&[usize]; 5] = [&[1_500, 1, 1_000], &[10_600], &[2_700], &[1_024], &[3_000]];
        let batches = numbered_batches(&mut draw, &numbered, lengths[i], [7, 40][i % 2]);
        put(name, &numbered, &batches, options);
    }
    put("nothing", &numbered, &[], Options::default());
    put("only_nulls", &numbered, &numbered_batches(&mut draw, &numbered, &[300], 100), Options::default());
    put("instants", &everything, &numbered_batches(&mut draw, &everything, &[500], 10), Options::default());
    let union = union_of(&[DataType::Int64, DataType::Utf8, DataType::Boolean], UnionMode::Dense);
    let unions = [("n", DataType::Int64), ("u", union.clone()), ("l", DataType::List(crate::values::item(union)))];
    put("unions", &unions, &numbered_batches(&mut draw, &unions, &[10_700], 0), Options::default());
    special(&mut put);
    check(folder.path(), &names);
}

/// What drawing does not meet: large values, and the days and hours that calendars make difficult.
fn special(put: &mut impl FnMut(&str, &[(&str, DataType)], &[RecordBatch], Options)) {
    let large = [None, Some("0123456789abcdef".repeat(1 << 16)), Some(String::new()), Some("日本".repeat(3_000))];
    let texts = (0..40).map(|i| large[i % large.len()].clone()).collect::<arrow_array::StringArray>();
    let types = [("n", DataType::Int64), ("s", DataType::Utf8)];
    let columns: Vec<ArrayRef> = vec![Arc::new((0..40).collect::<Int64Array>()), Arc::new(texts)];
    put(
        "large",
        &types,
        &[RecordBatch::try_new(schema(&types).into(), columns).expect("what is drawn fits its type")],
        Options::default(),
    );

    // 29 February; both changes of summer time in Europe and America; around 1970, 2015 and the first Gregorian day
    let seconds = [
        951_782_399,
        951_782_400,
        951_868_799,
        951_868_800,
        1_774_746_000,
        1_792_890_000,
        1_772_953_200,
        1_793_516_400,
        -2,
        -1_000,
        0,
        1,
        1_420_070_399,
        1_420_070_400,
        -5_364_662_400,
        -6_857_222_400,
        -2_208_988_800,
        4_102_444_800,
    ];
    let nanos = seconds.iter().flat_map(|second| {
        [0, 1, 999_000, 999_999, 1_000_000, 123_456_789, 500_000_000, 999_999_999]
            .map(|nano| second * 1_000_000_000 + nano)
    });
    let nanos: Vec<i64> = nanos.filter(|nanos| secor_orc::holds_timestamp((*nanos).into())).collect();
    let zone = Some(Arc::from("UTC"));
    let types = [
        ("n", DataType::Int64),
        ("nanos", DataType::Timestamp(TimeUnit::Nanosecond, None)),
        ("date", DataType::Date32),
        ("instant", DataType::Timestamp(TimeUnit::Nanosecond, zone)),
    ];
    let times = arrow_array::TimestampNanosecondArray::from(nanos.clone());
    let days = nanos.iter().map(|nanos| Some(nanos.div_euclid(86_400_000_000_000) as i32));
    let columns: Vec<ArrayRef> = vec![
        Arc::new((0..nanos.len() as i64).collect::<Int64Array>()),
        Arc::new(times.clone()),
        Arc::new(days.collect::<arrow_array::Date32Array>()),
        Arc::new(times.with_timezone("UTC")),
    ];
    let batch = RecordBatch::try_new(schema(&types).into(), columns).expect("what is drawn fits its type");
    put("times", &types[..3], &[batch.project(&[0, 1, 2]).expect("what is drawn fits its type")], Options::default());
    put("times_instant", &types, &[batch], Options::default());
}

/// Drawn rows whose first column counts them.
fn numbered_batches(draw: &mut Draw, types: &[(&str, DataType)], lengths: &[usize], nulls: usize) -> Vec<RecordBatch> {
    let mut from = 0;
    let numbered = lengths.iter().map(|length| {
        let drawn = batch(draw, types, *length, nulls);
        let numbers: ArrayRef = Arc::new((from..from + *length as i64).collect::<Int64Array>());
        from += *length as i64;
        let columns = std::iter::once(numbers).chain(drawn.columns()[1..].iter().cloned()).collect();
        RecordBatch::try_new(drawn.schema(), columns).expect("what is drawn fits its type")
    });
    numbered.collect()
}

fn put(folder: &Path, name: &str, types: &[(&str, DataType)], batches: &[RecordBatch], options: Options) {
    fs::write(folder.join(format!("{name}.orc")), write(batches, &schema(types), options))
        .expect("the folder takes files");
    let lines: Vec<String> = rows(batches).iter().map(|row| format!("{row}\n")).collect();
    fs::write(folder.join(format!("{name}.jsonl")), lines.concat()).expect("the folder takes files");
    let columns: Vec<&str> = types.iter().map(|(name, _)| *name).collect();
    let times = (0..).zip(types).filter(|(_, (_, t))| matches!(t, DataType::Timestamp(..))).map(|(i, _)| i);
    // each question is a job of Spark: one file has them all
    let equal: Vec<&str> = if name == "snappy" { EQUAL.to_vec() } else { Vec::new() };
    let wanted = json!({
        // Spark 3.5 has no name for times with a zone, nor for unions
        "spark": !types.iter().any(|(_, t)| is_instant(t) || matches!(t, DataType::Union(..))),
        "columns": columns,
        "times": times.collect::<Vec<i32>>(),
        "equal": equal,
        "ranges": [[0, 1], [1_899, 2_001], [9_990, 10_010], [90_000, 90_001]],
    });
    fs::write(folder.join(format!("{name}.json")), wanted.to_string()).expect("the folder takes files");
}

fn is_instant(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Timestamp(_, Some(_)))
}

fn check(folder: &Path, names: &[String]) {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let lab = crate::environment("SECOR_LAB").map_or_else(|| repository.join(".lab"), PathBuf::from);
    let mut python = Command::new(lab.join("venv/bin/python"));
    let output = python.arg(repository.join("tests/lab/read_orc.py")).arg(folder).output();
    let output = output.expect("`tests/lab/install.sh python` installs the readers");
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the reading program failed:\n{said}\n{errors}");
    let verdicts: Vec<Vec<&str>> = said.lines().map(|line| line.split('\t').collect()).collect();
    let wrong: Vec<_> = verdicts.iter().filter(|verdict| verdict[2] != "ok").collect();
    assert!(wrong.is_empty(), "{} of {} readings: {wrong:#?}", wrong.len(), verdicts.len());
    for name in names {
        let readings = verdicts.iter().filter(|verdict| verdict[0] == name).count();
        assert!(readings >= 3, "{name} was read {readings} times");
    }
}
