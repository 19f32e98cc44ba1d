//! What both ends have agreed on, as one hash: the keys of a sealed epoch depend on it.

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::code::Format;
use crate::event::{Accept, Body, Channel, End, Event, Extensions, Header, Offer, Request};
use crate::machine::{Connection, Seal};

/// What all requests of a transaction have in common.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Asked {
    /// The format in the header.
    pub(crate) format: Format,
    /// The formats that are listed.
    pub(crate) formats: Vec<Format>,
}

/// An epoch whose both ends are known.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Agreed<'a> {
    /// The header of offer and accept.
    pub(crate) header: &'a Header,
    pub(crate) asked: &'a Asked,
    pub(crate) channel: Channel,
    pub(crate) offered: End,
    pub(crate) accepted: End,
}

impl Agreed<'_> {
    /// The asking side's way to the answering side.
    pub(crate) fn to_answerer(self) -> Option<Connection> {
        self.to(self.offered)
    }

    /// The answering side's way to the asking side.
    pub(crate) fn to_asker(self) -> Option<Connection> {
        self.to(self.accepted)
    }

    /// None where the format is sealed and a share is missing.
    fn to(self, peer: End) -> Option<Connection> {
        let Self { header, channel, .. } = self;
        let seal = match (self.offered.share, self.accepted.share, peer.share) {
            (Some(_), Some(_), Some(share)) if header.format.is_sealed() => Some(Seal {
                peer: share,
                transcript: self.transcript(),
            }),
            _ if header.format.is_sealed() => return None,
            _ => None,
        };
        Some(Connection {
            channel,
            format: header.format.clone(),
            peer: peer.address,
            seal,
            extensions: self.offered.extensions.and(self.accepted.extensions),
        })
    }

    /// The SHA-256 of the canonical JSON of request, offer and accept, one after the other.
    ///
    /// The request counts without its `after_epoch`, since either side may know another one as the last; offer and accept
    /// without their `extensions`, of which sides that do not know them take no notice.
    fn transcript(self) -> [u8; 32] {
        let Self {
            header,
            asked,
            channel,
            offered,
            accepted,
        } = self;
        let request = Event {
            header: Header {
                format: asked.format.clone(),
                ..header.clone()
            },
            body: Body::Request(Request {
                formats: asked.formats.clone(),
                after_epoch: 0,
            }),
        };
        let answer = |body| Event {
            header: header.clone(),
            body,
        };
        let bare = |end| End {
            extensions: Extensions::NONE,
            ..end
        };
        let offer = answer(Body::Offer(Offer {
            channel,
            end: bare(offered),
        }));
        let accept = answer(Body::Accept(Accept {
            channel,
            end: bare(accepted),
        }));
        let mut hash = Sha256::new();
        for event in [request, offer, accept] {
            let mut text = String::new();
            write_canonical(&event.to_json(), &mut text);
            hash.update(text);
        }
        hash.finalize().into()
    }
}

