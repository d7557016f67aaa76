//! Goal: the rooms of ARCHITECTURE.md stay rooms: a module imports only from those above it.
//! Method: read manifests and sources as text, without comments and strings, and list every name that points down.
//!
//! The order of the rooms of a crate is the order of the `mod` lines in its `lib.rs`, which is also the order in which
//! to read them. The rooms of the crate `secor` are written down here as well, so that a `mod` line can't quietly move.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use regex::Regex;

/// The crates with a direction, and which of ours each may depend on.
const CRATES: [(&str, &[&str]); 5] = [
    ("core", &[]),
    ("orc", &[]),
    ("format", &["secor-core", "secor-orc"]),
    ("secor", &["secor-core", "secor-format"]),
    ("sim", &["secor-core", "secor-format"]),
];

/// What the pure crates never depend on: I/O, clocks of others, randomness, async.
const IMPURE: [&str; 14] = [
    "async-trait",
    "futures",
    "getrandom",
    "libc",
    "memmap2",
    "object_store",
    "rand",
    "rdkafka",
    "reqwest",
    "socket2",
    "tempfile",
    "tokio",
    "tracing",
    "xattr",
];

/// The rooms of the crate `secor`, as far as they are built; later ones go where `docs` of the design name them.
const SECOR_ROOMS: [&str; 14] = [
    "config", "store", "sql", "ledger", "index", "registry", "kafka", "staging", "worker", "service", "audit",
    "catalog", "admin", "cli",
];

/// Libraries that one room alone names.
const OWNED: [(&str, &str); 3] = [("rdkafka", "kafka"), ("object_store", "store"), ("sqlx", "sql")];

#[test]
fn crates_depend_only_downwards() {
    let mut found = String::new();
    for (name, allowed) in CRATES {
        let manifest = fs::read_to_string(crate_folder(name).join("Cargo.toml")).expect("every crate has a manifest");
        for (line, dependency, is_for_tests) in dependencies(&manifest) {
            let ours = dependency.starts_with("secor") && !allowed.contains(&dependency);
            let impure = matches!(name, "core" | "orc" | "format") && !is_for_tests && IMPURE.contains(&dependency);
            if ours || impure {
                writeln!(found, "crates/{name}/Cargo.toml:{line}: depends on `{dependency}`").expect("memory");
            }
        }
    }
    assert!(found.is_empty(), "dependencies that point the wrong way:\n{found}");
}

#[test]
fn rooms_import_only_from_rooms_before_them() {
    let mut found = Vec::new();
    for (name, _) in CRATES {
        let house = House::read(name);
        for file in sources(&crate_folder(name).join("src")) {
            let text = fs::read_to_string(&file).expect("a source file");
            let inside = file.strip_prefix(crate_folder(name).join("src")).expect("it was found there");
            found.extend(house.violations(inside, &text).into_iter().map(|v| format!("crates/{name}/src/{v}")));
        }
    }
    assert!(found.is_empty(), "imports that point the wrong way:\n{}", found.join("\n"));
}

#[test]
fn the_rooms_of_the_service_stand_in_their_order() {
    let built = House::read("secor").rooms;
    let places: Vec<_> = built.iter().map(|room| SECOR_ROOMS.iter().position(|known| known == room)).collect();
    assert!(places.iter().all(Option::is_some), "a room that this test does not know: {built:?}");
    assert!(places.is_sorted(), "{built:?} is not in the order of {SECOR_ROOMS:?}");
}

#[test]
fn a_wrong_import_is_found() {
    let root = "pub mod config;\npub mod store;\nmod kafka;\npub use kafka::{Client, Slice as Run};\n";
    let house = House::new("secor", root);
    let wrong = |file: &str, text: &str| house.violations(Path::new(file), text);

    assert_eq!(wrong("store.rs", "use crate::config::Url;\nuse crate::store::probe;\n"), [] as [&str; 0]);
    assert_eq!(wrong("store.rs", "\nuse crate::kafka::Client;\n"), ["store.rs:2: `store` names `kafka`"]);
    assert_eq!(wrong("store/s3.rs", "fn f() { crate::kafka::go() }"), ["store/s3.rs:1: `store` names `kafka`"]);
    assert_eq!(
        wrong("config/mod.rs", "use crate::{\n    config::{store, Url},\n    kafka,\n    store::Store,\n};"),
        ["config/mod.rs:3: `config` names `kafka`", "config/mod.rs:4: `config` names `store`"]
    );
    assert_eq!(wrong("config/url.rs", "use super::super::store;"), ["config/url.rs:1: `config` names `store`"]);
    assert_eq!(wrong("config/url.rs", "use super::store;"), [] as [&str; 0]);
    assert_eq!(wrong("store.rs", "use crate::Run;"), ["store.rs:1: `store` names `kafka`"]);
    assert_eq!(wrong("kafka.rs", "use crate::Unknown;"), ["kafka.rs:1: `kafka` names `Unknown` of the crate's root"]);
    assert_eq!(
        wrong("kafka/a.rs", "use rdkafka::x;\nuse object_store::y;"),
        ["kafka/a.rs:2: `kafka` names the library `object_store`"]
    );
    assert_eq!(
        wrong("store.rs", "// crate::kafka\n/* crate::kafka /* */ */ \"crate::kafka\" r#\"\"crate::kafka\"# '\"'"),
        [] as [&str; 0]
    );
    assert_eq!(wrong("attic.rs", "fn f() {}"), ["attic.rs:1: `attic` is no module of lib.rs"]);
    assert_eq!(wrong("lib.rs", "use crate::kafka;"), [] as [&str; 0]);
}

