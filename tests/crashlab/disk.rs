//! A local disk that is full: a small file system over a staging folder, and a file that takes what is left of it.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A file system of its own, gone when this is dropped.
pub struct SmallDisk(PathBuf);

// === impl SmallDisk ===

impl SmallDisk {
    /// `None` without the right to mount.
    pub fn mount(at: &Path) -> Option<Self> {
        fs::create_dir_all(at).expect("the folder is ours");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=8m", "tmpfs"]).arg(at).output();
        mounted.is_ok_and(|output| output.status.success()).then(|| Self(at.to_owned()))
    }

    /// Takes all room that is left.
    pub fn fill(&self) {
        let mut file = fs::File::create(self.ballast()).expect("the folder is ours");
        while file.write_all(&[0; 4096]).is_ok() {}
    }

    /// Gives it back.
    pub fn free(&self) {
        fs::remove_file(self.ballast()).expect("it was filled");
    }

    fn ballast(&self) -> PathBuf {
        self.0.join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // what cannot be unmounted now is unmounted when the last process has left it
        drop(Command::new("umount").arg("--lazy").arg(&self.0).output());
    }
}
