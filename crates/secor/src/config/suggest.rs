//! The nearest known word to one that is not known.

use super::schema;

/// A hint for the unknown key `name` in the table `table`.
pub(super) fn key(table: &str, name: &str) -> String {
    if let Some(near) = nearest(name, schema::children(table).into_iter()) {
        return format!("did you mean `{near}`?");
    }
    let elsewhere = schema::keys().find(|key| key.path.rsplit('.').next() == Some(name));
    if let Some((home, _)) = elsewhere.and_then(|key| key.path.rsplit_once('.')) {
        return format!("`{name}` belongs into {}", brackets(home));
    }
    let known = schema::children(table).join(", ");
    let table = if table.is_empty() { "the top of the file".to_owned() } else { brackets(table) };
    format!("known in {table} are {known}")
}

/// The word closest to `text`, when it is close enough to be meant.
pub(super) fn nearest<'a>(text: &str, words: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let text = text.to_lowercase();
    let allowed = (text.chars().count() / 3).max(1);
    let distance = |word: &str| match text.len() {
        2.. if word.starts_with(&text) => 1,
        _ => strsim::damerau_levenshtein(&text, word),
    };
    words
        .map(|word| (distance(word), word))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// `archive.output` as a user writes it: `output = { ... }` of an `[[archive]]`.
pub(super) fn brackets(table: &str) -> String {
    match table.strip_prefix(schema::ARCHIVE) {
        Some("") => "[[archive]]".to_owned(),
        Some(inner) => format!("{} = {{ ... }} of an [[archive]]", inner.trim_start_matches('.')),
        None => format!("[{table}]"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_found_and_far_ones_are_not() {
        assert_eq!(nearest("gruop", ["brokers", "group"].into_iter()), Some("group"));
        assert_eq!(nearest("Gzip", ["none", "gzip"].into_iter()), Some("gzip"));
        assert_eq!(nearest("mem", ["disk", "memory"].into_iter()), Some("memory"));
        assert_eq!(nearest("xz", ["none", "gzip", "zstd"].into_iter()), None);
    }

    #[test]
    fn hints_name_the_key_its_table_or_what_is_known() {
        assert_eq!(key("kafka", "broker"), "did you mean `brokers`?");
        assert_eq!(key("", "compression"), "`compression` belongs into output = { ... } of an [[archive]]");
        assert_eq!(key("workers", "colour"), "known in [workers] are threads");
    }
}
