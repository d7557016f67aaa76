//! What the text of a single key of `[store]` must look like.

use url::Url;

use super::checks::{Objection, object};

/// In characters, on S3.
const TAG_NAME_MAX: usize = 128;
const TAG_VALUE_MAX: usize = 256;

pub(super) fn store_url(text: &str) -> Result<(), Objection> {
    const HINT: &str = "write \"s3://bucket/prefix\", \"gs://bucket/prefix\", \"azure://container/prefix\", \
                        \"swift://container/prefix\" or \"file:///absolute/folder\"";
    let url = match Url::parse(text) {
        Ok(url) => url,
        Err(error) => return object(format!("`{text}` is not a URL: {error}"), HINT),
    };
    let table = match url.scheme() {
        "az" | "azure" | "abfs" | "abfss" => "azure",
        scheme => scheme,
    };
    if url.query().is_some() || url.fragment().is_some() {
        return object("a store's URL has no `?` and no `#`", format!("settings of the store go into [store.{table}]"));
    }
    let is_container_at_account = matches!(url.scheme(), "abfs" | "abfss") && url.password().is_none();
    if !(url.username().is_empty() && url.password().is_none() || is_container_at_account) {
        return object("it holds credentials", format!("write them into [store.{table}]"));
    }
    let has_host = url.host_str().is_some_and(|host| !host.is_empty());
    match url.scheme() {
        "file" if url.host_str().is_some() => {
            object("a `file://` URL has an absolute path and no host", "write three slashes: \"file:///var/archive\"")
        }
        "file" => Ok(()),
        "s3" | "gs" if !has_host => object("it names no bucket", HINT),
        "az" | "azure" | "swift" if !has_host => object("it names no container", HINT),
        "abfs" | "abfss" if url.username().is_empty() || !has_host => {
            let hint = "write \"abfss://container@account.dfs.core.windows.net/prefix\"";
            object("it does not name container and account", hint)
        }
        "s3" | "gs" | "az" | "azure" | "abfs" | "abfss" | "swift" => Ok(()),
        "s3a" | "s3n" => object(format!("`{}://` is Hadoop's name for it", url.scheme()), HINT),
        "gcs" => object("`gcs://` is not its name", "write \"gs://bucket/prefix\""),
        scheme => object(format!("`{scheme}://` is no store"), HINT),
    }
}

pub(super) fn endpoint(text: &str) -> Result<(), Objection> {
    const HINT: &str = "write \"https://host:port\", without the bucket";
    match web_url(text, HINT)? {
        url if url.path() != "/" => object(format!("`{text}` has a path"), HINT),
        _ => Ok(()),
    }
}

/// May end with the account as a path, where the account is no part of the host's name.
pub(super) fn azure_endpoint(text: &str) -> Result<(), Objection> {
    web_url(text, "write \"https://host\" or \"https://host:port/account\", without the container").map(drop)
}

/// With the version of the protocol as its path.
pub(super) fn auth_url(text: &str) -> Result<(), Objection> {
    web_url(text, "write \"https://keystone:5000/v3\", or \"https://swift/auth/v1.0\" for tempauth").map(drop)
}

pub(super) fn storage_url(text: &str) -> Result<(), Objection> {
    web_url(text, "write \"https://swift/v1/AUTH_project\", without the container").map(drop)
}

fn web_url(text: &str, hint: &str) -> Result<Url, Objection> {
    let objection = |why: String| Objection { why, hint: hint.to_owned() };
    match Url::parse(text) {
        Ok(url) if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() => {
            Err(objection(format!("`{text}` is not an http or https URL")))
        }
        Ok(url) if url.query().is_some() => Err(objection(format!("`{text}` has a query"))),
        Ok(url) => Ok(url),
        Err(error) => Err(objection(format!("`{text}` is not a URL: {error}"))),
    }
}

/// `name=value`, as S3 allows it.
pub(super) fn tag(text: &str) -> Result<(), Objection> {
    const HINT: &str = "write \"name=value\" with letters, digits, spaces and + - . _ : / @";
    let legal = |text: &str| text.chars().all(|c| c.is_alphanumeric() || " +-._:/@".contains(c));
    match text.split_once('=') {
        Some((name, value)) if name.is_empty() || !legal(name) || !legal(value) => {
            object(format!("`{text}` is no tag"), HINT)
        }
        Some((name, value)) if name.chars().count() > TAG_NAME_MAX || value.chars().count() > TAG_VALUE_MAX => object(
            format!("`{text}` is too long"),
            format!("a name has at most {TAG_NAME_MAX} characters, a value {TAG_VALUE_MAX}"),
        ),
        Some(_) => Ok(()),
        None => object(format!("`{text}` has no `=`"), HINT),
    }
}

pub(super) fn gs_kms_key(text: &str) -> Result<(), Objection> {
    const NAMES: [&str; 4] = ["projects", "locations", "keyRings", "cryptoKeys"];
    let segments: Vec<&str> = text.split('/').collect();
    let fits = segments.len() == 2 * NAMES.len()
        && std::iter::zip(NAMES, segments.chunks(2)).all(|(name, pair)| pair[0] == name && !pair[1].is_empty());
    if fits {
        return Ok(());
    }
    let hint = "write \"projects/P/locations/L/keyRings/R/cryptoKeys/K\"";
    object(format!("`{text}` is no name of a key"), hint)
}

/// Octal; the owner reads and writes.
pub(super) fn file_mode(text: &str) -> Result<(), Objection> {
    mode(text, 0o600, "write \"0640\": the owner must read and write")
}

/// Octal; the owner does everything.
pub(super) fn folder_mode(text: &str) -> Result<(), Objection> {
    mode(text, 0o700, "write \"0750\": the owner must read, write and enter")
}

fn mode(text: &str, needed: u32, hint: &str) -> Result<(), Objection> {
    match u32::from_str_radix(text, 8) {
        Ok(mode) if mode <= 0o7777 && mode & needed == needed => Ok(()),
        _ => object(format!("`{text}` can't be the permissions"), hint),
    }
}
