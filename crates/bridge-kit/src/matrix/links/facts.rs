//! The part of a room's state that bridging depends on, and what follows from it.

use std::collections::BTreeMap;

use ruma::OwnedUserId;
use serde_json::Value;
use signalling::names;

use super::{Link, LinkSource};
use crate::config::{Pattern, RoomTarget};
use crate::matrix::RoomEvent;

/// The two names of the bridge event (MSC2346), the one that bridges use first.
const BRIDGE_KINDS: [&str; 2] = ["uk.half-shot.bridge", "m.bridge"];

const ENCRYPTION: &str = "m.room.encryption";

/// Whether an event belongs to the facts.
pub(super) fn matters(event: &RoomEvent) -> bool {
    event.state_key.is_some()
        && [&BRIDGE_KINDS[..], &[names::LINK, ENCRYPTION]]
            .concat()
            .contains(&event.kind.as_str())
}

/// What somebody has said about the room.
#[derive(Debug)]
struct Claim {
    sender: OwnedUserId,
    content: Value,
}

#[derive(Debug, Default)]
pub(super) struct Facts {
    own: Option<Claim>,
    /// By kind and state key, so that of several always the same one counts.
    bridges: BTreeMap<(usize, String), Claim>,
    encrypted: bool,
}

impl Facts {
    /// Takes note of a state event; other events change nothing.
    pub(super) fn apply(&mut self, event: &RoomEvent) {
        let Some(state_key) = &event.state_key else { return };
        let claim = claim(event);
        match event.kind.as_str() {
            names::LINK if state_key.is_empty() => self.own = claim,
            ENCRYPTION => self.encrypted = true,
            kind => {
                let Some(order) = BRIDGE_KINDS.iter().position(|known| *known == kind) else {
                    return;
                };
                let key = (order, state_key.clone());
                match claim {
                    Some(claim) => self.bridges.insert(key, claim),
                    None => self.bridges.remove(&key),
                };
            }
        }
    }

    pub(super) fn is_encrypted(&self) -> bool {
        self.encrypted
    }

    /// The room's link by the order of sources; what nobody trusted has said is passed over.
    pub(super) fn link(&self, trusted: &[Pattern], configured: Option<&RoomTarget>) -> Option<Link> {
        let trusted = |claim: &&Claim| is_trusted(claim, trusted);
        let bridges = || self.bridges.values().filter(trusted);
        let own = self.own.iter().filter(trusted).find_map(own_link);
        own.or_else(|| bridges().find_map(extra_link))
            .or_else(|| configured.map(configured_link))
            .or_else(|| bridges().find_map(bridge_link))
    }

    /// What people call the channel of a link: MSC2346 has a name for it.
    pub(super) fn channel_name(&self, trusted: &[Pattern], link: &Link) -> Option<String> {
        let mut bridges = self.bridges.values().filter(|claim| is_trusted(claim, trusted));
        bridges.find_map(|claim| {
            let channel = claim.content.get("channel")?;
            let name = (text(channel, "id")? == link.channel_id).then(|| text(channel, "displayname"))??;
            Some(name.to_owned())
        })
    }

    /// Who has linked the room without being trusted.
    pub(super) fn untrusted(&self, trusted: &[Pattern]) -> Vec<OwnedUserId> {
        let links = |claim: &&Claim| {
            own_link(claim)
                .or_else(|| extra_link(claim))
                .or_else(|| bridge_link(claim))
                .is_some()
        };
        let mut senders: Vec<_> = self
            .own
            .iter()
            .chain(self.bridges.values())
            .filter(|claim| !is_trusted(claim, trusted))
            .filter(links)
            .map(|claim| claim.sender.clone())
            .collect();
        senders.sort();
        senders.dedup();
        senders
    }
}

/// Empty content takes back what was said.
fn claim(event: &RoomEvent) -> Option<Claim> {
    let says_something = event.content.as_object().is_some_and(|content| !content.is_empty());
    says_something.then(|| Claim {
        sender: event.sender.clone(),
        content: event.content.clone(),
    })
}

fn is_trusted(claim: &Claim, trusted: &[Pattern]) -> bool {
    trusted.iter().any(|pattern| pattern.matches(&claim.sender))
}

