//! Where encoded bytes wait for their upload: memory first, then files in a folder of this process.
//!
//! Staged data is never needed after a crash, so nothing is synced here. Each process has a folder of its own below
//! `staging.path`, held by a lock; folders whose lock is free belong to dead processes and are removed at start.
//! A file is opened only while it is written to: ten thousand open writers do not need ten thousand descriptors.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use secor_core::ids::Digest;
use xxhash_rust::xxh3::Xxh3;

use super::budget::{Budget, Resource, Share};
use crate::store::{Payload, StagedFile};

/// Encoded bytes of one file stay in memory up to this many.
const MEMORY_BYTES_MAX: usize = 1 << 20;
/// Spilling less than this under pressure gains too little.
const SPILL_BYTES_MIN: usize = 16 << 10;
const LOCK_NAME: &str = "lock";

/// The staging folder of this process.
#[derive(Debug)]
pub struct Staging {
    folder: PathBuf,
    budget: Arc<Budget>,
    next: AtomicU64,
    _lock: File,
}

/// The encoded bytes of one file, growing.
pub struct Staged {
    staging: Arc<Staging>,
    memory: Vec<u8>,
    /// What `memory` became when the file was complete and had never been spilled.
    complete: Option<Bytes>,
    memory_share: Share,
    spilled: Option<Spilled>,
}

/// The part of a file that is on disk. The file may be longer after a write that failed half-way; `len` counts.
struct Spilled {
    path: PathBuf,
    len: u64,
    /// Of what counts: hashed while it is in the processor's caches anyway.
    hash: Xxh3,
    share: Share,
}

// === impl Staging ===

impl Staging {
    /// Sweeps what dead processes left below `path` and makes a folder of its own there.
    ///
    /// # Errors
    /// When the folder cannot be made or locked.
    pub fn open(path: &Path, budget: Arc<Budget>) -> io::Result<Arc<Self>> {
        fs::create_dir_all(path)?;
        sweep(path)?;
        for n in 0.. {
            let folder = path.join(format!("secor-{}-{n}", std::process::id()));
            match fs::create_dir(&folder) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                created => created?,
            }
            let lock = File::create(folder.join(LOCK_NAME))?;
            if !lock_exclusively(&lock)? {
                continue;
            }
            return Ok(Arc::new(Self { folder, budget, next: AtomicU64::new(0), _lock: lock }));
        }
        unreachable!("a number is always free")
    }

    #[must_use]
    pub fn budget(&self) -> &Arc<Budget> {
        &self.budget
    }

    #[must_use]
    pub fn file(self: &Arc<Self>) -> Staged {
        let memory_share = self.budget.share(Resource::Memory);
        Staged { staging: Arc::clone(self), memory: Vec::new(), complete: None, memory_share, spilled: None }
    }

    fn new_path(&self) -> PathBuf {
        self.folder.join(self.next.fetch_add(1, Ordering::Relaxed).to_string())
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // what stays is swept by the next start
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Removes folders of dead processes: those whose lock is free.
fn sweep(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let ours = entry.file_name().to_string_lossy().starts_with("secor-");
        if !ours || !entry.file_type()?.is_dir() {
            continue;
        }
        let folder = entry.path();
        // a folder without a lock file is being made at this moment, or its process died while making it: an empty
        // folder costs nothing
        let Ok(lock) = File::open(folder.join(LOCK_NAME)) else {
            continue;
        };
        if lock_exclusively(&lock)? {
            tracing::info!(folder = %folder.display(), "sweep staged data of a dead process");
            if let Err(error) = fs::remove_dir_all(&folder) {
                tracing::warn!(folder = %folder.display(), %error, "cannot sweep staged data");
            }
        }
    }
    Ok(())
}

fn lock_exclusively(file: &File) -> io::Result<bool> {
    // SAFETY: the descriptor is open for as long as `file` lives
    if unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) } == 0 {
        return Ok(true);
    }
    let error = io::Error::last_os_error();
    if error.kind() == io::ErrorKind::WouldBlock { Ok(false) } else { Err(error) }
}

impl std::fmt::Debug for Staged {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Staged {{ len: {} }}", self.len())
    }
}

// === impl Staged ===

