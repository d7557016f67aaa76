//! Avro's Parsing Canonical Form and its CRC-64-AVRO fingerprint, by the specification.
//!
//! Not the library's: it writes a logical type as `{"type":"int"}` where the form is `"int"`, so that its fingerprints
//! of such schemas are not those that other writers put before their messages.

use apache_avro::Schema;
use apache_avro::schema::{InnerDecimalSchema, Name, UuidSchema};

/// The fingerprint of nothing.
const EMPTY: u64 = 0xc15d_213a_a4d7_a795;

pub(super) fn fingerprint(schema: &Schema) -> u64 {
    let mut form = String::new();
    push(&mut form, schema, None);
    crc(form.as_bytes())
}

fn crc(bytes: &[u8]) -> u64 {
    bytes.iter().fold(EMPTY, |crc, byte| {
        let mut low = (crc ^ u64::from(*byte)) & 0xff;
        for _ in 0..8 {
            low = (low >> 1) ^ (EMPTY & (low & 1).wrapping_neg());
        }
        (crc >> 8) ^ low
    })
}

fn push(form: &mut String, schema: &Schema, namespace: Option<&str>) {
    let primitive = match schema {
        Schema::Record(record) => {
            push_head(form, &record.name, "record", namespace);
            form.push_str(",\"fields\":[");
            let own = record.name.fully_qualified_name(namespace).into_owned();
            for (i, field) in record.fields.iter().enumerate() {
                separate(form, i);
                form.push_str("{\"name\":");
                push_quoted(form, &field.name);
                form.push_str(",\"type\":");
                push(form, &field.schema, own.namespace());
                form.push('}');
            }
            return form.push_str("]}");
        }
        Schema::Enum(it) => {
            push_head(form, &it.name, "enum", namespace);
            form.push_str(",\"symbols\":[");
            for (i, symbol) in it.symbols.iter().enumerate() {
                separate(form, i);
                push_quoted(form, symbol);
            }
            return form.push_str("]}");
        }
        Schema::Fixed(fixed) | Schema::Duration(fixed) | Schema::Uuid(UuidSchema::Fixed(fixed)) => {
            return push_fixed(form, &fixed.name, fixed.size, namespace);
        }
        Schema::Decimal(decimal) => match &decimal.inner {
            InnerDecimalSchema::Fixed(fixed) => return push_fixed(form, &fixed.name, fixed.size, namespace),
            InnerDecimalSchema::Bytes => "bytes",
        },
        Schema::Ref { name } => return push_quoted(form, &name.fullname(namespace)),
        Schema::Array(array) => return push_of(form, "{\"type\":\"array\",\"items\":", &array.items, namespace),
        Schema::Map(map) => return push_of(form, "{\"type\":\"map\",\"values\":", &map.types, namespace),
        Schema::Union(union) => {
            form.push('[');
            for (i, branch) in union.variants().iter().enumerate() {
                separate(form, i);
                push(form, branch, namespace);
            }
            return form.push(']');
        }
        Schema::Null => "null",
        Schema::Boolean => "boolean",
        Schema::Int | Schema::Date | Schema::TimeMillis => "int",
        Schema::Long | Schema::TimeMicros => "long",
        Schema::TimestampMillis | Schema::TimestampMicros | Schema::TimestampNanos => "long",
        Schema::LocalTimestampMillis | Schema::LocalTimestampMicros | Schema::LocalTimestampNanos => "long",
        Schema::Float => "float",
        Schema::Double => "double",
        Schema::Bytes | Schema::BigDecimal | Schema::Uuid(UuidSchema::Bytes) => "bytes",
        Schema::String | Schema::Uuid(UuidSchema::String) => "string",
    };
    push_quoted(form, primitive);
}

fn push_fixed(form: &mut String, name: &Name, size: usize, namespace: Option<&str>) {
    push_head(form, name, "fixed", namespace);
    form.push_str(",\"size\":");
    form.push_str(&size.to_string());
    form.push('}');
}

fn push_head(form: &mut String, name: &Name, kind: &str, namespace: Option<&str>) {
    form.push_str("{\"name\":");
    push_quoted(form, &name.fullname(namespace));
    form.push_str(",\"type\":");
    push_quoted(form, kind);
}

fn push_of(form: &mut String, head: &str, inner: &Schema, namespace: Option<&str>) {
    form.push_str(head);
    push(form, inner, namespace);
    form.push('}');
}

/// Names and symbols are letters, digits, underscores and dots: nothing to escape.
fn push_quoted(form: &mut String, text: &str) {
    form.push('"');
    form.push_str(text);
    form.push('"');
}

fn separate(form: &mut String, position: usize) {
    if position > 0 {
        form.push(',');
    }
}