#[test]
fn a_wrong_dependency_is_found() {
    let manifest = "[package]\nname = \"secor-core\"\n[dependencies]\nserde.workspace = true\nrand = \"1\"\n\
                    [dev-dependencies]\nsecor-format = { path = \"x\" }\n[lints]\nworkspace = true\n";
    assert_eq!(dependencies(manifest), [(4, "serde", false), (5, "rand", false), (7, "secor-format", true)]);
}

/// The rooms of one crate in their order, and what its root lends the names of.
struct House {
    krate: String,
    rooms: Vec<String>,
    /// (name, room) of every `pub use room::name` in the root
    exports: Vec<(String, String)>,
}

impl House {
    fn read(krate: &str) -> Self {
        let root = crate_folder(krate).join("src/lib.rs");
        Self::new(krate, &fs::read_to_string(root).expect("every crate has a root"))
    }

    fn new(krate: &str, root: &str) -> Self {
        static MODULE: LazyLock<Regex> =
            LazyLock::new(|| Regex::new(r"(?m)^(?:pub(?:\([^)]*\))? )?mod (\w+)\s*;").expect("a correct pattern"));
        let code = code_only(root);
        let rooms: Vec<_> = MODULE.captures_iter(&code).map(|found| found[1].to_owned()).collect();
        let mut exports = Vec::new();
        for statement in code.split(';') {
            let Some((_, path)) = statement.split_once("pub use ") else { continue };
            let path = path.trim().trim_start_matches("crate::").trim_start_matches("self::");
            let Some((room, names)) = path.split_once("::") else { continue };
            let words = names.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty());
            exports.extend(words.map(|word| (word.to_owned(), room.to_owned())));
        }
        Self { krate: krate.to_owned(), rooms, exports }
    }

    /// Every name in `file` (relative to `src`) that points to a later room, as `file:line: what`.
    fn violations(&self, file: &Path, text: &str) -> Vec<String> {
        let module = module_path(file);
        let Some(room) = module.first() else { return Vec::new() };
        let place = |wanted: &str| self.rooms.iter().position(|room| room == wanted);
        let Some(here) = place(room) else {
            return vec![format!("{}:1: `{room}` is no module of lib.rs", file.display())];
        };
        let code = code_only(text);
        let mut found = Vec::new();
        for (at, name) in root_names(&code, module.len()) {
            let Some(target) = self.room_of(&name) else {
                if code[..at].ends_with("crate::") {
                    found.push((at, format!("names `{name}` of the crate's root")));
                }
                continue;
            };
            if place(target).is_none_or(|there| there > here) {
                found.push((at, format!("names `{target}`")));
            }
        }
        for (library, _) in OWNED.into_iter().filter(|(_, owner)| self.krate == "secor" && owner != room) {
            found.extend(words(&code, library).map(|at| (at, format!("names the library `{library}`"))));
        }
        found.sort();
        let line = |at: usize| 1 + code[..at].matches('\n').count();
        found.into_iter().map(|(at, what)| format!("{}:{}: `{room}` {what}", file.display(), line(at))).collect()
    }

    fn room_of(&self, name: &str) -> Option<&str> {
        let room = self.rooms.iter().find(|room| *room == name);
        let exported = || self.exports.iter().find(|(export, _)| export == name).map(|(_, room)| room);
        room.or_else(exported).map(String::as_str)
    }
}

