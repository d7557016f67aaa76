//! `secor columns`: the columns of a schema, or of a sample of JSON values, in the notation of `output.schema`.
//!
//! The notation goes to standard output, so that it can be kept in a file; what is in no column is said on standard error.

use std::fs::File;
use std::io::{BufReader, Write};
use std::path::Path;

use secor_core::shape::InputFormat;
use secor_format::input::schema_files;
use secor_format::notation::{self, Notation};

use super::args::{ColumnsArgs, SchemaSource};
use super::{Class, CliError};
use crate::config::Config;
use crate::registry::SchemaRegistry;

/// In the place of a file.
const STANDARD_INPUT: &str = "-";

/// Prints the columns of the schema that `args` name; `config` is read where it is the registry's.
///
/// # Errors
/// When there is no such schema, or nothing in it can be a column.
pub async fn run(
    args: &ColumnsArgs,
    config: impl FnOnce() -> Result<Config, CliError>,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    let message = args.message.as_deref();
    let SchemaSource { avro, protobuf, thrift, json, id } = &args.source;
    let of_file = |format, file: &Path| {
        let schema = load(format, file)?;
        notation::of_schema(format, &schema, message)
    };
    let file = [(InputFormat::Avro, avro), (InputFormat::Protobuf, protobuf), (InputFormat::Thrift, thrift)]
        .into_iter()
        .find_map(|(format, file)| Some((format, file.as_deref()?)));
    let (name, made) = match (file, json, id) {
        (Some((format, file)), ..) => (format!("`{}`", file.display()), of_file(format, file)),
        (None, Some(file), _) if file == Path::new(STANDARD_INPUT) => {
            ("standard input".to_owned(), notation::of_values(std::io::stdin().lock()))
        }
        (None, Some(file), _) => (format!("`{}`", file.display()), of_values(file)),
        (None, None, Some(id)) => (format!("schema {id}"), of_registry(*id, message, &config()?).await?),
        (None, None, None) => unreachable!("the command line has one of them"),
    };
    let made = made.map_err(|why| {
        let hint =
            "`secor columns --help` shows which schemas are read; --message names one of several messages or structs";
        CliError::new(Class::Configuration, format!("{name}: {why}")).with_hint(hint)
    })?;
    print(&made, out)
}

fn of_values(path: &Path) -> Result<Notation, String> {
    let file = File::open(path).map_err(|error| format!("can't be read: {error}"))?;
    notation::of_values(BufReader::new(file))
}

fn load(format: InputFormat, path: &Path) -> Result<secor_core::shape::Schema, String> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let file = path.file_name().and_then(|file| file.to_str()).ok_or("it is no file")?;
    schema_files::load(format, "schema", file, &|file| {
        std::fs::read(folder.join(file)).map_err(|error| format!("can't be read: {error}"))
    })
}

async fn of_registry(id: u32, message: Option<&str>, config: &Config) -> Result<Result<Notation, String>, CliError> {
    let Some(settings) = &config.schema_registry else {
        let text = "the configuration names no schema registry";
        return Err(CliError::new(Class::Configuration, text).with_hint("add [schemas.registry] with its urls"));
    };
    match SchemaRegistry::new(settings)?.schema(id).await? {
        Some(schema) => Ok(notation::of_registered(&schema, message)),
        None => Ok(Err("the registry has no such schema".to_owned())),
    }
}

fn print(made: &Notation, out: &mut dyn Write) -> Result<(), CliError> {
    writeln!(out, "{}", made.text)?;
    out.flush()?;
    for left_out in &made.left_out {
        eprintln!("secor: left out `{}`: {}", left_out.path, left_out.why);
    }
    if !made.left_out.is_empty() {
        eprintln!("hint: no file will have it; whole records, with content = \"envelope\", have everything");
    }
    Ok(())
}
