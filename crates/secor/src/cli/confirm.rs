//! Asks a person before something is done that can't be undone, or costs.

use std::io::{self, BufRead, IsTerminal, Write};

use super::errors::{Class, CliError};

/// What is asked, and what is said when nobody agrees.
#[derive(Clone, Copy, Debug)]
pub(super) struct Question {
    /// Ends with a question mark.
    pub text: &'static str,
    /// Said where there is no terminal.
    pub unasked: &'static str,
    /// Said after any answer but yes.
    pub declined: &'static str,
    pub hint: &'static str,
    /// Of the error when nobody agrees.
    pub class: Class,
}

/// # Errors
/// When there is nobody to answer, or the answer is not yes.
pub(super) fn confirm(question: &Question, out: &mut dyn Write) -> Result<(), CliError> {
    let no = |what: &str| Err(CliError::new(question.class, what).with_hint(question.hint));
    if !io::stdin().is_terminal() {
        return no(question.unasked);
    }
    write!(out, "{} [y/N] ", question.text)?;
    out.flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    if answer.trim().eq_ignore_ascii_case("y") { Ok(()) } else { no(question.declined) }
}
