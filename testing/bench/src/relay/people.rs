//! Who speaks to the relay, and who listens behind it.

use super::ROOMS;
use super::form::{Form, ends};
use crate::ground::QUEUE;
use crate::systems::Running;
use crate::wire::room_id;
use anyhow::{Context as _, Result, ensure};
use nix::sys::socket::{setsockopt, sockopt::RcvBuf};
use std::collections::BTreeMap;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};
use vdp_proto::sealed::{Opener, Role, Sealer, channel_of};
use vdp_proto::{MAX_DATAGRAM, Packet};

const VOICE: [u8; 160] = [0x48; 160];

/// So that the index has the width that it has from the 22nd minute of a call on.
const FIRST: u64 = 0x1_0000;

/// How long to wait for the next packet. What has not come by then is lost.
const PATIENCE: Duration = Duration::from_millis(500);

/// How long it may take until all rooms are heard.
const MEETS_WITHIN: Duration = Duration::from_secs(10);

/// One who speaks in all rooms, and one who listens.
pub(super) struct People {
    speaker: UdpSocket,
    listener: UdpSocket,
    /// Where the relay hears the speaker.
    relay: Option<SocketAddr>,
    rooms: Vec<Room>,
    next_room: usize,
    openers: BTreeMap<u64, Opener>,
}

/// What the speaker has of a room.
struct Room {
    id: String,
    index: u64,
    sealer: Option<Sealer>,
}

impl People {
    pub(super) fn new(form: Form) -> Result<Self> {
        let socket = || -> Result<UdpSocket> {
            let socket = UdpSocket::bind("127.0.0.1:0")?;
            socket.set_read_timeout(Some(PATIENCE))?;
            setsockopt(&socket, RcvBuf, &QUEUE)?;
            Ok(socket)
        };
        let mut people = Self {
            speaker: socket()?,
            listener: socket()?,
            relay: None,
            rooms: Vec::new(),
            next_room: 0,
            openers: BTreeMap::new(),
        };
        for room in 0..ROOMS {
            let channel = room as u64;
            let sealer = match form {
                Form::Plain => None,
                Form::Sealed => {
                    // The bare forwarder sends on what the speaker sealed.
                    people.openers.insert(channel, ends(Role::Answering, channel)?.1);
                    Some(ends(Role::Asking, channel)?.0)
                }
            };
            people.rooms.push(Room {
                id: room_id(room),
                index: FIRST,
                sealer,
            });
        }
        Ok(people)
    }

    /// The speaker's and the listener's.
    pub(super) fn addresses(&self) -> Result<[SocketAddr; 2]> {
        Ok([self.speaker.local_addr()?, self.listener.local_addr()?])
    }

    /// Waits until the relay sends on what is said in every room.
    pub(super) fn meet(&mut self, relay: &Running) -> Result<()> {
        let at = |party: usize| relay.reach.to.get(party).and_then(|to| to.first()).copied();
        self.relay = at(0);
        if !self.openers.is_empty() {
            self.prove_address(at(1).context("the relay has two ends")?)?;
        }
        let deadline = Instant::now() + MEETS_WITHIN;
        loop {
            self.speak(ROOMS);
            if self.listen(ROOMS)? == ROOMS as u64 {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "the relay does not send on what is said");
        }
    }

    /// In the sealed form nobody gets voice before a keep-alive has come from him.
    fn prove_address(&mut self, far: SocketAddr) -> Result<()> {
        for (room, channel) in self.rooms.iter().zip(ROOMS as u64..) {
            let (sealer, opener) = ends(Role::Answering, channel)?;
            self.openers.insert(channel, opener);
            let mut datagram = [0; MAX_DATAGRAM];
            let keep_alive = Packet {
                room: &room.id,
                voice: &[],
                index: 0,
            };
            let length = sealer.seal(&keep_alive, &mut datagram)?;
            self.listener.send_to(datagram.get(..length).unwrap_or_default(), far)?;
        }
        Ok(())
    }

    /// Says so many packets, the rooms by turns.
    pub(super) fn speak(&mut self, packets: usize) {
        for _ in 0..packets {
            let place = self.next_room;
            self.next_room = (place + 1) % ROOMS;
            if let (Some(room), Some(relay)) = (self.rooms.get_mut(place), self.relay) {
                let mut datagram = [0; MAX_DATAGRAM];
                let length = room.write(&mut datagram);
                // What finds no place is lost, and missing in what is heard.
                let _ = self.speaker.send_to(datagram.get(..length).unwrap_or_default(), relay);
            }
        }
    }

    /// Waits for so many packets of voice, and tells how many came.
    pub(super) fn listen(&mut self, packets: usize) -> Result<u64> {
        let mut heard = 0;
        let mut datagram = [0; MAX_DATAGRAM];
        while heard < packets as u64 {
            match self.listener.recv(&mut datagram) {
                Ok(length) => heard += u64::from(self.is_voice(datagram.get_mut(..length).unwrap_or_default())),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(heard)
    }

    fn is_voice(&mut self, datagram: &mut [u8]) -> bool {
        if let Some(opener) = channel_of(datagram).and_then(|channel| self.openers.get_mut(&channel)) {
            return opener.open(datagram).is_ok_and(|opened| opened.packet.voice == VOICE);
        }
        Packet::decode(datagram).is_ok_and(|packet| packet.voice == VOICE)
    }
}

impl Room {
    /// Writes the next packet and returns its length.
    fn write(&mut self, datagram: &mut [u8; MAX_DATAGRAM]) -> usize {
        let packet = Packet {
            room: &self.id,
            voice: &VOICE,
            index: self.index,
        };
        self.index += 1;
        let length = match &self.sealer {
            None => packet.encode(datagram),
            Some(sealer) => sealer.seal(&packet, datagram),
        };
        length.unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_said_counts_as_voice() {
        for form in Form::ALL {
            let mut people = People::new(form).unwrap();
            let mut datagram = [0; MAX_DATAGRAM];
            let length = people.rooms[0].write(&mut datagram);
            let mut forged = datagram;
            forged[length - 30] ^= 1;
            assert!(!people.is_voice(&mut forged[..length]), "{form:?}");
            assert!(people.is_voice(&mut datagram[..length]), "{form:?}");
        }
    }
}
