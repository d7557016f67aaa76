//! What a configuration means, in words: defaults filled in, secrets hidden, and for each archive the name that a file
//! would get. For `secor check`.

use std::io::{self, Write};

use secor_core::flush::FlushPolicy;
use secor_core::ids::{Generation, Offset, WriterSchema};
use secor_core::layout::{Layout, NameParts, extension_by};
use secor_core::shape::{
    BadRecords, Compression, Content, Input, InputFormat, JsonValue, MessageFraming, Output, OutputFormat,
    SequenceCompression, Shape,
};
use secor_core::shape::{Timestamp, TimestampSource};

use crate::config::{
    Archive, Azure, Config, Gs, RegistryLogin, S3, Start, Store, Swift, TopicPattern, format_duration, format_size,
};

/// Writes one line for each section, and a paragraph for each archive.
///
/// # Errors
/// When `out` can't be written.
pub fn config(config: &Config, out: &mut dyn Write) -> io::Result<()> {
    let kafka = &config.kafka;
    writeln!(out, "file     {}", config.file.display())?;
    writeln!(
        out,
        "kafka    {} as group `{}`, {}, new topics from {}",
        kafka.brokers.join(", "),
        kafka.group,
        match kafka.isolation {
            secor_core::manifest::Isolation::ReadCommitted => "committed records only",
            secor_core::manifest::Isolation::ReadUncommitted => "uncommitted records too",
        },
        start(kafka.start)
    )?;
    for (name, value) in kafka.properties.shown() {
        writeln!(out, "         {name} = {value}")?;
    }
    if let Some(registry) = &config.schema_registry {
        let urls: Vec<_> = registry.urls.iter().map(url::Url::as_str).collect();
        let login = match &registry.login {
            None => "",
            Some(RegistryLogin::Basic { .. }) => ", with a password",
            Some(RegistryLogin::Bearer(_)) => ", with a token",
        };
        writeln!(out, "schemas  {}{login}", urls.join(", "))?;
    }
    writeln!(out, "store    {}{}", config.store.url, store(&config.store))?;
    writeln!(out, "staging  {}", config.staging.path.display())?;
    let limits = &config.limits;
    let rate = match limits.records_per_second {
        0 => "any rate".to_owned(),
        rate => format!("{rate} records/s"),
    };
    writeln!(
        out,
        "limits   memory {}, disk {}, {} open writers, {rate}",
        format_size(limits.memory),
        format_size(limits.disk),
        limits.open_writers
    )?;
    let token = if config.admin.token.is_some() { "with a token" } else { "read only, no token" };
    writeln!(out, "admin    http://{} ({token})", config.admin.listen)?;
    for (index, archive) in config.archives.iter().enumerate() {
        writeln!(out)?;
        describe_archive(index, archive, config.generation, out)?;
    }
    Ok(())
}

fn describe_archive(index: usize, archive: &Archive, generation: Generation, out: &mut dyn Write) -> io::Result<()> {
    let shape = &*archive.shape;
    let excluded = match archive.topics.exclude.as_slice() {
        [] => String::new(),
        exclude => format!(" but not {}", list(exclude)),
    };
    writeln!(out, "archive[{index}] {}{excluded}", list(&archive.topics.include))?;
    let input = input(&shape.input);
    let bad = match shape.bad_records {
        BadRecords::DeadLetter => "bad records go to _dead_letters/",
        BadRecords::Fail => "a bad record stops its partition",
    };
    writeln!(out, "         reads   {input}; {bad}")?;
    writeln!(out, "         time    {} (zone {})", timestamp(&shape.timestamp), shape.time_zone)?;
    writeln!(out, "         writes  {}", output(&shape.output))?;
    writeln!(out, "         files   {}", example(shape, &archive.topics.include, generation))?;
    writeln!(out, "         cuts    {}", flush(&archive.flush))
}

fn input(input: &Input) -> String {
    let framed = if input.format == InputFormat::Json { schemas(input) } else { String::new() };
    match (input.format, input.json) {
        (InputFormat::Bytes, _) => "any bytes".to_owned(),
        (InputFormat::Text, _) => match &input.pattern {
            None => "UTF-8 text".to_owned(),
            Some(pattern) => format!("text that matches {pattern}"),
        },
        (InputFormat::Json, JsonValue::Object) => format!("JSON objects{framed}"),
        (InputFormat::Json, JsonValue::Any) => format!("JSON values{framed}"),
        (InputFormat::Json, JsonValue::Lines) => format!("lines of JSON objects{framed}"),
        (InputFormat::MessagePack, _) => "MessagePack maps".to_owned(),
        (InputFormat::Avro, _) => format!("Avro{}", schemas(input)),
        (InputFormat::Protobuf, _) => format!("Protobuf messages{}", schemas(input)),
        (InputFormat::Thrift, _) => format!("Thrift structs{}", schemas(input)),
    }
}

