//! Voice packets in and out: every packet goes to every other member of the channel.

use std::{net::SocketAddr, sync::Arc};

use super::{
    Calls, SENT_KEPT, Voice,
    crypto::OpenError,
    dave,
    frames::{Arrival, FrameLog, Oddity, is_silence},
    member::Client,
    rtp::{self, Header},
};
use crate::{
    control::types::Protection,
    people::{encryption::Spoken, person::Delivery},
    snowflake::Snowflake,
};

/// Largest datagram that is looked at; Discord's packets are far smaller.
pub(crate) const LARGEST: usize = 2_048;

const DISCOVERY_LEN: usize = 74;
const DISCOVERY_REQUEST: [u8; 4] = [0, 1, 0, 70];
const DISCOVERY_RESPONSE: [u8; 4] = [0, 2, 0, 70];

/// A packet without its transport encryption.
struct Plain<'a> {
    header: &'a [u8],
    body: &'a [u8],
    /// Without Opus and protection, which depend on the call.
    arrival: Arrival,
}

impl Voice {
    /// Takes a datagram from the network. Whatever it holds, the worst that happens is that it is counted.
    pub(crate) fn handle_datagram(&self, datagram: &[u8], from: SocketAddr) {
        let now = self.clock.now_ns();
        match datagram {
            [0 | 1, ..] if datagram.len() == DISCOVERY_LEN => self.discover(datagram, from),
            [_, _, _, _] => self.counters.count("udp_keepalives"),
            [_, _, _, _, _, _, _, _] => self.echo_keepalive(datagram, from),
            [first, second, ..] if first >> 6 == 2 && (192..=223).contains(second) => {
                self.counters.count("udp_rtcp");
            }
            [first, ..] if first >> 6 == 2 => {
                if let Err(reason) = self.receive(datagram, from, now) {
                    self.counters.count(reason);
                }
            }
            _ => self.counters.count("udp_garbage"),
        }
    }

    /// IP discovery: tells a client the address that its packets come from.
    fn discover(&self, request: &[u8], from: SocketAddr) {
        let (Some(kind), Some(ssrc)) = (request.first_chunk::<4>(), request.get(4..8)) else {
            return;
        };
        if *kind != DISCOVERY_REQUEST {
            self.counters.count("udp_garbage");
            return;
        }
        let mut calls = self.calls.lock();
        let client = calls
            .members
            .values_mut()
            .find(|member| member.ssrc.to_be_bytes() == *ssrc)
            .and_then(|member| member.client.as_mut());
        let Some(client) = client else {
            self.counters.count("udp_discovery_unknown_ssrc");
            return;
        };
        client.address = Some(from);
        let mut response = Vec::with_capacity(DISCOVERY_LEN);
        response.extend_from_slice(&DISCOVERY_RESPONSE);
        response.extend_from_slice(ssrc);
        response.extend_from_slice(from.ip().to_string().as_bytes());
        response.resize(DISCOVERY_LEN - 2, 0);
        response.extend_from_slice(&from.port().to_be_bytes());
        self.counters.count("udp_discoveries");
        self.transmit(&response, from);
    }

    /// Some clients count their keep-alives in eight bytes and measure the time until they come back.
    fn echo_keepalive(&self, datagram: &[u8], to: SocketAddr) {
        self.counters.count("udp_keepalives");
        let known = self
            .calls
            .lock()
            .members
            .values()
            .any(|member| member.client.as_ref().is_some_and(|client| client.address == Some(to)));
        if known {
            self.transmit(datagram, to);
        }
    }