impl Staged {
    /// Where an encoder appends.
    pub fn out(&mut self) -> &mut Vec<u8> {
        &mut self.memory
    }

    /// Staged bytes, in memory and on disk.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.memory.len() as u64 + self.spilled.as_ref().map_or(0, |spilled| spilled.len)
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// To be called after appending: counts the memory and moves it to disk when it has become much.
    pub fn settle(&mut self) {
        if self.memory.len() > MEMORY_BYTES_MAX {
            self.spill_or_wait();
        }
        self.memory_share.set(self.memory.capacity() as u64);
    }

    /// Under pressure: gives memory back where that is worth a write.
    pub fn relieve(&mut self) {
        if self.memory.len() > SPILL_BYTES_MIN {
            self.spill_or_wait();
            self.memory.shrink_to(SPILL_BYTES_MIN);
        }
        self.memory_share.set(self.memory.capacity() as u64);
    }

    /// Completes the file for its upload: what was spilled goes on to disk in full. When the disk has no room for the
    /// rest, what was spilled comes back into memory instead, if `limits.memory` could hold it, and makes room.
    ///
    /// # Errors
    /// When neither the disk nor memory can take the file; nothing is lost, try again.
    pub fn payload(&mut self) -> io::Result<Payload> {
        if let Err(error) = self.spill_rest() {
            self.staging.budget.set_disk_full(true);
            self.unspill().map_err(|_| error)?;
        }
        let Some(spilled) = &self.spilled else {
            let complete = self.complete.get_or_insert_with(|| Bytes::from(std::mem::take(&mut self.memory)));
            return Ok(Payload::Bytes(complete.clone()));
        };
        // a write that failed half-way may have left more than what counts
        OpenOptions::new().write(true).open(&spilled.path)?.set_len(spilled.len)?;
        let digest = Some(Digest(spilled.hash.digest128()));
        Ok(Payload::File(StagedFile { path: spilled.path.clone(), len: spilled.len, digest }))
    }

    fn spill_rest(&mut self) -> io::Result<()> {
        if self.spilled.is_some() { self.spill() } else { Ok(()) }
    }

    fn unspill(&mut self) -> io::Result<()> {
        let Some(spilled) = &self.spilled else {
            return Ok(());
        };
        if spilled.len > self.staging.budget.limits().memory_bytes_max {
            return Err(io::Error::from(io::ErrorKind::OutOfMemory));
        }
        let mut bytes = Vec::new();
        File::open(&spilled.path)?.take(spilled.len).read_to_end(&mut bytes)?;
        bytes.extend_from_slice(&self.memory);
        self.memory = bytes;
        self.memory_share.set(self.memory.capacity() as u64);
        self.spilled = None;
        self.staging.budget.set_disk_full(false);
        Ok(())
    }

    /// Without room the bytes stay in memory; the budget hears of it, so that batches are cut and fetching waits.
    fn spill_or_wait(&mut self) {
        let spilled = self.spill();
        if let Err(error) = &spilled {
            tracing::debug!(%error, "cannot spill");
        }
        self.staging.budget.set_disk_full(spilled.is_err());
    }

    fn spill(&mut self) -> io::Result<()> {
        if self.memory.is_empty() {
            return Ok(());
        }
        let spilled = match &mut self.spilled {
            Some(spilled) => spilled,
            none => none.insert(Spilled {
                path: self.staging.new_path(),
                len: 0,
                hash: Xxh3::new(),
                share: self.staging.budget.share(Resource::Disk),
            }),
        };
        let mut file = OpenOptions::new().create(true).truncate(false).write(true).open(&spilled.path)?;
        file.seek(SeekFrom::Start(spilled.len))?;
        file.write_all(&self.memory)?;
        spilled.hash.update(&self.memory);
        spilled.len += self.memory.len() as u64;
        spilled.share.set(spilled.len);
        self.memory.clear();
        Ok(())
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // with a full disk nothing is fetched, so that no write would ever find out that there is room again
        self.staging.budget.set_disk_full(false);
    }
}

