//! Gathers the settings from their sources and hands out sections.

use std::collections::BTreeMap;
use std::path::Path;

use figment::providers::{Env, Serialized};
use figment::value::{Dict, Map};
use figment::{Figment, Metadata, Profile, Provider, Source};
use serde::de::DeserializeOwned;

use super::{ConfigError, Program, Sections};

const SHARED: [&str; 7] = ["homeserver", "appservice", "peer", "links", "vdp", "media", "telemetry"];

/// The settings of a program before they are typed.
#[derive(Debug)]
pub struct Reader {
    figment: Figment,
    program: Program,
}

impl Reader {
    /// Opens the sources: `file`, if one is given, and the environment over it.
    pub fn open<S: Sections>(program: &Program, file: Option<&Path>) -> Result<Self, ConfigError> {
        let mut figment = Figment::new();
        if let Some(path) = file {
            figment = figment.merge(TomlFile::open(path)?);
        }
        Self::new::<S>(program, figment.merge(environment(program)))
    }

    /// Reads the settings from a text in TOML alone.
    pub fn from_toml<S: Sections>(program: &Program, text: &str) -> Result<Self, ConfigError> {
        let file = TomlFile::parse(Path::new("settings.toml"), text)?;
        Self::new::<S>(program, Figment::from(file))
    }

    fn new<S: Sections>(program: &Program, figment: Figment) -> Result<Self, ConfigError> {
        let reader = Self {
            figment: with_all_sections::<S>(figment),
            program: *program,
        };
        reader.refuse_unknown_sections::<S>()?;
        Ok(reader)
    }

    /// The program whose settings these are.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// Reads one top-level table. A table that is not there is read as an empty one.
    pub fn section<T: DeserializeOwned>(&self, name: &str) -> Result<T, ConfigError> {
        self.figment
            .extract_inner(name)
            .map_err(|error| ConfigError::from_figment(name, &error))
    }

    fn refuse_unknown_sections<S: Sections>(&self) -> Result<(), ConfigError> {
        let all: BTreeMap<String, figment::value::Value> = self
            .figment
            .extract()
            .map_err(|error| ConfigError::from_figment("configuration", &error))?;
        let known = |name: &str| SHARED.contains(&name) || S::NAMES.contains(&name);
        match all.into_keys().find(|name| !known(name)) {
            None => Ok(()),
            Some(name) => {
                let sections = [&SHARED, S::NAMES].concat().join("], [");
                Err(ConfigError::invalid(
                    name,
                    format!("unknown section; there are [{sections}]"),
                ))
            }
        }
    }
}

/// An absent table is an empty one: its required keys are then missed by name, and its defaults hold.
fn with_all_sections<S: Sections>(figment: Figment) -> Figment {
    SHARED.iter().chain(S::NAMES).fold(figment, |figment, name| {
        figment.join(Serialized::default(name, BTreeMap::<String, String>::new()))
    })
}

/// Only names with a `__` are taken for keys: each key lives in a section, and orchestrators set variables such
/// as `VOICE_BRIDGE_PORT` by themselves for a service of that name.
fn environment(program: &Program) -> Env {
    Env::prefixed(&program.env_prefix())
        .filter(|name| name.as_str().contains("__"))
        .split("__")
}

/// A TOML file as a source that knows its own name.
struct TomlFile {
    source: Source,
    table: toml::Table,
}

impl TomlFile {
    fn open(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| ConfigError::invalid("--config", format!("cannot read {}: {error}", path.display())))?;
        Self::parse(path, &text)
    }

    fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let table = text.parse().map_err(|error: toml::de::Error| {
            let line = error.span().map_or(1, |span| {
                1 + text.bytes().take(span.start).filter(|b| *b == b'\n').count()
            });
            ConfigError::invalid(format!("{} line {line}", path.display()), error.message())
        })?;
        Ok(Self {
            source: Source::File(path.to_owned()),
            table,
        })
    }
}

impl Provider for TomlFile {
    fn metadata(&self) -> Metadata {
        Metadata::from("the configuration file", self.source.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Serialized::defaults(&self.table).data()
    }
}
