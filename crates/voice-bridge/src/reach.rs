//! Where the bridge goes for whom.
//!
//! The addresses of SFUs come from events that anybody in a room can send. A bridge that followed them anywhere could
//! be sent to services inside its own network: it would tell a stranger which of them answer, and post to them.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// How far the bridge goes for an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// To any host, with TLS or without: the operator or his homeserver has named it.
    Anywhere,
    /// With TLS, and to hosts on the public Internet: somebody else has named it.
    Public,
}

/// Why an address is none that the bridge goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OutOfReach {
    /// It is not encrypted.
    #[error("it does not use TLS")]
    Plain,
    /// It is of a private network, or of the machine itself.
    #[error("it is in a private network")]
    Private,
    /// It is no address of such a service at all.
    #[error("it has another scheme")]
    Scheme,
}

impl Reach {
    /// Whether the bridge goes to this address, as far as that can be told before its host's name is looked up.
    pub fn check(self, url: &Url) -> Result<(), OutOfReach> {
        let encrypted = match url.scheme() {
            "https" | "wss" => true,
            "http" | "ws" => false,
            _ => return Err(OutOfReach::Scheme),
        };
        match self {
            Self::Anywhere => Ok(()),
            Self::Public if !encrypted => Err(OutOfReach::Plain),
            Self::Public => check_host(url),
        }
    }

    /// The addresses of a host that the bridge goes to. Connecting to one of these, and not to the name, keeps a name
    /// from pointing elsewhere the next time that it is looked up.
    pub async fn resolve(self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let found = tokio::net::lookup_host((host, port)).await?;
        let admitted: Vec<SocketAddr> = found.filter(|address| self.admits(address.ip())).collect();
        if admitted.is_empty() {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, OutOfReach::Private));
        }
        Ok(admitted)
    }

    fn admits(self, ip: IpAddr) -> bool {
        self == Self::Anywhere || is_public(ip)
    }
}

fn check_host(url: &Url) -> Result<(), OutOfReach> {
    let host = url.host_str().unwrap_or_default();
    let literal = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    let public = match literal {
        Ok(ip) => is_public(ip),
        Err(_) => !matches!(
            host.rsplit('.').next(),
            Some("localhost" | "local" | "internal" | "") | None
        ),
    };
    public.then_some(()).ok_or(OutOfReach::Private)
}

/// Looks names up for clients that must not leave the public Internet.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PublicNames;

impl Resolve for PublicNames {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let addresses = Reach::Public.resolve(name.as_str(), 0).await?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [first, second, third, _] = ip.octets();
    let special =
        ip.is_private() || ip.is_loopback() || ip.is_link_local() || ip.is_multicast() || ip.is_documentation();
    let shared = first == 100 && (64..128).contains(&second);
    let protocol = (first, second, third) == (192, 0, 0);
    let benchmark = first == 198 && (18..20).contains(&second);
    !(special || shared || protocol || benchmark || first == 0 || first >= 240)
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    if let Some(embedded) = embedded_v4(ip) {
        return is_public_v4(embedded);
    }
    let [first, second, ..] = ip.segments();
    // Only 2000::/3 is handed out; in it, documentation is not.
    first & 0xe000 == 0x2000 && (first, second) != (0x2001, 0x0db8)
}

/// The address behind one of the forms that carry traffic to IPv4.
fn embedded_v4(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Ipv4Addr::new(a, b, c, d)
    };
    match ip.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => {
            Some(v4(high, low))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(reach: Reach, address: &str) -> Result<(), OutOfReach> {
        reach.check(&Url::parse(address).expect("an address"))
    }

    #[test]
    fn strangers_send_the_bridge_to_the_public_internet_only() {
        for address in [
            "https://sfu.example/jwt",
            "wss://93.184.216.34",
            "https://[2606:4700::1]:8443",
        ] {
            assert_eq!(check(Reach::Public, address), Ok(()), "{address}");
        }
        for address in [
            "https://127.0.0.1/",
            "https://2130706433/",
            "https://0x7f.1/",
            "https://10.0.0.1",
            "https://172.16.0.1",
            "https://192.168.1.1",
            "https://169.254.169.254/latest/meta-data",
            "https://100.64.0.1",
            "https://0.0.0.0",
            "https://255.255.255.255",
            "https://[::1]",
            "https://[::]",
            "https://[fe80::1]",
            "https://[fd00::1]",
            "https://[::ffff:127.0.0.1]",
            "https://[64:ff9b::10.0.0.1]",
            "https://[2002:7f00:1::]",
            "https://localhost",
            "https://sfu.localhost:8443",
            "https://metadata.internal",
            "wss://printer.local",
            "https://localhost.",
        ] {
            assert_eq!(check(Reach::Public, address), Err(OutOfReach::Private), "{address}");
            assert_eq!(check(Reach::Anywhere, address), Ok(()), "{address}");
        }
    }

    #[test]
    fn strangers_send_nothing_in_clear() {
        for address in ["http://sfu.example", "ws://sfu.example"] {
            assert_eq!(check(Reach::Public, address), Err(OutOfReach::Plain));
            assert_eq!(check(Reach::Anywhere, address), Ok(()));
        }
        assert_eq!(check(Reach::Anywhere, "file:///etc/passwd"), Err(OutOfReach::Scheme));
    }

    #[tokio::test]
    async fn a_name_of_the_machine_itself_is_not_followed() {
        let refused = Reach::Public.resolve("localhost", 80).await.expect_err("an error");
        assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied);
        assert!(
            !Reach::Anywhere
                .resolve("127.0.0.1", 80)
                .await
                .expect("an address")
                .is_empty()
        );
    }
}
