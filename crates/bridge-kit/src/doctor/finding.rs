//! What the doctor has to say: one line each.

use std::fmt;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grade {
    /// It works.
    Fine,
    /// It could not be tried, or may be meant so.
    Note,
    /// It does not work.
    Fault,
}

/// One thing that was looked at, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub grade: Grade,
    /// What was found. Where a key of the configuration has to do with it, it begins with that.
    pub what: String,
    /// What to do; empty where nothing has to be done.
    pub advice: String,
}

impl Finding {
    /// Something that works.
    pub fn fine(what: impl Into<String>) -> Self {
        Self::new(Grade::Fine, what, "")
    }

    /// Something that could not be tried, or may be meant so.
    pub fn note(what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self::new(Grade::Note, what, advice)
    }

    /// Something that does not work.
    pub fn fault(what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self::new(Grade::Fault, what, advice)
    }

    fn new(grade: Grade, what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            grade,
            what: what.into(),
            advice: advice.into(),
        }
    }

    /// Whether it does not work.
    pub fn is_fault(&self) -> bool {
        self.grade == Grade::Fault
    }
}

impl fmt::Display for Finding {
    /// One line, whatever servers have put into their answers.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let grade = match self.grade {
            Grade::Fine => "ok",
            Grade::Note => "note",
            Grade::Fault => "fault",
        };
        write!(f, "{grade}: {}", on_one_line(&self.what))?;
        if !self.advice.is_empty() {
            write!(f, "; {}", on_one_line(&self.advice))?;
        }
        Ok(())
    }
}

fn on_one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_one_line_with_what_to_do() {
        let fault = Finding::fault("homeserver.url: it says\n\u{1b}[2Jnothing", "ask it");
        assert_eq!(fault.to_string(), "fault: homeserver.url: it says  [2Jnothing; ask it");
        assert_eq!(Finding::fine("all is well").to_string(), "ok: all is well");
        assert!(fault.is_fault() && !Finding::note("a", "b").is_fault());
    }
}
