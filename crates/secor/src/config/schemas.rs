//! Schemas that archives name, read from their files into what shapes keep.
//!
//! A file that nothing names, and a name without a file, are mistakes.

use std::collections::BTreeSet;
use std::path::Path;

use secor_core::shape::{InputFormat, Schema};
use secor_format::input::schema_files;

use super::Environment;
use super::document::Document;
use super::suggest;
use super::tree::Findings;

/// The schemas of every archive, in their order; `None`: one can't be had, and `findings` says why. Paths are relative to
/// the folder of the file `config`.
pub(super) fn load(
    config: &Path,
    document: &Document,
    environment: &dyn Environment,
    findings: &mut Findings,
) -> Vec<Option<Vec<Schema>>> {
    let files = &document.schemas.files;
    let folder = config.parent().unwrap_or(Path::new(""));
    let mut named = BTreeSet::new();
    let mut loaded = Vec::new();
    for (index, archive) in document.archives.iter().enumerate() {
        let mut schemas = Some(Vec::new());
        for (position, name) in archive.input.schemas.iter().enumerate() {
            named.insert(name.as_str());
            let key = format!("archive[{index}].input.schemas[{position}]");
            let schema = match files.get(name) {
                Some(path) => read(archive.input.format, name, &folder.join(path), environment).map_err(|why| {
                    let place = format!("schemas.files.{name}");
                    findings.contradiction(
                        &[&place],
                        "can't be used",
                        why,
                        "see the key's row in docs/configuration.md",
                    );
                }),
                None => {
                    let hint = match suggest::nearest(name, files.keys().map(String::as_str)) {
                        Some(near) => format!("did you mean \"{near}\"?"),
                        None => format!("add {name} = \"/path/of/its/file\" to [schemas.files]"),
                    };
                    findings.contradiction(
                        &[&key, "schemas.files"],
                        "not known",
                        format!("[schemas.files] has no `{name}`"),
                        hint,
                    );
                    Err(())
                }
            };
            match (schema, &mut schemas) {
                (Ok(schema), Some(schemas)) => schemas.push(schema),
                _ => schemas = None,
            }
        }
        loaded.push(schemas);
    }
    for name in files.keys().filter(|name| !named.contains(name.as_str())) {
        let place = format!("schemas.files.{name}");
        let hint = "name it in the `input.schemas` of an archive, or leave it out";
        findings.contradiction(&[&place], "never used", "no archive names it", hint);
    }
    loaded
}

fn read(format: InputFormat, name: &str, path: &Path, environment: &dyn Environment) -> Result<Schema, String> {
    let (Some(folder), Some(file)) = (path.parent(), path.file_name().and_then(|file| file.to_str())) else {
        return Err("it is no file".to_owned());
    };
    schema_files::load(format, name, file, &|file| {
        environment.bytes(&folder.join(file)).map_err(|error| error.to_string())
    })
}
