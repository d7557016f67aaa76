//! The configuration: any text is a configuration that can be run, or gives mistakes that each say where and what; and
//! nothing that came from the environment is shown in them.

use std::io;
use std::path::Path;

use secor_format::Pipeline;

use crate::config::{Config, Environment};

/// Longer texts are slow, and no different.
const TEXT_BYTES_MAX: usize = 8_192;
const SECRET: &str = "hush-hush-7261";

pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if text.len() > TEXT_BYTES_MAX {
        return;
    }
    match Config::parse(Path::new("secor.toml"), text, &Fixed) {
        Ok(config) => {
            assert!(!config.archives.is_empty());
            for archive in &config.archives {
                assert!(Pipeline::new(&archive.shape).is_ok(), "what was accepted can be run");
            }
        }
        Err(errors) => {
            assert!(!errors.mistakes.is_empty());
            for mistake in &errors.mistakes {
                let position = mistake.position.expect("every mistake in a text has its place");
                assert!((1..=text.split('\n').count()).contains(&position.line), "{mistake:?}");
                assert!(position.column >= 1 && !mistake.what.is_empty(), "{mistake:?}");
            }
            assert!(errors.mistakes.is_sorted_by_key(|mistake| mistake.position));
            assert!(text.contains(SECRET) || !errors.to_string().contains(SECRET), "{errors}");
        }
    }
}

struct Fixed;

impl Environment for Fixed {
    fn variable(&self, name: &str) -> Option<String> {
        (name == "PASSWORD").then(|| SECRET.to_owned())
    }

    fn file(&self, path: &Path) -> io::Result<String> {
        match path.to_str() {
            Some("/run/secret") => Ok(format!("{SECRET}\n")),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn bytes(&self, _path: &Path) -> io::Result<Vec<u8>> {
        Err(io::ErrorKind::NotFound.into())
    }
}
