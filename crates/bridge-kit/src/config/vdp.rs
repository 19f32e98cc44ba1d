//! `[vdp]`

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Deserializer, de};

use super::{ConfigError, Program, Reader, Secret, SecretSource, duration};

/// The UDP end of VDP.
#[derive(Debug, Clone)]
pub struct Vdp {
    /// The port that channels share.
    pub listen: SocketAddr,
    /// The address that the other bridge is told to send to.
    pub advertise: IpAddr,
    /// How long a room may send nothing before a keep-alive is sent.
    pub keep_alive: Duration,
    /// How long nothing may be heard of a room before its channel counts as broken.
    pub broken_after: Duration,
    /// How long a channel that broke may take until it carries packets again; then it is given up.
    pub give_up_after: Duration,
    /// Ports for channels that need one of their own; any free port where there is none.
    pub port_range: Option<RangeInclusive<u16>>,
    /// Whether voice may go over the network in clear, to a peer that knows only the plain form.
    pub plain_form: bool,
    /// What both bridges were given, so that not even the homeserver can make their keys.
    pub shared_secret: Option<Secret>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    listen: Option<SocketAddr>,
    advertise: Option<IpAddr>,
    #[serde(default = "default_keep_alive", with = "duration")]
    keep_alive: Duration,
    #[serde(default = "default_broken_after", with = "duration")]
    broken_after: Duration,
    #[serde(default = "default_give_up_after", with = "duration")]
    give_up_after: Duration,
    #[serde(default, deserialize_with = "port_range")]
    port_range: Option<RangeInclusive<u16>>,
    #[serde(default)]
    plain_form: bool,
    shared_secret: Option<Secret>,
    shared_secret_file: Option<PathBuf>,
}

impl Vdp {
    /// The default settings on a loopback port; 0 takes any free one.
    pub fn loopback(port: u16) -> Self {
        let listen = Program::loopback(port);
        Self {
            listen,
            advertise: listen.ip(),
            keep_alive: default_keep_alive(),
            broken_after: default_broken_after(),
            give_up_after: default_give_up_after(),
            port_range: None,
            plain_form: false,
            shared_secret: None,
        }
    }

    pub(super) fn read(reader: &Reader) -> Result<Self, ConfigError> {
        let Raw {
            listen,
            advertise,
            keep_alive,
            broken_after,
            give_up_after,
            port_range,
            plain_form,
            shared_secret,
            shared_secret_file,
        } = reader.section("vdp")?;
        let listen = listen.unwrap_or_else(|| Program::loopback(reader.program().vdp_port));
        let advertise = advertise.unwrap_or(listen.ip());
        if advertise.is_unspecified() {
            return Err(ConfigError::invalid(
                "vdp.advertise",
                "missing; with this listen address, say which address the other bridge sends to",
            ));
        }
        if keep_alive.is_zero() {
            return Err(ConfigError::invalid(
                "vdp.keep_alive",
                "must be more than nothing, such as \"2s\"",
            ));
        }
        if broken_after <= keep_alive {
            return Err(ConfigError::invalid(
                "vdp.broken_after",
                "must be longer than vdp.keep_alive, or every silence breaks the channel",
            ));
        }
        if give_up_after <= broken_after {
            return Err(ConfigError::invalid(
                "vdp.give_up_after",
                "must be longer than vdp.broken_after, or a channel is given up before it is known to be broken again",
            ));
        }
        let shared_secret = SecretSource::new("vdp.shared_secret", &shared_secret, &shared_secret_file);
        Ok(Self {
            listen,
            advertise,
            keep_alive,
            broken_after,
            give_up_after,
            port_range,
            plain_form,
            shared_secret: (!shared_secret.is_absent()).then(|| shared_secret.read()).transpose()?,
        })
    }
}

fn default_keep_alive() -> Duration {
    Duration::from_secs(2)
}

fn default_broken_after() -> Duration {
    Duration::from_secs(6)
}

fn default_give_up_after() -> Duration {
    Duration::from_mins(1)
}

fn port_range<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<RangeInclusive<u16>>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let parse = || {
        let (low, high) = text.split_once('-')?;
        let (low, high): (u16, u16) = (low.trim().parse().ok()?, high.trim().parse().ok()?);
        (low > 0 && low <= high).then_some(low..=high)
    };
    parse()
        .map(Some)
        .ok_or_else(|| de::Error::custom(format!("`{text}` is no range of ports; write it as \"29410-29499\"")))
}