impl Drop for Spilled {
    fn drop(&mut self) {
        // gone already, or swept at the next start
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::budget::Limits;

    fn staging(path: &Path) -> Arc<Staging> {
        let limits = Limits { memory_bytes_max: 64 << 20, disk_bytes_max: 64 << 20, open_writers_max: 10 };
        Staging::open(path, Budget::new(limits)).expect("staging opens")
    }

    fn bytes_of(payload: &Payload) -> Vec<u8> {
        match payload {
            Payload::Bytes(bytes) => bytes.to_vec(),
            Payload::File(file) => fs::read(&file.path).expect("staged file"),
        }
    }

    #[test]
    fn bytes_come_out_as_they_went_in_across_spills() {
        let folder = tempfile::tempdir().expect("folder");
        let staging = staging(folder.path());
        let mut staged = staging.file();
        let mut expected = Vec::new();
        for round in 0..40u8 {
            let piece = vec![round; 100_000];
            staged.out().extend_from_slice(&piece);
            expected.extend_from_slice(&piece);
            staged.settle();
        }
        assert_eq!(staged.len(), expected.len() as u64);
        assert!(staging.budget.used(Resource::Disk) > 0 && staging.budget.used(Resource::Memory) < 3 << 20);
        assert_eq!(bytes_of(&staged.payload().expect("payload")), expected);
        drop(staged);
        assert_eq!((staging.budget.used(Resource::Disk), staging.budget.used(Resource::Memory)), (0, 0));
    }

    #[test]
    fn a_small_file_never_touches_the_disk() {
        let folder = tempfile::tempdir().expect("folder");
        let staging = staging(folder.path());
        let mut staged = staging.file();
        staged.out().extend_from_slice(b"small");
        staged.settle();
        assert!(matches!(staged.payload().expect("payload"), Payload::Bytes(bytes) if &bytes[..] == b"small"));
    }

    #[test]
    fn a_failed_write_keeps_the_bytes_and_tells_the_budget() {
        let folder = tempfile::tempdir().expect("folder");
        let staging = staging(folder.path());
        let mut staged = staging.file();
        fs::remove_dir_all(&staging.folder).expect("removed");
        staged.out().resize(2 << 20, 7);
        staged.settle();
        assert!(staging.budget.disk_full());
        fs::create_dir(&staging.folder).expect("made again");
        staged.relieve();
        assert!(!staging.budget.disk_full());
        assert_eq!(bytes_of(&staged.payload().expect("payload")), vec![7; 2 << 20]);
    }

    #[test]
    fn a_file_that_the_disk_cannot_complete_comes_back_into_memory_and_makes_room() {
        let folder = tempfile::tempdir().expect("folder");
        let staging = staging(folder.path());
        let mut staged = staging.file();
        staged.out().resize(2 << 20, 1);
        staged.settle();
        staged.out().extend_from_slice(b"rest");
        let path = staged.spilled.as_ref().expect("spilled").path.clone();
        staged.unspill().expect("memory has room");
        assert!(!path.exists());
        assert_eq!(staging.budget.used(Resource::Disk), 0);
        let bytes = bytes_of(&staged.payload().expect("payload"));
        assert_eq!((bytes.len(), &bytes[2 << 20..]), ((2 << 20) + 4, b"rest".as_slice()));
    }

    #[test]
    fn a_disk_counts_as_full_no_longer_than_the_file_that_found_no_room() {
        let folder = tempfile::tempdir().expect("folder");
        let staging = staging(folder.path());
        let mut staged = staging.file();
        fs::remove_dir_all(&staging.folder).expect("removed");
        staged.out().resize(2 << 20, 7);
        staged.settle();
        // the uploads of another batch make room before this file is completed
        fs::create_dir(&staging.folder).expect("made again");
        assert_eq!(bytes_of(&staged.payload().expect("payload")).len(), 2 << 20);
        drop(staged);
        assert!(!staging.budget.disk_full());
    }

    #[test]
    fn folders_of_the_dead_are_swept_and_those_of_the_living_stay() {
        let folder = tempfile::tempdir().expect("folder");
        let dead = folder.path().join("secor-1-0");
        fs::create_dir(&dead).expect("made");
        fs::write(dead.join(LOCK_NAME), b"").expect("written");
        let living = staging(folder.path());
        let second = staging(folder.path());
        assert!(!dead.exists());
        assert!(living.folder.exists() && second.folder.exists() && living.folder != second.folder);
    }
}
