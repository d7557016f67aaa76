//! The binary under test: a folder with its configuration, and its processes.

use std::cell::Cell;
use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::eventually;
use super::server::send;

/// A configuration in a folder of its own, and the commands that run with it.
pub struct Secor {
    folder: tempfile::TempDir,
    environment: Vec<(OsString, OsString)>,
    started: Cell<usize>,
}

/// A running `secor`. It is killed when this is dropped, when the thread that started it ends, or the test process.
pub struct Process {
    child: Child,
    name: String,
    out: PathBuf,
    err: PathBuf,
}

/// How a `secor` ended and what it said.
#[derive(Clone, Debug)]
pub struct Finished {
    /// The exit code, or 128 plus the number of the signal that ended it.
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

// === impl Secor ===

impl Secor {
    /// A new folder with the configuration that `config` writes; it gets the folder to put staging and files into.
    pub fn new(config: impl FnOnce(&Path) -> String) -> Self {
        let folder = tempfile::Builder::new().prefix("secor-test-").tempdir().expect("a temporary folder");
        let secor = Self { environment: Vec::new(), started: Cell::new(0), folder };
        secor.configure(&config(secor.folder()));
        secor
    }

    /// Replaces the configuration for the processes started from now on.
    pub fn configure(&self, config: &str) {
        fs::write(self.config_file(), config).expect("the folder is ours");
    }

    /// Sets an environment variable for the processes started from now on.
    pub fn set_env(&mut self, name: &str, value: &str) {
        self.environment.retain(|(known, _)| known != name);
        self.environment.push((name.into(), value.into()));
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn config_file(&self) -> PathBuf {
        self.folder().join("secor.toml")
    }

    /// Starts `secor ARGUMENTS...`; the configuration is named by `SECOR_CONFIG`.
    pub fn start(&self, arguments: &[&str]) -> Process {
        let number = self.started.replace(self.started.get() + 1);
        let out = self.folder().join(format!("{number}.out"));
        let err = self.folder().join(format!("{number}.err"));
        let mut command = Command::new(binary());
        command
            .args(arguments)
            .current_dir(self.folder())
            .env("SECOR_CONFIG", self.config_file())
            .env("NO_COLOR", "1")
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(File::create(&out).expect("the folder is ours"))
            .stderr(File::create(&err).expect("the folder is ours"));
        // SAFETY: prctl is async-signal-safe; it takes two numbers and touches no memory of this process.
        unsafe {
            command.pre_exec(|| match libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) {
                0 => Ok(()),
                _ => Err(std::io::Error::last_os_error()),
            });
        }
        let child = command.spawn().expect("cargo has built the binary");
        Process { child, name: format!("secor {}", arguments.join(" ")), out, err }
    }

    /// Runs `secor ARGUMENTS...` to its end, which must come within a minute.
    #[track_caller]
    pub fn run(&self, arguments: &[&str]) -> Finished {
        self.run_within(Duration::from_secs(60), arguments)
    }

    /// Runs `secor ARGUMENTS...` to its end, which must come within `patience`.
    #[track_caller]
    pub fn run_within(&self, patience: Duration, arguments: &[&str]) -> Finished {
        self.start(arguments).wait(patience)
    }
}

// === impl Process ===

impl Process {
    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).expect("process ids are small")
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("it is our child").is_none()
    }

    /// Asks it to leave (SIGTERM).
    pub fn term(&mut self) {
        self.signal(libc::SIGTERM);
    }

    /// Ends it as a crash would (SIGKILL), and waits until it is gone.
    pub fn kill(&mut self) {
        self.signal(libc::SIGKILL);
        self.child.wait().expect("it is our child");
    }

    /// Lets it hang (SIGSTOP), as a long pause of the machine does.
    pub fn stop(&mut self) {
        self.signal(libc::SIGSTOP);
    }

    /// Lets it go on after [`Process::stop`].
    pub fn cont(&mut self) {
        self.signal(libc::SIGCONT);
    }

    /// Sends any signal; nothing happens when the process has ended.
    pub fn signal(&mut self, signal: i32) {
        if self.is_running() {
            send(self.pid(), signal);
        }
    }

    /// What it printed so far.
    pub fn stdout(&self) -> String {
        read(&self.out)
    }

    /// What it logged so far.
    pub fn stderr(&self) -> String {
        read(&self.err)
    }

    /// Where it logs to.
    pub fn stderr_file(&self) -> PathBuf {
        self.err.clone()
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it still runs after `patience`, with what it logged.
    #[track_caller]
    pub fn wait(mut self, patience: Duration) -> Finished {
        let (name, err) = (self.name.clone(), self.err.clone());
        let waited = std::time::Instant::now();
        let status = eventually(patience + Duration::from_secs(1), &name, || {
            let status = self.child.try_wait().expect("it is our child");
            assert!(status.is_some() || waited.elapsed() < patience, "`{name}` still runs:\n{}", read(&err));
            status
        });
        let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).expect("a code or a signal");
        Finished { code, stdout: self.stdout(), stderr: self.stderr() }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.cont();
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

// === impl Finished ===

impl Finished {
    /// # Panics
    /// When the exit code is another, with what it said.
    #[track_caller]
    pub fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code, code, "exit code\n--- stdout\n{}\n--- stderr\n{}", self.stdout, self.stderr);
        self
    }
}

/// What cargo has built for the test, or what `SECOR_BINARY` names: a release build, or a copy that later builds leave
/// alone.
fn binary() -> OsString {
    std::env::var_os("SECOR_BINARY").unwrap_or_else(|| env!("CARGO_BIN_EXE_secor").into())
}

fn read(path: &Path) -> String {
    fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}
