//! Readers in Java: Hadoop's codecs and its reader of SequenceFiles, aircompressor, snappy-java, lz4-java, hadoop-lzo, Avro.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use secor_format::lzo_index;
use serde_json::{Value, json};

use super::{Case, Owned, Verdict, lab, repository, run};

/// What in Java reads a stream of a codec: name for the table, class.
fn java_codecs(codec: &str, framing: Option<&str>) -> &'static [(&'static str, &'static str)] {
    match (codec, framing) {
        ("gzip", _) => &[("Hadoop", "org.apache.hadoop.io.compress.GzipCodec")],
        ("bzip2", _) => &[("Hadoop", "org.apache.hadoop.io.compress.BZip2Codec")],
        ("deflate", _) => &[("Hadoop", "org.apache.hadoop.io.compress.DefaultCodec")],
        ("zstd", _) => &[("aircompressor", "io.airlift.compress.zstd.ZstdCodec")],
        ("lzo", _) => &[("aircompressor", "io.airlift.compress.lzo.LzopCodec")],
        ("snappy", Some("hadoop")) => &[
            ("Hadoop", "org.apache.hadoop.io.compress.SnappyCodec"),
            ("aircompressor", "io.airlift.compress.snappy.SnappyCodec"),
        ],
        ("snappy", Some("stream")) => &[("snappy-java", "org.xerial.snappy.SnappyFramedInputStream")],
        ("lz4", Some("hadoop")) => &[
            ("Hadoop", "org.apache.hadoop.io.compress.Lz4Codec"),
            ("aircompressor", "io.airlift.compress.lz4.Lz4Codec"),
        ],
        ("lz4", Some("stream")) => &[("lz4-java", "net.jpountz.lz4.LZ4FrameInputStream")],
        _ => &[],
    }
}

/// Streams of text, whose content must be that of the uncompressed file.
pub(super) fn read_with_codecs(folder: &Path, cases: &[Case]) -> Vec<Verdict> {
    let texts = cases.iter().filter(|case| case.format == "text");
    let asked = texts.flat_map(|case| java_codecs(case.codec, case.framing).iter().map(move |reader| (case, reader)));
    let asked: Vec<_> = asked.collect();
    let arguments = asked.iter().map(|(case, (_, class))| format!("{class}={}", folder.join(&case.file).display()));
    // what is read must have the digest of what Java reads uncompressed
    let plain = format!("java.io.BufferedInputStream={}", folder.join("text.txt").display());
    let said = run(java("ReadCodecs.java", &[]).args(arguments).arg(plain));
    let (found, expected) = said.trim_end().rsplit_once('\n').expect("a line per argument");
    let verdict = |found: &str| if found == expected { "ok".to_owned() } else { found.to_owned() };
    let readers = asked.iter().zip(found.lines());
    readers.map(|((case, (name, _)), found)| (case.file.clone(), (*name).to_owned(), verdict(found))).collect()
}

/// A file of `lzop` in splits, as hadoop-lzo finds them by our index, which must be the one that it makes itself.
pub(super) fn read_with_index(folder: &Path, cases: &[Case]) -> Verdict {
    let case = cases.iter().find(|case| (case.format, case.codec) == ("text", "lzo")).expect("it is tried");
    let file = folder.join("split.lzo");
    let beside = |extension: &str| folder.join(format!("split.lzo{extension}"));
    fs::copy(folder.join(&case.file), &file).expect("the folder takes files");
    let index = lzo_index(&fs::read(&file).expect("it was written")[..]).expect("it is a file of lzop");
    fs::write(beside(".index"), index).expect("the folder takes files");
    let said = run(java("ReadLzoSplits.java", &[]).arg(&file).arg("4"));
    let lines = |path: PathBuf| fs::read(path).expect("it was written");
    let verdict = match said.trim_end() {
        "4 splits, the index of LzoIndex" if lines(beside(".lines")) == lines(folder.join("text.txt")) => {
            "ok".to_owned()
        }
        "4 splits, the index of LzoIndex" => "other lines".to_owned(),
        said => said.to_owned(),
    };
    (case.file.clone(), "hadoop-lzo (by the index)".to_owned(), verdict)
}

/// SequenceFiles, which Hadoop's own reader prints. Its class for zstd, which wants a native library, is stood in for.
pub(super) fn read_with_hadoop(folder: &Path, cases: &[Case], records: &[Owned]) -> Vec<Verdict> {
    let classes = folder.join("classes");
    let source = repository().join("tests/lab/zstd/ZStandardCodec.java");
    run(Command::new("javac").arg("-cp").arg(jars()).arg("-d").arg(&classes).arg(source));
    let cases: Vec<_> = cases.iter().filter(|case| case.expected.is_empty()).collect();
    let files = cases.iter().map(|case| folder.join(&case.file));
    let said = run(java("ReadSequence.java", &[&classes]).args(files));
    let reader = |codec: &str| if codec == "zstd" { "Hadoop with aircompressor's zstd" } else { "Hadoop" };
    let expected: String = records
        .iter()
        .map(|record| {
            let value = record.value.as_deref().unwrap_or_default();
            format!("{}\t{}\n", record.offset, BASE64_STANDARD.encode(value))
        })
        .collect();
    let files = said.split("# ").skip(1).map(|file| file.split_once('\n').map_or("", |(_, lines)| lines));
    let verdict = |found: &str| if found == expected { "ok".to_owned() } else { "other records".to_owned() };
    let found = cases.iter().zip(files);
    let verdicts: Vec<_> =
        found.map(|(case, found)| (case.file.clone(), reader(case.codec).to_owned(), verdict(found))).collect();
    assert_eq!(verdicts.len(), cases.len(), "Hadoop's reader ended early");
    verdicts
}

/// Codecs for which Hadoop's jars have what Avro's library wants.
pub(super) fn read_with_avro(folder: &Path, cases: &[Case]) -> Vec<Verdict> {
    let of_java =
        |case: &&Case| case.format.starts_with("avro_") && matches!(case.codec, "none" | "deflate" | "snappy");
    let cases: Vec<_> = cases.iter().filter(of_java).collect();
    let said = run(java("ReadAvro.java", &[]).args(cases.iter().map(|case| folder.join(&case.file))));
    let parsed = |lines: &str| -> Vec<Value> {
        lines.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| json!(line))).collect()
    };
    let files: Vec<_> = said.split("#\n").skip(1).map(parsed).collect();
    assert_eq!(files.len(), cases.len(), "Avro's reader ended early");
    let verdict = |(case, found): (&&Case, &Vec<Value>)| {
        let expected = fs::read_to_string(folder.join(case.expected)).expect("it was written");
        let verdict = if parsed(&expected) == *found { "ok" } else { "other rows" };
        (case.file.clone(), "Apache Avro (Java)".to_owned(), verdict.to_owned())
    };
    cases.iter().zip(&files).map(verdict).collect()
}

fn java(program: &str, classes: &[&Path]) -> Command {
    let mut path: Vec<String> = classes.iter().map(|folder| folder.display().to_string()).collect();
    path.push(jars());
    let mut java = Command::new("java");
    java.args(["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp"]);
    java.arg(path.join(":")).arg(repository().join("tests/lab").join(program));
    java
}

fn jars() -> String {
    ["hadoop/3.3.6", "codecs/0.27-lzo"].map(|folder| format!("{}/*", lab().join(folder).display())).join(":")
}
