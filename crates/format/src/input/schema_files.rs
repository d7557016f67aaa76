//! From the files of a schema to what a shape keeps of it, so that a replay needs no files.
//!
//! Avro: the text as it is. Protobuf: a descriptor set in base64, from a set or from `.proto` files. Thrift: the text,
//! and those of the files that it includes. Files are read by the caller.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use secor_core::shape::{InputFormat, Schema};

use super::{protobuf, thrift};

/// Files beside a schema that are read at most.
const FILES_MAX: usize = 1_000;

/// Reads a file by its path relative to the folder of the schema's own file.
pub type ReadFile<'r> = &'r dyn Fn(&str) -> Result<Vec<u8>, String>;

/// Which files the file of this name and text needs.
type Needs<'n> = &'n dyn Fn(&str, &str) -> Result<Vec<String>, String>;

/// The schema that the file `name` holds, for messages of `format`.
///
/// # Errors
/// Why it can't be one: a file that can't be read, a text that is none, a `.proto` that does not compile. Whether an
/// Avro schema or an IDL makes sense is found out by [`crate::Pipeline::new`].
pub fn load(format: InputFormat, schema: &str, name: &str, read: ReadFile<'_>) -> Result<Schema, String> {
    let bytes = read(name)?;
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).map_err(|_| "it is no text".to_owned());
    let made = |text, includes| Schema { name: schema.to_owned(), text, includes };
    match format {
        InputFormat::Protobuf if name.ends_with(".proto") => {
            let mut files = with_all(name, text(bytes)?, read, &|name, text| protobuf::imports(name, text))?;
            let main = files.remove("").expect("the file itself is the first");
            files.insert(name.to_owned(), main);
            Ok(made(protobuf::compile(name, files)?, BTreeMap::new()))
        }
        InputFormat::Protobuf => Ok(made(BASE64_STANDARD.encode(bytes), BTreeMap::new())),
        InputFormat::Thrift => {
            let mut files = with_all(name, text(bytes)?, read, &|path, text| {
                thrift::includes(if path == name { "" } else { path }, text)
            })?;
            let main = files.remove("").expect("the file itself is the first");
            Ok(made(main, files))
        }
        _ => Ok(made(text(bytes)?, BTreeMap::new())),
    }
}

/// The file, under no name, and all that it needs.
fn with_all(
    name: &str,
    main: String,
    read: ReadFile<'_>,
    needs: Needs<'_>,
) -> Result<BTreeMap<String, String>, String> {
    let mut needed = needs(name, &main)?;
    let mut files = BTreeMap::from([(String::new(), main)]);
    while let Some(path) = needed.pop() {
        if files.contains_key(&path) {
            continue;
        }
        if files.len() == FILES_MAX {
            return Err(format!("it needs more than {FILES_MAX} files"));
        }
        let bytes = read(&path).map_err(|why| format!("`{path}`, which it needs: {why}"))?;
        let text = String::from_utf8(bytes).map_err(|_| format!("`{path}`, which it needs, is no text"))?;
        needed.extend(needs(&path, &text)?);
        files.insert(path, text);
    }
    Ok(files)
}
