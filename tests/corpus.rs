//! Replays the inputs that fuzzing began with and found through the bodies of the fuzz targets, without libFuzzer: in
//! seconds, on every machine. `just fuzz` looks for new ones.

use std::collections::BTreeSet;
use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

// where the bodies expect them: `fuzz/src/lib.rs` says why
use secor::cli::target;
use secor::config;
use secor::store as checksum;
use secor::store::key;

#[path = "../fuzz/src/targets/mod.rs"]
mod targets;

#[test]
fn every_input_of_the_corpus_passes() {
    let mut failed = Vec::new();
    for (name, run) in targets::ALL {
        let inputs = files(&fuzz().join("corpus").join(name));
        assert!(!inputs.is_empty(), "the target `{name}` has no corpus");
        for path in inputs {
            let input = fs::read(&path).expect("readable");
            // the shorter ones reach the ends of texts and files that the fuzzer was not given as such
            let lengths = (0..input.len()).step_by(input.len() / 16 + 1).chain([input.len()]);
            for length in lengths {
                if catch_unwind(|| run(&input[..length])).is_err() {
                    failed.push(format!("{}, the first {length} bytes", path.display()));
                }
            }
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn every_target_has_its_files_and_every_file_its_target() {
    let targets: BTreeSet<String> = targets::ALL.iter().map(|(name, _)| (*name).to_owned()).collect();
    for (folder, ending) in [("corpus", ""), ("fuzz_targets", ".rs")] {
        let names = fs::read_dir(fuzz().join(folder)).expect("a folder");
        let names = names.map(|entry| entry.expect("readable").file_name().into_string().expect("a plain name"));
        let names: BTreeSet<_> = names.map(|name| name.strip_suffix(ending).unwrap_or(&name).to_owned()).collect();
        assert_eq!(names, targets, "{folder}");
    }
}

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> =
        fs::read_dir(folder).into_iter().flatten().map(|entry| entry.expect("readable").path()).collect();
    files.sort_unstable();
    files
}
