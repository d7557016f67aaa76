//! Values from data as Hive writes them into directory names.

/// Stands for a null, missing or empty value. Persisted, never change.
pub const DEFAULT_PARTITION: &str = "__HIVE_DEFAULT_PARTITION__";

/// Escapes a value as `org.apache.hadoop.hive.common.FileUtils.escapePathName` does: control characters and
/// ``" # % ' * / : = ? \ { [ ] ^`` become `%XX`, everything else stays, an empty value is [`DEFAULT_PARTITION`].
#[must_use]
pub fn escape_value(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    push_escaped(&mut escaped, value);
    escaped
}

/// Appends what [`escape_value`] returns.
pub fn push_escaped(to: &mut String, value: &str) {
    if value.is_empty() {
        to.push_str(DEFAULT_PARTITION);
    }
    for c in value.chars() {
        if needs_escaping(c) {
            let code = u32::from(c);
            to.push('%');
            for digit in [code >> 4, code & 15] {
                to.push(char::from_digit(digit, 16).expect("four bits are a digit").to_ascii_uppercase());
            }
        } else {
            to.push(c);
        }
    }
}

/// Hive's set on every system but Windows. Persisted, never change.
pub(super) fn needs_escaping(c: char) -> bool {
    c.is_ascii_control()
        || matches!(c, '"' | '#' | '%' | '\'' | '*' | '/' | ':' | '=' | '?' | '\\' | '{' | '[' | ']' | '^')
}
