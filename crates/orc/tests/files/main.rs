//! Whole files: they come back through other people's readers, and their bytes stay.

mod golden;
mod interop;
mod roundtrip;
mod values;

/// A variable of the environment of the test.
#[expect(clippy::disallowed_methods, reason = "the tests may be told where readers are, and to write a golden file")]
fn environment(name: &str) -> Option<std::ffi::OsString> {
    std::env::var_os(name)
}