/// By which schemas, and how a message says it.
fn schemas(input: &Input) -> String {
    let names: Vec<_> = input.schemas.iter().map(|schema| schema.name.as_str()).collect();
    let message = input.message.as_ref().map(|message| format!(" {message}")).unwrap_or_default();
    let framing = match input.framing {
        MessageFraming::None => "",
        MessageFraming::Confluent => ", in Confluent's wire format",
        MessageFraming::SingleObject => ", in the single-object encoding",
    };
    let by = if names.is_empty() { String::new() } else { format!(" by schema {}", names.join(", ")) };
    let registry = if input.registry { " by the registry's schemas" } else { "" };
    format!("{message}{by}{registry}{framing}")
}

fn list(patterns: &[TopicPattern]) -> String {
    patterns.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn start(start: Start) -> String {
    match start {
        Start::Earliest => "the earliest record".to_owned(),
        Start::Latest => "now".to_owned(),
        Start::Committed => "the committed offset".to_owned(),
        Start::Time(ms) => {
            jiff::Timestamp::from_millisecond(ms).map_or_else(|_| format!("{ms} ms"), |time| time.to_string())
        }
    }
}

fn store(store: &Store) -> String {
    let (endpoint, login) = match store.url.split_once("://").map_or("", |(scheme, _)| scheme) {
        "file" => return String::new(),
        "s3" => (&store.s3.endpoint, s3_login(&store.s3)),
        "gs" => (&store.gs.endpoint, gs_login(&store.gs)),
        "swift" => (&store.swift.auth_url, swift_login(&store.swift)),
        _ => (&store.azure.endpoint, azure_login(&store.azure)),
    };
    let endpoint = endpoint.as_ref().map(|endpoint| format!(" at {endpoint}")).unwrap_or_default();
    let region = store
        .s3
        .region
        .as_ref()
        .or(store.swift.region.as_ref())
        .map(|region| format!(" in {region}"))
        .unwrap_or_default();
    format!("{endpoint}{region}, with {login}")
}

fn s3_login(s3: &S3) -> String {
    let login = match (&s3.access_key_id, &s3.profile) {
        (Some(id), _) => format!("key {id}"),
        (None, Some(profile)) => format!("profile {profile}"),
        (None, None) => "the default chain of credentials".to_owned(),
    };
    let role = s3.role_arn.as_ref().map(|role| format!(" as {role}")).unwrap_or_default();
    format!("{login}{role}")
}

fn gs_login(gs: &Gs) -> String {
    match (&gs.credentials_file, gs.credentials.is_some(), gs.access_token.is_some()) {
        (Some(file), ..) => format!("the credentials in {}", file.display()),
        (None, true, _) => "the configured credentials".to_owned(),
        (None, false, true) => "an access token".to_owned(),
        (None, false, false) => "the default credentials".to_owned(),
    }
}

fn azure_login(azure: &Azure) -> String {
    match (&azure.account_key, &azure.sas_token, &azure.client_id) {
        (Some(_), ..) => "the account's key".to_owned(),
        (None, Some(_), _) => "a shared access signature".to_owned(),
        (None, None, Some(id)) => format!("the identity {id}"),
        (None, None, None) => "the default credentials".to_owned(),
    }
}

fn swift_login(swift: &Swift) -> String {
    match (&swift.user, &swift.project, &swift.application_credential_id) {
        (Some(user), Some(project), _) => format!("the user {user} of the project {project}"),
        (Some(user), None, _) => format!("the user {user}"),
        (None, _, Some(id)) => format!("the application credential {id}"),
        (None, _, None) => "a token".to_owned(),
    }
}

fn timestamp(timestamp: &Timestamp) -> String {
    let field = timestamp.field.as_deref().unwrap_or_default();
    let pattern = timestamp.pattern.as_deref().unwrap_or_default();
    match timestamp.effective_source() {
        TimestampSource::Field => format!("number in field `{field}`"),
        TimestampSource::Kafka => "of the Kafka record".to_owned(),
        TimestampSource::Clock => "when the batch was opened".to_owned(),
        TimestampSource::Regex => format!("number found by `{pattern}`"),
        TimestampSource::Iso8601 => format!("ISO 8601 in field `{field}`"),
        TimestampSource::Pattern => format!("`{pattern}` in field `{field}`"),
    }
}

fn output(output: &Output) -> String {
    let format = match (output.format, output.content) {
        (OutputFormat::Text, _) => format!("values, each followed by {:?}", output.delimiter),
        (OutputFormat::Json, Content::Value) => "values as JSON lines".to_owned(),
        (OutputFormat::Json, Content::Envelope) => "whole records as JSON lines".to_owned(),
        (OutputFormat::Csv, _) => format!("CSV of {}", output.columns.join(", ")),
        (OutputFormat::Sequence, _) => "Hadoop SequenceFiles".to_owned(),
        (OutputFormat::Avro, Content::Envelope) => "whole records in Avro files".to_owned(),
        (OutputFormat::Avro, Content::Value) if output.schema.is_some() => {
            "values in Avro files by one schema".to_owned()
        }
        (OutputFormat::Avro, Content::Value) => "values in Avro files by their own schemas".to_owned(),
        (OutputFormat::Parquet, Content::Envelope) => "whole records in Parquet files".to_owned(),
        (OutputFormat::Parquet, Content::Value) => "columns of values in Parquet files".to_owned(),
        (OutputFormat::Orc, Content::Envelope) => "whole records in ORC files".to_owned(),
        (OutputFormat::Orc, Content::Value) => "columns of values in ORC files".to_owned(),
    };
    let level = output.level.map(|level| format!(" level {level}")).unwrap_or_default();
    let compression = match output.compression {
        Compression::None => return format!("{format}, uncompressed"),
        Compression::Gzip => "gzip",
        Compression::Zstd => "zstd",
        Compression::Snappy => "snappy",
        Compression::Lz4 => "lz4",
        Compression::Bzip2 => "bzip2",
        Compression::Deflate => "deflate",
        Compression::Lzo => "lzo",
        Compression::Brotli => "brotli",
    };
    let by = match (output.format, output.sequence_compression) {
        (
            OutputFormat::Text
            | OutputFormat::Json
            | OutputFormat::Csv
            | OutputFormat::Avro
            | OutputFormat::Parquet
            | OutputFormat::Orc,
            _,
        ) => "",
        (OutputFormat::Sequence, SequenceCompression::Block) => " by blocks",
        (OutputFormat::Sequence, SequenceCompression::Record) => " by records",
    };
    format!("{format}, {compression}{level}{by}")
}

/// The name of a file that begins at offset 100 of partition 0.
fn example(shape: &Shape, topics: &[TopicPattern], generation: Generation) -> String {
    let name = topics.iter().find_map(|topic| match topic {
        TopicPattern::Name(name) => Some(name.as_str()),
        TopicPattern::Pattern(_) => None,
    });
    let parts = NameParts {
        topic: name.unwrap_or("<topic>"),
        output_partition: &shape.output_partitions.join("/"),
        generation,
        partition: 0,
        start: Offset::new(100).unwrap_or(Offset::ZERO),
        ext: &extension_by(&shape.output, writer(shape)),
    };
    // a checked configuration holds a layout that can be read
    Layout::parse(&shape.layout).map_or_else(|error| error.to_string(), |layout| layout.key(&parts))
}

/// A schema as records may name it, where it stands in names.
fn writer(shape: &Shape) -> Option<WriterSchema> {
    let output = &shape.output;
    if output.format != OutputFormat::Avro || output.content != Content::Value || output.schema.is_some() {
        return None;
    }
    match shape.input.framing {
        MessageFraming::None => None,
        MessageFraming::Confluent => {
            let given = shape.input.schemas.first().and_then(|schema| schema.name.parse().ok());
            Some(WriterSchema::Id(given.unwrap_or(17)))
        }
        MessageFraming::SingleObject => Some(WriterSchema::Fingerprint(0x0123_4567_89ab_cdef)),
    }
}

fn flush(flush: &FlushPolicy) -> String {
    let duration = |ms: i64| format_duration(u64::try_from(ms).unwrap_or_default());
    let limits = [
        flush.bytes_max.map(|bytes| format!("at {} encoded", format_size(bytes))),
        flush.records_max.map(|records| format!("at {records} records")),
        flush.age_ms_max.map(|ms| format!("after {}", duration(ms))),
        flush.timestamp_range_ms_max.map(|ms| format!("when Kafka timestamps are {} apart", duration(ms))),
        flush.every_ms.map(|ms| format!("every {} of the clock", duration(ms))),
        flush.at_minute.map(|minute| format!("at minute {minute} of every hour")),
    ];
    limits.into_iter().flatten().collect::<Vec<_>>().join(", or ")
}
