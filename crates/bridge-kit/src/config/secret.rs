//! Secrets: given inline or by a file, never printed.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer};

use super::ConfigError;

/// A text that must not appear in logs, errors or dumps.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself; for the place that needs it, never for output.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SecretVisitor)
    }
}

/// Refuses everything that is no text in words of its own: serde's would quote the value.
struct SecretVisitor;

const NOT_TEXT: &str = "a secret must be a text; put it in quotes";

impl Visitor<'_> for SecretVisitor {
    type Value = Secret;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text in quotes")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Secret, E> {
        Ok(Secret::new(text))
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<Secret, E> {
        Err(E::custom(NOT_TEXT))
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<Secret, E> {
        Err(E::custom(NOT_TEXT))
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<Secret, E> {
        Err(E::custom(NOT_TEXT))
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<Secret, E> {
        Err(E::custom(NOT_TEXT))
    }
}

/// Where a secret comes from: the key `X`, or the file named by `X_file`.
#[derive(Debug)]
pub struct SecretSource<'a> {
    key: &'a str,
    inline: Option<&'a Secret>,
    file: Option<&'a Path>,
}

impl<'a> SecretSource<'a> {
    /// Describes the secret of `key` (`section.name`) by the values of its two keys.
    pub fn new(key: &'a str, inline: impl Into<Option<&'a Secret>>, file: impl Into<Option<&'a PathBuf>>) -> Self {
        Self {
            key,
            inline: inline.into(),
            file: file.into().map(PathBuf::as_path),
        }
    }

    /// The key (`section.name`) of the inline form.
    pub(super) fn key(&self) -> &'a str {
        self.key
    }

    /// Whether neither of the two keys is set.
    pub fn is_absent(&self) -> bool {
        self.inline.is_none() && self.file.is_none()
    }

    /// The file, where the secret is to come from one that does not exist yet.
    pub(super) fn missing_file(&self) -> Option<&'a Path> {
        self.file.filter(|path| self.inline.is_none() && !path.exists())
    }

    /// Reads the secret. White space at its end is cut off.
    ///
    /// # Errors
    /// Exactly one of the two keys must be set, the file readable, the secret not empty.
    pub fn read(&self) -> Result<Secret, ConfigError> {
        let (key, text) = match (self.inline, self.file) {
            (Some(_), Some(_)) => return Err(self.invalid(format!("set either this or {}_file, not both", self.key))),
            (None, None) => {
                return Err(self.invalid(format!("missing; set it, or {}_file to a file that holds it", self.key)));
            }
            (Some(secret), None) => (self.key.to_owned(), secret.expose().to_owned()),
            (None, Some(path)) => (format!("{}_file", self.key), self.read_file(path)?),
        };
        match text.trim_end() {
            "" => Err(ConfigError::invalid(key, "empty; a secret is needed")),
            text => Ok(Secret::new(text)),
        }
    }

    fn read_file(&self, path: &Path) -> Result<String, ConfigError> {
        std::fs::read_to_string(path).map_err(|error| {
            ConfigError::invalid(
                format!("{}_file", self.key),
                format!("cannot read {}: {error}", path.display()),
            )
        })
    }

    fn invalid(&self, problem: String) -> ConfigError {
        ConfigError::invalid(self.key, problem)
    }
}
