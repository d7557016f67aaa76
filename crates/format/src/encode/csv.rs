//! How CSV is written: RFC 4180 with line feeds for ends. A text is quoted where a separator, a quote or a line break
//! would mislead, or where it would read as null.

use secor_core::shape::Output;

const QUOTE: u8 = b'"';

/// The names of the columns, with the end of the line.
pub(super) fn header_line(output: &Output) -> Vec<u8> {
    let mut line = Vec::new();
    for (i, name) in output.columns.iter().enumerate() {
        if i > 0 {
            line.push(column_separator(output));
        }
        push_column(&mut line, name, column_separator(output), &output.null_text);
    }
    line.push(b'\n');
    line
}

/// Appends one column, that is not null.
pub(crate) fn push_column(row: &mut Vec<u8>, text: &str, separator: u8, null: &str) {
    let misleads = |&byte: &u8| byte == separator || matches!(byte, QUOTE | b'\n' | b'\r');
    if text != null && !text.as_bytes().iter().any(misleads) {
        row.extend_from_slice(text.as_bytes());
        return;
    }
    row.push(QUOTE);
    for &byte in text.as_bytes() {
        if byte == QUOTE {
            row.push(QUOTE);
        }
        row.push(byte);
    }
    row.push(QUOTE);
}

pub(crate) fn column_separator(output: &Output) -> u8 {
    output.column_separator.as_bytes().first().copied().unwrap_or(b',')
}
