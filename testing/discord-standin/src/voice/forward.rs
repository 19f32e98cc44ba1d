//! Voice packets in and out: every packet goes to every other member of the channel.

use std::{net::SocketAddr, sync::Arc};

use super::{
    Calls, SENT_KEPT, Voice,
    crypto::OpenError,
    dave,
    frames::{Arrival, FrameLog, Oddity, is_silence},
    member::{Client, Member},
    network::{Parcel, Speech},
    rtp::{self, Header},
    server::VoiceServer,
};
use crate::{
    control::types::{Direction, Protection},
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
    /// Takes a datagram from a socket and lets it meet the network's impairments.
    pub(crate) fn handle_datagram(&self, server: &Arc<VoiceServer>, datagram: &[u8], from: SocketAddr) {
        if !server.is_alive() {
            self.counters.count("udp_while_dead");
            return;
        }
        if !self.network.is_impaired() {
            self.take_datagram(server, datagram, from);
            return;
        }
        let parcel = || Parcel::ToServer {
            server: Arc::clone(server),
            datagram: datagram.into(),
            from,
        };
        let deliver = || {
            self.take_datagram(server, datagram, from);
            true
        };
        self.carry(Direction::ToServer, self.sender_of(datagram, from), parcel, deliver);
    }

    /// Who sent a datagram, by the source that it names or the address that it comes from.
    fn sender_of(&self, datagram: &[u8], from: SocketAddr) -> Option<Snowflake> {
        let ssrc = match datagram {
            [0 | 1, ..] if datagram.len() == DISCOVERY_LEN => datagram.get(4..8),
            [first, ..] if first >> 6 == 2 => datagram.get(8..12),
            _ => None,
        };
        let calls = self.calls.lock();
        let sent_it = |member: &&Member| {
            let by_source = ssrc.is_some_and(|ssrc| member.ssrc.to_be_bytes() == *ssrc);
            let client = member.client.as_ref();
            by_source || client.is_some_and(|client| client.address == Some(from))
        };
        calls
            .members
            .iter()
            .find(|(_, member)| sent_it(member))
            .map(|(user, _)| *user)
    }

    /// Takes a datagram that has arrived. Whatever it holds, the worst that happens is that it is counted.
    pub(super) fn take_datagram(&self, server: &Arc<VoiceServer>, datagram: &[u8], from: SocketAddr) {
        let now = self.clock.now_ns();
        match datagram {
            [0 | 1, ..] if datagram.len() == DISCOVERY_LEN => self.discover(server, datagram, from),
            [_, _, _, _] => self.counters.count("udp_keepalives"),
            [_, _, _, _, _, _, _, _] => self.echo_keepalive(server, datagram, from),
            [first, second, ..] if first >> 6 == 2 && (192..=223).contains(second) => {
                self.counters.count("udp_rtcp");
            }
            [first, ..] if first >> 6 == 2 => {
                if let Err(reason) = self.receive(server, datagram, from, now) {
                    self.counters.count(reason);
                }
            }
            _ => self.counters.count("udp_garbage"),
        }
    }

    /// IP discovery: tells a client the address that its packets come from.
    fn discover(&self, server: &Arc<VoiceServer>, request: &[u8], from: SocketAddr) {
        let (Some(kind), Some(ssrc)) = (request.first_chunk::<4>(), request.get(4..8)) else {
            return;
        };
        if *kind != DISCOVERY_REQUEST {
            self.counters.count("udp_garbage");
            return;
        }
        let mut calls = self.calls.lock();
        let found = calls
            .members
            .iter_mut()
            .find(|(_, member)| member.ssrc.to_be_bytes() == *ssrc && member.is_on(server))
            .and_then(|(user, member)| Some((*user, member.client.as_mut()?)));
        let Some((user, client)) = found else {
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
        self.transmit(server, user, &response, from);
    }

    /// Some clients count their keep-alives in eight bytes and measure the time until they come back.
    fn echo_keepalive(&self, server: &Arc<VoiceServer>, datagram: &[u8], to: SocketAddr) {
        self.counters.count("udp_keepalives");
        if let Some(user) = self.sender_of(datagram, to) {
            self.transmit(server, user, datagram, to);
        }
    }

    /// Opens a client's voice packet and passes it on; an error names the counter of its reason.
    fn receive(
        &self,
        server: &Arc<VoiceServer>,
        packet: &[u8],
        from: SocketAddr,
        at_ns: u64,
    ) -> Result<(), &'static str> {
        let header = Header::parse(packet).ok_or("udp_garbage")?;
        let mut calls = self.calls.lock();
        let (user, member) = calls
            .members
            .iter_mut()
            .find(|(_, member)| member.ssrc == header.ssrc && !member.person && member.is_on(server))
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
        let payload = match person.map_or(Spoken::Unsaid, |person| person.encrypt(opus)) {
            Spoken::Encrypted(payload) => payload,
            Spoken::Plain => Arc::clone(opus),
            // What nobody hears needs no keys.
            Spoken::Unsaid if self.calls.lock().is_alone(user) => Arc::clone(opus),
            Spoken::Unsaid => {
                self.counters.count("people_without_keys");
                return false;
            }
        };
        let speech = Speech {
            user,
            sequence,
            timestamp,
            payload,
            opus: Arc::clone(opus),
        };
        if !self.network.is_impaired() {
            return self.take_speech(&speech);
        }
        let parcel = || Parcel::Speech(speech.clone());
        self.carry(Direction::ToServer, Some(user), parcel, || self.take_speech(&speech));
        true
    }

    /// Takes a person's frame that has arrived; false when he is no longer there.
    pub(super) fn take_speech(&self, speech: &Speech) -> bool {
        let Speech {
            user,
            sequence,
            timestamp,
            ..
        } = *speech;
        let at_ns = self.clock.now_ns();
        let mut calls = self.calls.lock();
        let Some(ssrc) = calls.members.get(&user).map(|member| member.ssrc) else {
            return false;
        };
        let (header, body) = rtp::client_packet(sequence, timestamp, ssrc, &speech.payload);
        let arrival = Arrival {
            at_ns,
            user,
            ssrc,
            sequence,
            timestamp,
            payload: Arc::clone(&speech.payload),
            opus: Some(Arc::clone(&speech.opus)),
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
            let server = Arc::clone(&listener.server);
            let delivered = if let Some(client) = &mut listener.client {
                let understood = !dave::is_encrypted(&arrival.payload)
                    || group.is_none_or(|group| group.version_in_use() == 0 || group.understands(*user));
                if !understood {
                    self.counters.count("voice_kept_from_client_without_dave");
                }
                understood && self.send(&server, *user, client, header, body)
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

    fn send(
        &self,
        server: &Arc<VoiceServer>,
        user: Snowflake,
        client: &mut Client,
        header: &[u8],
        body: &[u8],
    ) -> bool {
        let (Some(transport), Some(to)) = (&mut client.transport, client.address) else {
            return false;
        };
        transport
            .seal(header, body)
            .is_some_and(|packet| self.transmit(server, user, &packet, to))
    }

    /// Sends a datagram to a member through the network's impairments; false when it is lost at once.
    fn transmit(&self, server: &Arc<VoiceServer>, user: Snowflake, datagram: &[u8], to: SocketAddr) -> bool {
        if !server.is_alive() {
            return false;
        }
        if !self.network.is_impaired() {
            return self.send_datagram(server, datagram, to);
        }
        let parcel = || Parcel::ToClient {
            server: Arc::clone(server),
            datagram: datagram.into(),
            to,
        };
        let deliver = || self.send_datagram(server, datagram, to);
        self.carry(Direction::FromServer, Some(user), parcel, deliver)
    }

    /// Gives a datagram to the server's socket.
    pub(super) fn send_datagram(&self, server: &VoiceServer, datagram: &[u8], to: SocketAddr) -> bool {
        let sent = server.socket().send_to(datagram, to).is_ok();
        if !sent {
            self.counters.count("udp_send_errors");
        }
        sent
    }
}