/// Names of the crate's root that `code` of a module at `depth` below it mentions: behind `crate::`, and behind as
/// many `super::` as lead up there. Each with the place of the name.
fn root_names(code: &str, depth: usize) -> Vec<(usize, String)> {
    static PATH: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"\b(?:crate::|(?:super::)+)").expect("a correct pattern"));
    let mut names = Vec::new();
    for path in PATH.find_iter(code) {
        if code[..path.start()].ends_with('$') || (path.as_str() != "crate::" && path.len() / "super::".len() < depth) {
            continue;
        }
        let rest = &code[path.end()..];
        let Some(group) = rest.strip_prefix('{') else {
            names.extend(first_word(rest).map(|word| (path.end(), word)));
            continue;
        };
        // the first word of each part of the group, at nesting depth one
        let (mut nesting, mut expects_word) = (1, true);
        for (at, c) in group.char_indices() {
            match c {
                '{' => nesting += 1,
                '}' => nesting -= 1,
                ',' if nesting == 1 => expects_word = true,
                _ if c.is_whitespace() => {}
                _ if expects_word && nesting == 1 => {
                    names.extend(first_word(&group[at..]).map(|word| (path.end() + 1 + at, word)));
                    expects_word = false;
                }
                _ => {}
            }
            if nesting == 0 {
                break;
            }
        }
    }
    names
}

fn first_word(text: &str) -> Option<String> {
    let word: String = text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    (!word.is_empty() && word != "self").then_some(word)
}

/// Where `word` stands alone in `code`.
fn words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let alone =
        move |at: &usize| !part(code[..*at].chars().next_back()) && !part(code[at + word.len()..].chars().next());
    code.match_indices(word).map(|(at, _)| at).filter(alone)
}

/// `store/s3.rs` is `[store, s3]`, `store/mod.rs` and `store.rs` are `[store]`, the roots of crates are `[]`.
fn module_path(file: &Path) -> Vec<String> {
    let mut parts: Vec<_> = file.with_extension("").iter().map(|part| part.to_string_lossy().into_owned()).collect();
    if parts.last().is_some_and(|last| last == "mod") || matches!(&parts[..], [only] if only == "lib" || only == "main")
    {
        parts.pop();
    }
    parts
}

/// `text` with comments and the insides of strings replaced by spaces; lines stay lines, and every byte its place.
fn code_only(text: &str) -> String {
    // a raw string, a string, a character, a comment to the end of the line; block comments nest and are found below
    static SKIPPED: LazyLock<Regex> = LazyLock::new(|| {
        let quoted = r##"\bb?r#*"|"|'(?:\\.[^']*|[^\\'])'|//[^\n]*|/\*"##;
        Regex::new(quoted).expect("a correct pattern")
    });
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(start) = SKIPPED.find_at(text, at) {
        let end = match start.as_str() {
            "/*" => end_of_block(text, start.end()),
            quote if quote.ends_with('"') => end_of_string(text, quote, start.end()),
            _ => start.end(),
        };
        code.push_str(&text[at..start.start()]);
        code.extend(text[start.start()..end].bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }));
        at = end;
    }
    code.push_str(&text[at..]);
    code
}

fn end_of_block(text: &str, start: usize) -> usize {
    let (mut depth, mut at) = (1, start);
    while depth > 0 {
        let Some(next) = text[at..].find(['/', '*']).map(|next| at + next) else { return text.len() };
        let (step, change) = match text.get(next..next + 2) {
            Some("/*") => (2, 1),
            Some("*/") => (2, -1),
            _ => (1, 0),
        };
        at = next + step;
        depth += change;
    }
    at
}

fn end_of_string(text: &str, quote: &str, start: usize) -> usize {
    if quote.contains('r') {
        let close = format!("\"{}", "#".repeat(quote.matches('#').count()));
        return text[start..].find(&close).map_or(text.len(), |end| start + end + close.len());
    }
    let mut bytes = text.bytes().enumerate().skip(start);
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'\\' => drop(bytes.next()),
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// (line, name, whether it is for tests) of each dependency in a manifest.
fn dependencies(manifest: &str) -> Vec<(usize, &str, bool)> {
    let mut section = "";
    let mut found = Vec::new();
    for (number, line) in manifest.lines().enumerate() {
        if line.starts_with('[') {
            section = line.trim_matches(['[', ']']);
        } else if section.ends_with("dependencies")
            && let Some(name) = line.split(['.', '=', ' ']).next().filter(|name| !name.is_empty())
        {
            found.push((number + 1, name, section == "dev-dependencies"));
        }
    }
    found
}

/// Every Rust file below `folder`, sorted.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder of the repository") {
        let path = entry.expect("a folder of the repository").path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn crate_folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name)
}