fn own_link(claim: &Claim) -> Option<Link> {
    let content = &claim.content;
    Some(link(
        claim,
        LinkSource::LinkEvent,
        text(content, "protocol")?,
        text(content, "network_id"),
        text(content, "channel_id")?,
    ))
}

fn extra_link(claim: &Claim) -> Option<Link> {
    let extra = claim.content.get(names::LINK)?;
    let protocol = text(extra, "protocol").or_else(|| id(&claim.content, "protocol"))?;
    let network = text(extra, "network_id").or_else(|| id(&claim.content, "network"));
    Some(link(
        claim,
        LinkSource::BridgeEventExtra,
        protocol,
        network,
        text(extra, "channel_id")?,
    ))
}

fn bridge_link(claim: &Claim) -> Option<Link> {
    let content = &claim.content;
    Some(link(
        claim,
        LinkSource::BridgeEvent,
        id(content, "protocol")?,
        id(content, "network"),
        id(content, "channel")?,
    ))
}

fn link(claim: &Claim, source: LinkSource, protocol: &str, network: Option<&str>, channel: &str) -> Link {
    Link {
        protocol: protocol.to_owned(),
        network_id: network.unwrap_or_default().to_owned(),
        channel_id: channel.to_owned(),
        source,
        sender: Some(claim.sender.clone()),
    }
}

fn configured_link(target: &RoomTarget) -> Link {
    Link {
        protocol: target.protocol.clone(),
        network_id: target.network_id.clone(),
        channel_id: target.channel_id.clone(),
        source: LinkSource::Configuration,
        sender: None,
    }
}

fn id<'a>(content: &'a Value, part: &str) -> Option<&'a str> {
    text(content.get(part)?, "id")
}

