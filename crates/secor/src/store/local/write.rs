//! Creating an object on a local disk: the four steps of the parent module's essay.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rand::Rng;
use secor_core::ids::Digest;
use xxhash_rust::xxh3::xxh3_128;

use super::{DIGEST_XATTR, Failure, Folder, TMP, hash, read_digest, same_file, set_mode, sync_folder};
use crate::store::{Attributes, Checksum, Create, ObjectInfo, Payload, StagedFile, Traits};

/// A new file under `_secor/tmp`. Its name there is removed when it is dropped: by then the content has its final name,
/// or is of no use.
struct TmpFile {
    path: PathBuf,
    file: File,
}

/// What `link` said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Linked {
    Yes,
    /// The name is taken.
    Taken,
    /// This file can't be linked to that place, but a copy could.
    OnlyACopy,
}

/// Creates the object at `path` if the name is free.
pub(super) fn create(
    folder: &Folder,
    path: &Path,
    payload: &Payload,
    attributes: &Attributes,
) -> Result<Create, Failure> {
    let parent = path.parent().expect("a key's path has the root above it");
    folder.require_root()?;
    folder.make_reachable(parent)?;
    // Losing is common (retries, adopters), so look before the content is written or synced.
    let checksum = if path.is_file() { None } else { put_in_place(folder, path, payload, attributes)? };
    sync_folder(parent)?;
    let Some((_, metadata)) = folder.open(path)? else {
        return Err(Failure::Unfit("something that is no file has the object's name".to_owned()));
    };
    let attributes = Attributes { digest: read_digest(path)?, content_type: None };
    let info = ObjectInfo { size: metadata.len(), checksum, attributes };
    Ok(if info.checksum.is_some() { Create::Created(info) } else { Create::Exists(info) })
}

pub(super) fn traits(folder: &Folder) -> Result<Traits, Failure> {
    let tmp = TmpFile::new(folder)?;
    let digest = Digest(1);
    keep_attributes(&tmp.path, &Attributes { digest: Some(digest), content_type: None })?;
    Ok(Traits {
        folds_case: same_file(&folder.root.join("_secor"), &folder.root.join("_SECOR")),
        object_bytes_max: i64::MAX.unsigned_abs(),
        keeps_attributes: read_digest(&tmp.path)? == Some(digest),
        exclusive: true,
    })
}

/// Links the content to its final name; its checksum if the name was free.
fn put_in_place(
    folder: &Folder,
    path: &Path,
    payload: &Payload,
    attributes: &Attributes,
) -> Result<Option<Checksum>, Failure> {
    let (linked, checksum) = match payload {
        Payload::Bytes(bytes) => {
            let mut tmp = TmpFile::new(folder)?;
            tmp.file.write_all(bytes)?;
            (tmp.finish(folder, path, attributes)?, Checksum::Xxh3(Digest(xxh3_128(bytes))))
        }
        Payload::File(staged) => link_or_copy(folder, staged, path, attributes)?,
    };
    match linked {
        Linked::Yes => Ok(Some(checksum)),
        Linked::Taken => Ok(None),
        Linked::OnlyACopy => Err(Failure::Io(ErrorKind::Unsupported.into())),
    }
}

/// The staged file itself becomes the object when it lies on the same file system; else a copy of it.
fn link_or_copy(
    folder: &Folder,
    staged: &StagedFile,
    path: &Path,
    attributes: &Attributes,
) -> Result<(Linked, Checksum), Failure> {
    let mut source = File::open(&staged.path).map_err(|error| {
        Failure::Staged(format!("the staged file `{}` can't be read: {error}", staged.path.display()))
    })?;
    let metadata = source.metadata()?;
    if metadata.len() != staged.len {
        let what =
            format!("the staged file `{}` has {} bytes, not {}", staged.path.display(), metadata.len(), staged.len);
        return Err(Failure::Staged(what));
    }
    let checksum = match staged.digest {
        Some(digest) => Checksum::Xxh3(digest),
        None => hash(&mut source)?,
    };
    if metadata.dev() == folder.root.metadata()?.dev() {
        keep_attributes(&staged.path, attributes)?;
        set_mode(&staged.path, folder.modes.file)?;
        source.sync_all()?;
        match link(&staged.path, path)? {
            Linked::OnlyACopy => {}
            linked => return Ok((linked, checksum)),
        }
    }
    let mut tmp = TmpFile::new(folder)?;
    io::copy(&mut File::open(&staged.path)?, &mut tmp.file)?;
    Ok((tmp.finish(folder, path, attributes)?, checksum))
}

fn link(from: &Path, to: &Path) -> io::Result<Linked> {
    match std::fs::hard_link(from, to) {
        Ok(()) => Ok(Linked::Yes),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(Linked::Taken),
        Err(error) if matches!(error.kind(), ErrorKind::CrossesDevices | ErrorKind::TooManyLinks) => {
            Ok(Linked::OnlyACopy)
        }
        // Not EACCES: this is what file systems without hard links answer, and what a link to another user's file gets.
        Err(error) if error.raw_os_error() == Some(libc::EPERM) => Ok(Linked::OnlyACopy),
        Err(error) => Err(error),
    }
}

/// Sets the attributes, where the file system keeps any.
fn keep_attributes(path: &Path, attributes: &Attributes) -> io::Result<()> {
    let Some(digest) = attributes.digest else { return Ok(()) };
    match xattr::set(path, DIGEST_XATTR, digest.to_string().as_bytes()) {
        Err(error) if error.kind() != ErrorKind::Unsupported => Err(error),
        _ => Ok(()),
    }
}

// === impl TmpFile ===

impl TmpFile {
    fn new(folder: &Folder) -> Result<Self, Failure> {
        let tmp = folder.root.join(TMP);
        folder.make_reachable(&tmp)?;
        let path = tmp.join(format!("put-{}-{:016x}", std::process::id(), rand::rng().random::<u64>()));
        let file = OpenOptions::new().write(true).create_new(true).open(&path)?;
        Ok(Self { path, file })
    }

    /// Makes the written content durable and links it to its final name.
    fn finish(self, folder: &Folder, path: &Path, attributes: &Attributes) -> io::Result<Linked> {
        keep_attributes(&self.path, attributes)?;
        set_mode(&self.path, folder.modes.file)?;
        self.file.sync_all()?;
        link(&self.path, path)
    }
}

impl Drop for TmpFile {
    fn drop(&mut self) {
        // If it can't be removed it is swept later like the leftovers of a crash.
        let _ = std::fs::remove_file(&self.path);
    }
}