/// Canonical JSON as the Matrix specification has it (appendices, "Canonical JSON"): keys sorted, no spaces.
///
/// Whether the library sorts keys depends on what other crates ask of it, so it is done here.
fn write_canonical(value: &Value, text: &mut String) {
    match value {
        Value::Object(object) => {
            let mut fields: Vec<_> = object.iter().collect();
            fields.sort_unstable_by_key(|(name, _)| *name);
            text.push('{');
            for (at, (name, value)) in fields.into_iter().enumerate() {
                if at > 0 {
                    text.push(',');
                }
                text.push_str(&Value::from(name.as_str()).to_string());
                text.push(':');
                write_canonical(value, text);
            }
            text.push('}');
        }
        Value::Array(items) => {
            text.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    text.push(',');
                }
                write_canonical(item, text);
            }
            text.push(']');
        }
        scalar => text.push_str(&scalar.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{ChannelId, KeyShare, TransactionId};

    fn end(address: &str, share: u8) -> End {
        End {
            address: address.parse().expect("an address"),
            share: Some(KeyShare([share; 32])),
            extensions: Extensions::NONE,
        }
    }

    fn header(format: Format) -> Header {
        Header {
            room_id: "!r:x".to_owned(),
            transaction_id: TransactionId::new("t1").expect("an id"),
            format,
        }
    }

    fn asked(formats: &[Format]) -> Asked {
        Asked {
            format: formats[0].clone(),
            formats: formats.to_vec(),
        }
    }

    fn seal(format: Format, formats: &[Format], offered: End, accepted: End) -> Option<Seal> {
        let agreed = Agreed {
            header: &header(format),
            asked: &asked(formats),
            channel: Channel {
                id: ChannelId(7),
                epoch: 1,
            },
            offered,
            accepted,
        };
        let (asking, answering) = (agreed.to_answerer()?, agreed.to_asker()?);
        assert_eq!((asking.peer, answering.peer), (offered.address, accepted.address));
        let (asking, answering) = (asking.seal?, answering.seal?);
        assert_eq!(asking.transcript, answering.transcript, "the same at both ends");
        assert_eq!(
            (Some(asking.peer), Some(answering.peer)),
            (offered.share, accepted.share)
        );
        Some(asking)
    }

    #[test]
    fn everything_that_was_negotiated_changes_the_transcript() {
        let both = [Format::SealedOpusChaCha, Format::PlainOpus];
        let (offered, accepted) = (end("192.0.2.1:1", 1), end("192.0.2.2:2", 2));
        let transcript = |formats: &[Format], offered, accepted| {
            seal(Format::SealedOpusChaCha, formats, offered, accepted)
                .expect("sealed")
                .transcript
        };
        let usual = transcript(&both, offered, accepted);
        for other in [
            transcript(&both[..1], offered, accepted),
            transcript(&both, end("192.0.2.1:9", 1), accepted),
            transcript(&both, end("192.0.2.1:1", 9), accepted),
            transcript(&both, offered, end("192.0.2.9:2", 2)),
            transcript(&both, offered, end("192.0.2.2:2", 9)),
        ] {
            assert_ne!(other, usual);
        }
    }

    /// The example of docs/vdp.md, whose keys an independent program made.
    #[test]
    fn the_contents_are_those_of_the_specification() {
        let specification = include_str!("../../../docs/vdp.md");
        let (_, vectors) = specification.rsplit_once("### The sealed form").expect("the vectors");
        let (_, block) = vectors.split_once("```text\n").expect("the contents");
        for format in [Format::SealedOpusChaCha, Format::SealedOpusAes] {
            let contents = block.replace(Format::SealedOpusChaCha.code(), format.code());
            let contents: Vec<_> = contents.lines().take(3).collect();
            the_transcript_is_that_of(format, &contents);
        }
    }

    fn the_transcript_is_that_of(format: Format, contents: &[&str]) {
        let share = |content: &str| {
            let (_, after) = content.split_once("\"share\":\"").expect("a share");
            KeyShare::parse(after.split('"').next().expect("its end"))
        };
        let end = |address: &str, content| End {
            address: address.parse().expect("an address"),
            share: share(content),
            extensions: Extensions::ALL,
        };
        let agreed = Agreed {
            header: &header(format.clone()),
            asked: &asked(&[format]),
            channel: Channel {
                id: ChannelId(0x8f3a_5c1e_90b7_d264),
                epoch: 1,
            },
            offered: end("192.0.2.20:29401", contents[1]),
            accepted: end("192.0.2.10:29400", contents[2]),
        };
        let expected: [u8; 32] = Sha256::digest(contents.concat()).into();
        assert_eq!(agreed.transcript(), expected);
    }

    /// A side that does not know extension keys makes the same keys of what it read.
    #[test]
    fn s11_extension_keys_are_those_of_both_and_no_part_of_the_transcript() {
        let (bare, both) = (Extensions::NONE, Extensions::ALL);
        let formats = [Format::SealedOpusChaCha];
        let connection = |offered, accepted| {
            let end = |address, share, extensions| End {
                extensions,
                ..end(address, share)
            };
            let agreed = Agreed {
                header: &header(Format::SealedOpusChaCha),
                asked: &asked(&formats),
                channel: Channel {
                    id: ChannelId(7),
                    epoch: 1,
                },
                offered: end("192.0.2.1:1", 1, offered),
                accepted: end("192.0.2.2:2", 2, accepted),
            };
            agreed.to_asker().expect("a connection")
        };
        assert_eq!(connection(both, both).extensions, both);
        assert_eq!(connection(both, bare).extensions, bare);
        assert_eq!(connection(bare, both).extensions, bare);
        assert_eq!(connection(both, both).seal, connection(both, bare).seal);
    }

    #[test]
    fn a_sealed_epoch_without_a_share_is_none() {
        let (offered, accepted) = (end("192.0.2.1:1", 1), end("192.0.2.2:2", 2));
        let bare = |end: End| End { share: None, ..end };
        let formats = [Format::SealedOpusChaCha];
        assert_eq!(seal(Format::SealedOpusChaCha, &formats, bare(offered), accepted), None);
        assert_eq!(seal(Format::SealedOpusChaCha, &formats, offered, bare(accepted)), None);
    }

    #[test]
    fn canonical_json_is_sorted_and_has_no_spaces() {
        let value: Value =
            serde_json::from_str("{\"b\": [1, {\"d\": null, \"c\": \"ä\\n\"}], \"a\": true}").expect("JSON");
        let mut text = String::new();
        write_canonical(&value, &mut text);
        assert_eq!(text, "{\"a\":true,\"b\":[1,{\"c\":\"ä\\n\",\"d\":null}]}");
    }
}