/// Ids are texts: as JSON numbers, long ones would have lost digits on their way.
fn text<'a>(content: &'a Value, key: &str) -> Option<&'a str> {
    content.get(key)?.as_str().filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const TRUSTED: &str = "@bridge:hs";
    const STRANGER: &str = "@mallory:hs";

    fn state(kind: &str, state_key: &str, sender: &str, content: &Value) -> RoomEvent {
        let event = json!({
            "room_id": "!room", "event_id": "$event", "sender": sender, "type": kind, "state_key": state_key,
            "content": content,
        });
        RoomEvent::from_json(event, None).expect("an event")
    }

    fn own(sender: &str, channel: &str) -> RoomEvent {
        let content = json!({ "protocol": "discord", "network_id": "g", "channel_id": channel });
        state("vdp.link", "", sender, &content)
    }

    fn bridge(kind: &str, sender: &str, extra: Value) -> RoomEvent {
        let mut content =
            json!({ "protocol": { "id": "discord" }, "network": { "id": "g" }, "channel": { "id": "text" } });
        if !extra.is_null() {
            content["vdp.link"] = extra;
        }
        state(kind, "discord://g/text", sender, &content)
    }

    fn facts(events: &[RoomEvent]) -> Facts {
        let mut facts = Facts::default();
        for event in events {
            facts.apply(event);
        }
        facts
    }

    fn found(events: &[RoomEvent], configured: Option<&str>) -> Option<(LinkSource, String)> {
        let facts = facts(events);
        let trusted = [Pattern::parse(TRUSTED).expect("a pattern")];
        let configured = configured.and_then(RoomTarget::parse);
        facts
            .link(&trusted, configured.as_ref())
            .map(|link| (link.source, link.channel_id))
    }

    /// S6: the order of sources.
    #[test]
    fn sources_count_in_their_order() {
        let extra = || bridge("m.bridge", TRUSTED, json!({ "channel_id": "extra" }));
        let plain = || bridge("uk.half-shot.bridge", TRUSTED, Value::Null);
        let all = [plain(), extra(), own(TRUSTED, "own")];
        let link = |source, channel: &str| Some((source, channel.to_owned()));
        assert_eq!(
            found(&all, Some("discord/g/configured")),
            link(LinkSource::LinkEvent, "own")
        );
        assert_eq!(
            found(&all[..2], Some("discord/g/configured")),
            link(LinkSource::BridgeEventExtra, "extra")
        );
        assert_eq!(
            found(&all[..1], Some("discord/g/configured")),
            link(LinkSource::Configuration, "configured")
        );
        assert_eq!(found(&all[..1], None), link(LinkSource::BridgeEvent, "text"));
        assert_eq!(found(&[], None), None);
    }

    /// S6: both names of the bridge event are read.
    #[test]
    fn both_names_of_the_bridge_event_count() {
        for kind in BRIDGE_KINDS {
            let link = found(&[bridge(kind, TRUSTED, Value::Null)], None);
            assert_eq!(link, Some((LinkSource::BridgeEvent, "text".to_owned())), "{kind}");
        }
    }

    #[test]
    fn a_stranger_links_nothing_and_hides_nothing() {
        let events = [
            own(STRANGER, "own"),
            bridge("m.bridge", STRANGER, json!({ "channel_id": "extra" })),
            bridge("uk.half-shot.bridge", TRUSTED, Value::Null),
        ];
        assert_eq!(found(&events[..2], None), None);
        assert_eq!(found(&events, None), Some((LinkSource::BridgeEvent, "text".to_owned())));
        let facts = facts(&events);
        let trusted = [Pattern::parse(TRUSTED).expect("a pattern")];
        assert_eq!(facts.untrusted(&trusted), [STRANGER]);
    }

    #[test]
    fn empty_content_takes_a_link_back() {
        let mut facts = Facts::default();
        let trusted = [Pattern::parse(TRUSTED).expect("a pattern")];
        facts.apply(&own(TRUSTED, "own"));
        facts.apply(&bridge("m.bridge", TRUSTED, Value::Null));
        facts.apply(&state("vdp.link", "", TRUSTED, &json!({})));
        assert_eq!(
            facts.link(&trusted, None).map(|link| link.source),
            Some(LinkSource::BridgeEvent)
        );
        facts.apply(&state("m.bridge", "discord://g/text", TRUSTED, &json!({})));
        assert_eq!(facts.link(&trusted, None), None);
    }

    #[test]
    fn content_that_makes_no_sense_links_nothing() {
        for content in [
            json!({ "protocol": "discord" }),
            json!({ "channel_id": "c" }),
            json!({ "protocol": "discord", "channel_id": 123_456 }),
            json!({ "protocol": "discord", "channel_id": "" }),
            json!({ "protocol": { "id": "discord" }, "channel_id": "c" }),
            json!([1, 2]),
            json!("text"),
            Value::Null,
        ] {
            assert_eq!(
                found(&[state("vdp.link", "", TRUSTED, &content)], None),
                None,
                "{content}"
            );
            assert_eq!(
                found(&[state("m.bridge", "x", TRUSTED, &content)], None),
                None,
                "{content}"
            );
        }
    }

    #[test]
    fn a_channel_is_called_what_a_trusted_bridge_calls_it() {
        let named = |sender: &str, id: &str, name: Value| {
            let channel = json!({ "id": id, "displayname": name });
            let content = json!({ "protocol": { "id": "discord" }, "channel": channel });
            state("m.bridge", id, sender, &content)
        };
        let name = |events: &[RoomEvent]| {
            let facts = facts(events);
            let trusted = [Pattern::parse(TRUSTED).expect("a pattern")];
            facts.channel_name(&trusted, &facts.link(&trusted, None)?)
        };
        assert_eq!(
            name(&[named(TRUSTED, "c", json!("General"))]).as_deref(),
            Some("General")
        );
        assert_eq!(name(&[named(STRANGER, "c", json!("General"))]), None);
        assert_eq!(name(&[named(TRUSTED, "c", json!(7))]), None);
        assert_eq!(
            name(&[own(TRUSTED, "voice"), named(TRUSTED, "text", json!("chat"))]),
            None,
            "that is another channel"
        );
    }

    #[test]
    fn encryption_is_noticed_and_stays() {
        let mut facts = Facts::default();
        assert!(!facts.is_encrypted());
        facts.apply(&state(
            ENCRYPTION,
            "",
            STRANGER,
            &json!({ "algorithm": "m.megolm.v1.aes-sha2" }),
        ));
        facts.apply(&state(ENCRYPTION, "", STRANGER, &json!({})));
        assert!(facts.is_encrypted());
    }
}
