//! Where an SFU is to be had.

use std::fmt;

use reqwest::Url;

/// Longest address that is read, in bytes.
const MAX_ADDRESS: usize = 1024;

/// An SFU, by the address of the service that lets people in (`livekit_service_url`).
///
/// It may come from anybody's event: only that it is an HTTP address is certain. Whether the bridge goes there
/// is for [`Reach`](super::transport::Reach) to say.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Focus(String);

impl Focus {
    /// Reads an address; `None` for what is none, or carries more than host, port and path.
    pub fn parse(address: &str) -> Option<Self> {
        if address.len() > MAX_ADDRESS {
            return None;
        }
        let url = Url::parse(address).ok()?;
        let is_web = matches!(url.scheme(), "https" | "http") && url.has_host();
        let is_plain = url.username().is_empty() && url.password().is_none();
        let is_place = url.query().is_none() && url.fragment().is_none();
        let normal = url.as_str().trim_end_matches('/');
        (is_web && is_plain && is_place).then(|| Self(normal.to_owned()))
    }

    /// The address, without a slash at its end.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The address of one of the service's endpoints.
    pub(super) fn endpoint(&self, name: &str) -> Option<Url> {
        Url::parse(&format!("{}/{name}", self.0)).ok()
    }
}

impl fmt::Debug for Focus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_the_same_with_and_without_its_slash() {
        let focus = Focus::parse("https://sfu.example/livekit/jwt").expect("an address");
        assert_eq!(
            Focus::parse("HTTPS://SFU.example:443/livekit/jwt/"),
            Some(focus.clone())
        );
        let endpoint = focus.endpoint("sfu/get").expect("an address");
        assert_eq!(endpoint.as_str(), "https://sfu.example/livekit/jwt/sfu/get");
    }

    #[test]
    fn what_is_more_than_a_place_on_the_web_is_none() {
        for address in [
            "",
            "sfu.example",
            "wss://sfu.example",
            "file:///etc/passwd",
            "https://user:secret@sfu.example",
            "https://sfu.example/?a=1",
            "https://sfu.example/#a",
            &format!("https://sfu.example/{}", "a".repeat(MAX_ADDRESS)),
        ] {
            assert_eq!(Focus::parse(address), None, "{address}");
        }
    }
}
