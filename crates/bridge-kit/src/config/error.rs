//! What is wrong with a configuration, in one line that names the key.

use std::fmt::Display;

use figment::error::Kind;

/// A mistake in the configuration. Its text is one line: the key, what is wrong, where, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {problem}")]
pub struct ConfigError {
    key: String,
    problem: String,
}

impl ConfigError {
    /// Creates an error about `key` (`section.name`). Say in `problem` what to do about it.
    pub fn invalid(key: impl Into<String>, problem: impl Display) -> Self {
        Self {
            key: key.into(),
            problem: one_line(&problem.to_string()),
        }
    }

    /// The key (`section.name`) that is wrong, or the flag that led to it.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Turns an error of figment's about a section into ours.
    pub(super) fn from_figment(section: &str, error: &figment::Error) -> Self {
        // figment puts the section behind the path within it.
        let inner = match error.path.split_last() {
            Some((last, inner)) if last == section => inner,
            _ => &error.path,
        };
        let mut path = [&[section.to_owned()], inner].concat();
        let problem = match &error.kind {
            Kind::UnknownField(field, known) => {
                extend(&mut path, field);
                format!("unknown key; this section knows {}", list(known))
            }
            Kind::MissingField(field) => {
                extend(&mut path, field);
                "missing; it must be set".to_owned()
            }
            Kind::InvalidType(found, expected) | Kind::InvalidValue(found, expected) => {
                format!("found {found}, expected {expected}")
            }
            Kind::UnknownVariant(found, known) => format!("`{found}` is none of {}", list(known)),
            other => other.to_string(),
        };
        Self::invalid(path.join("."), format!("{problem}{}", place(error)))
    }
}

/// Some of figment's errors name the key in the path, others only in the kind.
fn extend(path: &mut Vec<String>, field: &str) {
    if path.last().is_none_or(|last| last != field) {
        path.push(field.to_owned());
    }
}

fn list(names: &[&str]) -> String {
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}

fn place(error: &figment::Error) -> String {
    match &error.metadata {
        Some(metadata) => match &metadata.source {
            // As it was given; figment would show it relative to the folder that the program runs in.
            Some(figment::Source::File(path)) => format!(" (in {})", path.display()),
            Some(source) => format!(" (in {source})"),
            None => format!(" (in {})", metadata.name),
        },
        None => String::new(),
    }
}

fn one_line(text: &str) -> String {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}
