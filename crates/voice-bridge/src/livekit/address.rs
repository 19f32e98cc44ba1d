//! Where the signal connection of a server is.

use url::Url;

/// The version of the signalling that is spoken: with reasons and wishes in a goodbye (13), and no errors for what a
/// client need not know (15).
const PROTOCOL: &str = "16";

/// An address that leads to no server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the server's address is no ws://, wss://, http:// or https:// URL")]
pub(super) struct NotAnAddress;

/// The address of the signal connection of the server at `base`; `resume` names the presence that goes on.
///
/// Nothing is subscribed to unless it is asked for, so that no video comes.
pub(super) fn signal_url(base: &str, resume: Option<&str>) -> Result<Url, NotAnAddress> {
    let mut url = Url::parse(base).map_err(|_| NotAnAddress)?;
    let scheme = match url.scheme() {
        "ws" | "http" => "ws",
        "wss" | "https" => "wss",
        _ => return Err(NotAnAddress),
    };
    url.set_scheme(scheme).map_err(|()| NotAnAddress)?;
    url.path_segments_mut()
        .map_err(|()| NotAnAddress)?
        .pop_if_empty()
        .push("rtc");
    url.set_fragment(None);
    let mut query = url.query_pairs_mut();
    query.clear();
    query.extend_pairs([("protocol", PROTOCOL), ("auto_subscribe", "0"), ("sdk", "unknown")]);
    if let Some(sid) = resume {
        query.extend_pairs([("reconnect", "1"), ("sid", sid)]);
    }
    drop(query);
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b1_the_signal_connection_is_below_the_servers_address() {
        let url = |base, resume| signal_url(base, resume).map(String::from);
        let query = "protocol=16&auto_subscribe=0&sdk=unknown";
        for (base, wanted) in [
            ("wss://sfu.example", "wss://sfu.example/rtc"),
            ("https://sfu.example/livekit/sfu/", "wss://sfu.example/livekit/sfu/rtc"),
            ("ws://127.0.0.1:7880/?x=y#z", "ws://127.0.0.1:7880/rtc"),
        ] {
            assert_eq!(url(base, None), Ok(format!("{wanted}?{query}")));
        }
        assert_eq!(
            url("ws://h", Some("PA_a&b")),
            Ok(format!("ws://h/rtc?{query}&reconnect=1&sid=PA_a%26b"))
        );
        for nothing in ["", "sfu.example", "ftp://sfu.example", "mailto:a@b"] {
            assert_eq!(url(nothing, None), Err(NotAnAddress), "{nothing}");
        }
    }
}