    /// Opens a client's voice packet and passes it on; an error names the counter of its reason.
    fn receive(&self, packet: &[u8], from: SocketAddr, at_ns: u64) -> Result<(), &'static str> {
        let header = Header::parse(packet).ok_or("udp_garbage")?;
        let mut calls = self.calls.lock();
        let (user, member) = calls
            .members
            .iter_mut()
            .find(|(_, member)| member.ssrc == header.ssrc && !member.person)
            .ok_or("voice_unknown_ssrc")?;
        let user = *user;
        if header.payload_type != rtp::OPUS {
            member.counts.dropped += 1;
            return Err("voice_wrong_payload_type");
        }
        let client = member.client.as_mut().ok_or("voice_before_session")?;
        let transport = client.transport.as_mut().ok_or("voice_before_session")?;
        let body = transport.open(packet, header.len).map_err(|error| match error {
            OpenError::TooShort => "udp_garbage",
            OpenError::Forged => "voice_not_decrypted",
            OpenError::NonceReused => "voice_nonce_reused",
        })?;
        client.address = Some(from);
        let Some(payload) = header.opus(&body) else {
            member.counts.dropped += 1;
            return Err("voice_malformed_body");
        };
        if member.speaking.is_none() {
            member.counts.dropped += 1;
            return Err("voice_before_speaking");
        }
        let arrival = Arrival {
            at_ns,
            user,
            ssrc: header.ssrc,
            sequence: header.sequence,
            timestamp: header.timestamp,
            payload: body.get(payload).unwrap_or_default().into(),
            opus: None,
            protection: Protection::Off,
        };
        let plain = Plain {
            header: packet.get(..header.len).unwrap_or_default(),
            body: &body,
            arrival,
        };
        self.pass_on(&mut calls, plain)
    }

    /// A person says one frame; false when he has no keys yet for those who would hear it.
    pub(crate) fn speak(&self, user: Snowflake, sequence: u16, timestamp: u32, opus: &Arc<[u8]>) -> bool {
        let person = self.calls.lock().people.get(&user).cloned();
        let spoken = person.map_or(Spoken::Unsaid, |person| person.encrypt(opus));
        let at_ns = self.clock.now_ns();
        let mut calls = self.calls.lock();
        let payload = match spoken {
            Spoken::Encrypted(payload) => payload,
            Spoken::Plain => Arc::clone(opus),
            // What nobody hears needs no keys.
            Spoken::Unsaid if calls.is_alone(user) => Arc::clone(opus),
            Spoken::Unsaid => {
                self.counters.count("people_without_keys");
                return false;
            }
        };
        let Some(ssrc) = calls.members.get(&user).map(|member| member.ssrc) else {
            return false;
        };
        let (header, body) = rtp::client_packet(sequence, timestamp, ssrc, &payload);
        let arrival = Arrival {
            at_ns,
            user,
            ssrc,
            sequence,
            timestamp,
            payload,
            opus: Some(Arc::clone(opus)),
            protection: Protection::Off,
        };
        let plain = Plain {
            header: &header,
            body: &body,
            arrival,
        };
        if let Err(reason) = self.pass_on(&mut calls, plain) {
            self.counters.count(reason);
        }
        true
    }

    fn pass_on(&self, calls: &mut Calls, plain: Plain<'_>) -> Result<(), &'static str> {
        let Plain {
            header,
            body,
            mut arrival,
        } = plain;
        let sender = arrival.user;
        let alone = calls.is_alone(sender);
        let member = calls.members.get_mut(&sender).ok_or("voice_unknown_ssrc")?;
        if !member.may_be_heard {
            member.counts.dropped += 1;
            return Err("voice_while_muted");
        }
        let channel = member.channel;
        let encrypted_call = calls
            .groups
            .get(&channel)
            .is_some_and(|group| group.version_in_use() > 0);
        arrival.protection = match (encrypted_call, dave::is_encrypted(&arrival.payload)) {
            (false, _) => Protection::Off,
            (true, true) => Protection::Encrypted,
            (true, false) => Protection::Plain,
        };
        if arrival.protection != Protection::Encrypted {
            arrival.opus = Some(Arc::clone(&arrival.payload));
        }
        let silence = is_silence(&arrival.payload);
        member.ring.packet(arrival.at_ns, silence);
        member.counts.count(&arrival, alone);
        if arrival.protection == Protection::Plain && !alone {
            self.counters.count(if silence {
                "voice_silence_in_dave_call"
            } else {
                "voice_plain_in_dave_call"
            });
        }
        let log = calls.mouths.entry(sender).or_insert_with(|| FrameLog::new(SENT_KEPT));
        if let Some(oddity) = log.push(arrival.clone()) {
            self.counters.count(match oddity {
                Oddity::Late => "voice_late_or_duplicate",
                Oddity::Gap => "voice_sequence_gaps",
                Oddity::Timestamp => "voice_odd_timestamps",
            });
        }
        self.deliver(calls, header, body, &arrival);
        Ok(())
    }

    /// Gives a packet to everyone else in the channel who hears.
    fn deliver(&self, calls: &mut Calls, header: &[u8], body: &[u8], arrival: &Arrival) {
        let Calls {
            members,
            groups,
            people,
            ..
        } = calls;
        let Some(channel) = members.get(&arrival.user).map(|member| member.channel) else {
            return;
        };
        let group = groups.get(&channel);
        let listeners = members
            .iter_mut()
            .filter(|(user, other)| **user != arrival.user && other.channel == channel && other.hears);
        for (user, listener) in listeners {
            let delivered = if let Some(client) = &mut listener.client {
                let understood = !dave::is_encrypted(&arrival.payload)
                    || group.is_none_or(|group| group.version_in_use() == 0 || group.understands(*user));
                if !understood {
                    self.counters.count("voice_kept_from_client_without_dave");
                }
                understood && self.send(client, header, body)
            } else {
                let person = people.get(user).filter(|_| listener.person);
                person.is_some_and(|person| person.deliver(Delivery::Frame(arrival.clone())))
            };
            if delivered {
                listener.counts.frames_heard += 1;
                listener.hearing.count(arrival);
            }
        }
    }

    fn send(&self, client: &mut Client, header: &[u8], body: &[u8]) -> bool {
        let (Some(transport), Some(to)) = (&mut client.transport, client.address) else {
            return false;
        };
        transport
            .seal(header, body)
            .is_some_and(|packet| self.transmit(&packet, to))
    }

    fn transmit(&self, datagram: &[u8], to: SocketAddr) -> bool {
        let sent = self.socket.send_to(datagram, to).is_ok();
        if !sent {
            self.counters.count("udp_send_errors");
        }
        sent
    }
}
