//! Words, numbers, literals and signs of an IDL.

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Word(String),
    Integer(i64),
    /// A number with a fraction or an exponent: only ever skipped.
    Double,
    Literal(String),
    Sign(char),
}

pub(super) struct Tokens<'t> {
    text: &'t str,
    at: usize,
}

// === impl Tokens ===

impl<'t> Tokens<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, at: 0 }
    }

    pub(super) fn error(&self, what: &str) -> String {
        let line = self.text[..self.at].matches('\n').count() + 1;
        format!("line {line}: {what}")
    }

    /// The next token, which stays.
    pub(super) fn peek(&mut self) -> Result<Option<Token>, String> {
        let at = self.at;
        let token = self.take_token()?;
        self.at = at;
        Ok(token)
    }

    pub(super) fn next(&mut self) -> Result<Token, String> {
        self.take_token()?.ok_or_else(|| self.error("an early end"))
    }

    pub(super) fn word(&mut self) -> Result<String, String> {
        self.word_or_end()?.ok_or_else(|| self.error("an early end"))
    }

    pub(super) fn word_or_end(&mut self) -> Result<Option<String>, String> {
        match self.take_token()? {
            None => Ok(None),
            Some(Token::Word(word)) => Ok(Some(word)),
            Some(other) => Err(self.error(&format!("expected a name, found {other}"))),
        }
    }

    pub(super) fn literal(&mut self) -> Result<String, String> {
        match self.next()? {
            Token::Literal(text) => Ok(text),
            other => Err(self.error(&format!("expected a text in quotes, found {other}"))),
        }
    }

    pub(super) fn integer(&mut self) -> Result<i64, String> {
        match self.next()? {
            Token::Integer(number) => Ok(number),
            other => Err(self.error(&format!("expected a number, found {other}"))),
        }
    }

    pub(super) fn expect(&mut self, sign: char) -> Result<(), String> {
        match self.next()? {
            Token::Sign(found) if found == sign => Ok(()),
            other => Err(self.error(&format!("expected `{sign}`, found {other}"))),
        }
    }

    pub(super) fn next_is(&mut self, sign: char) -> bool {
        // at the end, and at what is no token, the caller goes on and meets the error
        self.peek().is_ok_and(|token| token.is_none_or(|token| token == Token::Sign(sign)))
    }

    pub(super) fn next_is_word(&mut self, word: &str) -> bool {
        self.peek().is_ok_and(|token| token == Some(Token::Word(word.to_owned())))
    }

    /// Takes the sign if it is next.
    pub(super) fn take(&mut self, sign: char) -> bool {
        let is_next = self.peek().is_ok_and(|token| token == Some(Token::Sign(sign)));
        if is_next {
            // it was read without an error
            drop(self.take_token());
        }
        is_next
    }

    pub(super) fn skip_separator(&mut self) {
        if !self.take(',') {
            self.take(';');
        }
    }

    /// `(name = "value", ...)`
    pub(super) fn skip_annotations(&mut self) -> Result<(), String> {
        if self.peek()? == Some(Token::Sign('(')) { self.skip_value() } else { Ok(()) }
    }

    /// A single token, or everything between two brackets.
    pub(super) fn skip_value(&mut self) -> Result<(), String> {
        let mut open = 0_u32;
        loop {
            match self.next()? {
                Token::Sign('(' | '[' | '{') => open += 1,
                Token::Sign(')' | ']' | '}') => match open.checked_sub(1) {
                    Some(rest) => open = rest,
                    None => return Err(self.error("a bracket that was not opened")),
                },
                _ => {}
            }
            if open == 0 {
                return Ok(());
            }
        }
    }

    fn take_token(&mut self) -> Result<Option<Token>, String> {
        self.skip_space()?;
        let rest = &self.text[self.at..];
        let Some(first) = rest.chars().next() else { return Ok(None) };
        let run = |is: fn(char) -> bool| &rest[..rest.find(|c| !is(c)).unwrap_or(rest.len())];
        let (token, len) = match first {
            'a'..='z' | 'A'..='Z' | '_' => {
                let word = run(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'));
                (Token::Word(word.to_owned()), word.len())
            }
            '0'..='9' | '+' | '-' | '.' => {
                let number = run(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
                (self.number(number)?, number.len())
            }
            '"' | '\'' => {
                let end = rest[1..].find(first).ok_or_else(|| self.error("a text in quotes without an end"))?;
                (Token::Literal(rest[1..=end].to_owned()), end + 2)
            }
            '{' | '}' | '(' | ')' | '[' | ']' | '<' | '>' | ',' | ';' | ':' | '=' | '*' | '&' => {
                (Token::Sign(first), 1)
            }
            other => return Err(self.error(&format!("`{other}` is nothing of the language"))),
        };
        self.at += len;
        Ok(Some(token))
    }

    fn number(&self, text: &str) -> Result<Token, String> {
        let (sign, digits) = match text.strip_prefix('-') {
            Some(digits) => (-1, digits),
            None => (1, text.strip_prefix('+').unwrap_or(text)),
        };
        let whole = match digits.strip_prefix("0x") {
            Some(digits) => i64::from_str_radix(digits, 16),
            None => digits.parse(),
        };
        match whole {
            Ok(number) => Ok(Token::Integer(sign * number)),
            Err(_) if text.parse::<f64>().is_ok() => Ok(Token::Double),
            Err(_) => Err(self.error(&format!("`{text}` is no number"))),
        }
    }

    /// White space and comments.
    fn skip_space(&mut self) -> Result<(), String> {
        loop {
            let rest = &self.text[self.at..];
            let trimmed = rest.trim_start();
            self.at += rest.len() - trimmed.len();
            if trimmed.starts_with("//") || trimmed.starts_with('#') {
                self.at += trimmed.find('\n').unwrap_or(trimmed.len());
            } else if let Some(comment) = trimmed.strip_prefix("/*") {
                let end = comment.find("*/").ok_or_else(|| self.error("a comment without an end"))?;
                self.at += end + 4;
            } else {
                return Ok(());
            }
        }
    }
}

// === impl Token ===

impl std::fmt::Display for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Word(word) => write!(f, "`{word}`"),
            Self::Integer(number) => write!(f, "`{number}`"),
            Self::Double => f.write_str("a number with a fraction"),
            Self::Literal(text) => write!(f, "`\"{text}\"`"),
            Self::Sign(sign) => write!(f, "`{sign}`"),
        }
    }
}
