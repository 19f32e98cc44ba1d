//! One typed tree of settings: a TOML file, then the environment.
//!
//! Every key lives in a section. Keys that nobody knows are errors that name the key, secrets may come from
//! files, and nothing secret is ever printed. `docs/configuration.md` lists every key.

mod appservice;
pub mod duration;
mod error;
mod example;
mod homeserver;
mod links;
mod media;
mod pattern;
mod peer;
mod reader;
mod secret;
mod telemetry;
mod vdp;

use std::path::Path;

pub use self::appservice::{Appservice, Registration, TokenOrigin};
pub use self::error::ConfigError;
pub use self::example::example;
pub use self::homeserver::Homeserver;
pub use self::links::{Links, RoomTarget};
pub use self::media::Media;
pub use self::pattern::Pattern;
pub use self::peer::Peer;
pub use self::reader::Reader;
pub use self::secret::{Secret, SecretSource};
pub use self::telemetry::{LogFormat, Telemetry};
pub use self::vdp::Vdp;
pub use crate::program::{Program, Role};

/// The sections that only one of the programs has.
pub trait Sections: Sized + Send + Sync + 'static {
    /// Names of the top-level tables that belong to the program.
    const NAMES: &'static [&'static str];

    /// These tables as annotated TOML, for `--generate-config`.
    const EXAMPLE: &'static str;

    /// Reads and checks them.
    fn read(reader: &Reader) -> Result<Self, ConfigError>;
}

/// No sections of its own: for tools and tests that need the shared ones only.
impl Sections for () {
    const NAMES: &'static [&'static str] = &[];
    const EXAMPLE: &'static str = "";

    fn read(_: &Reader) -> Result<Self, ConfigError> {
        Ok(())
    }
}

/// All settings of a program; `S` holds the sections that are its own.
#[derive(Debug, Clone)]
pub struct Config<S> {
    /// `[homeserver]`
    pub homeserver: Homeserver,
    /// `[appservice]`
    pub appservice: Appservice,
    /// `[peer]`
    pub peer: Peer,
    /// `[links]`
    pub links: Links,
    /// `[vdp]`
    pub vdp: Vdp,
    /// `[media]`
    pub media: Media,
    /// `[telemetry]`
    pub telemetry: Telemetry,
    /// The program's own sections.
    pub own: S,
}

impl<S: Sections> Config<S> {
    /// Loads the settings from `file`, if one is given, and from the environment, which wins.
    pub fn load(program: &Program, file: Option<&Path>) -> Result<Self, ConfigError> {
        Self::read(&Reader::open::<S>(program, file)?)
    }

    /// Reads the settings from sources that are open already.
    pub fn read(reader: &Reader) -> Result<Self, ConfigError> {
        let homeserver = Homeserver::read(reader)?;
        Ok(Self {
            appservice: Appservice::read(reader, &homeserver)?,
            peer: Peer::read(reader, &homeserver)?,
            links: Links::read(reader, &homeserver)?,
            vdp: Vdp::read(reader)?,
            media: reader.section("media")?,
            telemetry: Telemetry::read(reader)?,
            own: S::read(reader)?,
            homeserver,
        })
    }
}
