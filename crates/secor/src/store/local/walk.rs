//! Listing a local disk in the order of the keys.
//!
//! A folder sorts as its name with a slash behind it: `a.gz` is before `a/b`, although the folder `a` would sort first.
//! Only folders that can hold something above `start_after` are entered, so a page costs the folders on the way.

use std::io;
use std::path::{Path, PathBuf};

use super::{Failure, Folder, TMP, is_absent};
use crate::store::{Listed, key};

pub(super) struct Request {
    pub(super) prefix: String,
    /// Exclusive; empty for everything.
    pub(super) start_after: String,
    pub(super) limit: usize,
}

/// A file, or a folder to enter.
struct Entry {
    /// With a slash at the end for a folder.
    sort_key: String,
    path: PathBuf,
}

pub(super) fn list(folder: &Folder, request: &Request) -> Result<Vec<Listed>, Failure> {
    folder.require_root()?;
    let mut listed = Vec::new();
    enter(&folder.root.join(&request.prefix), &request.prefix, request, &mut listed)?;
    Ok(listed)
}

pub(super) fn folders(folder: &Folder, path: &Path) -> Result<Vec<String>, Failure> {
    folder.require_root()?;
    let tmp = folder.root.join(TMP);
    let entries = entries(path, "")?.into_iter().filter(|entry| entry.path != tmp);
    let mut names: Vec<String> =
        entries.filter_map(|entry| entry.sort_key.strip_suffix('/').map(str::to_owned)).collect();
    names.sort_unstable();
    Ok(names)
}

fn enter(path: &Path, prefix: &str, request: &Request, listed: &mut Vec<Listed>) -> io::Result<()> {
    let mut entries = entries(path, prefix)?;
    entries.retain(|entry| {
        entry.sort_key > request.start_after
            || (entry.sort_key.ends_with('/') && request.start_after.starts_with(&entry.sort_key))
    });
    entries.sort_unstable_by(|a, b| a.sort_key.cmp(&b.sort_key));
    for entry in entries {
        if listed.len() >= request.limit {
            break;
        }
        match entry.sort_key.strip_suffix('/') {
            Some(TMP) => {}
            Some(prefix) => enter(&entry.path, prefix, request, listed)?,
            None => match std::fs::metadata(&entry.path) {
                Ok(metadata) => listed.push(Listed { key: entry.sort_key, size: metadata.len() }),
                Err(error) if is_absent(&error) => {}
                Err(error) => return Err(error),
            },
        }
    }
    Ok(())
}

/// What is in a folder, unsorted; nothing if there is no such folder. Names that are no UTF-8 are none of ours.
fn entries(path: &Path, prefix: &str) -> io::Result<Vec<Entry>> {
    let read = match std::fs::read_dir(path) {
        Err(error) if is_absent(&error) => return Ok(Vec::new()),
        read => read?,
    };
    let mut entries = Vec::new();
    for entry in read {
        let entry = entry?;
        let (path, Ok(name)) = (entry.path(), entry.file_name().into_string()) else { continue };
        let file_type = entry.file_type()?;
        let is_folder = file_type.is_dir() || (file_type.is_symlink() && path.is_dir());
        let sort_key = key::join(prefix, &name) + if is_folder { "/" } else { "" };
        entries.push(Entry { sort_key, path });
    }
    Ok(entries)
}
