//! The `[webrtc]` section of the configuration.

use std::net::{IpAddr, SocketAddr};

use serde::Deserialize;

/// Where browsers reach the bridge.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WebRtc {
    /// The UDP address on which the media of all calls arrives.
    pub listen: SocketAddr,
    /// The addresses that browsers are told; those of `listen` if empty. One for each address family suffices.
    pub advertise: Vec<IpAddr>,
}

impl Default for WebRtc {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 29500)),
            advertise: Vec::new(),
        }
    }
}

/// A `[webrtc]` section that cannot work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WebRtcConfigError {
    /// Browsers would not learn where to send.
    #[error("must be given, because `listen` is every address of the machine")]
    NothingToAdvertise,
    /// An advertised address that nobody can reach.
    #[error("{0} is no address that a browser can send to")]
    Unreachable(IpAddr),
}

impl WebRtc {
    /// The addresses that browsers are told, without the port; errors concern the key `advertise`.
    pub fn advertised(&self) -> Result<Vec<IpAddr>, WebRtcConfigError> {
        if let Some(&bad) = self.advertise.iter().find(|ip| !is_reachable(ip)) {
            return Err(WebRtcConfigError::Unreachable(bad));
        }
        match (self.advertise.is_empty(), self.listen.ip()) {
            (false, _) => Ok(self.advertise.clone()),
            (true, ip) if ip.is_unspecified() => Err(WebRtcConfigError::NothingToAdvertise),
            (true, ip) => Ok(vec![ip]),
        }
    }
}

fn is_reachable(ip: &IpAddr) -> bool {
    !ip.is_unspecified() && !ip.is_multicast()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(listen: &str, advertise: &[&str]) -> WebRtc {
        WebRtc {
            listen: listen.parse().expect("address"),
            advertise: advertise.iter().map(|ip| ip.parse().expect("ip")).collect(),
        }
    }

    #[test]
    fn the_listen_address_is_advertised_unless_others_are_named() {
        let local: IpAddr = "127.0.0.1".parse().expect("ip");
        let public: IpAddr = "198.51.100.7".parse().expect("ip");
        assert_eq!(config("127.0.0.1:1", &[]).advertised(), Ok(vec![local]));
        assert_eq!(config("0.0.0.0:1", &["198.51.100.7"]).advertised(), Ok(vec![public]));
    }

    #[test]
    fn addresses_that_cannot_work_are_errors() {
        assert_eq!(
            config("0.0.0.0:1", &[]).advertised(),
            Err(WebRtcConfigError::NothingToAdvertise)
        );
        assert!(matches!(
            config("127.0.0.1:1", &["0.0.0.0"]).advertised(),
            Err(WebRtcConfigError::Unreachable(_))
        ));
        assert!(matches!(
            config("127.0.0.1:1", &["224.0.0.1"]).advertised(),
            Err(WebRtcConfigError::Unreachable(_))
        ));
    }
}
