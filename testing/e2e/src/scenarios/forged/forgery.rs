//! Datagrams that strangers send: each form a bridge could take for a packet of its peer.

use anyhow::{Context as _, Result};
use std::sync::Arc;
use vdp_proto::sealed::{HEADER, OVERHEAD, SEALED_VERSION, TAG};
use vdp_proto::{MAX_DATAGRAM, Packet, SEALED_MARK};

/// How much the indices and counters of a forger are ahead of any call of a minute: a window that took one would move
/// beyond the peer's own.
const AHEAD: u64 = 2_500;
/// How long random datagrams are: as long as a voice packet.
const RANDOM: usize = 200;

/// The forms, in the order in which they are sent, and how a bridge should count each.
pub(super) const REASONS: [&str; 4] = ["garbage", "unknown_channel", "forged", "unknown_sender"];

/// Makes datagrams that carry a voice: whoever took one for the peer's would let it be heard.
pub(super) struct Forger {
    room: String,
    channel: u64,
    voice: Arc<[Arc<[u8]>]>,
    /// State of a generator of numbers that only have to differ.
    random: u64,
    counter: u64,
}

impl Forger {
    /// Forges for the open channel of a room, of which everybody in the control room can know the id.
    pub(super) fn new(room: &str, channel: u64, voice: Arc<[Arc<[u8]>]>) -> Self {
        Self {
            room: room.to_owned(),
            channel,
            voice,
            random: 0x9e37_79b9_7f4a_7c15,
            counter: AHEAD,
        }
    }

    /// What is sent while this frame of the voice is due, in each of the forms. They begin anew with each frame.
    pub(super) fn frame(&self, number: usize) -> Result<[Vec<u8>; 4]> {
        let voice = &self.voice[number % self.voice.len()];
        let mut base = [0; MAX_DATAGRAM];
        let packet = Packet {
            room: &self.room,
            voice,
            index: AHEAD + number as u64,
        };
        let length = packet.encode(&mut base).context("a forged packet")?;
        let plain = base[..length].to_vec();
        Ok([
            vec![0; RANDOM],
            sealed(self.channel ^ 1, &plain),
            sealed(self.channel, &plain),
            plain,
        ])
    }

    /// Makes the next datagram of a frame: random bytes are new each time, and so is the counter of a sealed one.
    pub(super) fn renew(&mut self, form: usize, datagram: &mut [u8]) {
        match form {
            0 => {
                for bytes in datagram.chunks_mut(8) {
                    let number = self.next_random().to_be_bytes();
                    bytes.copy_from_slice(&number[..bytes.len()]);
                }
                // Not by chance the first byte of the sealed form: that would be counted as another one.
                datagram[0] &= 0x3f;
            }
            1 | 2 => {
                self.counter += 1;
                datagram[HEADER - 8..HEADER].copy_from_slice(&self.counter.to_be_bytes());
            }
            _ => {}
        }
    }

    /// Steele and Vigna's `SplitMix64`.
    fn next_random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.random ^ (self.random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// A sealed packet as whoever has no key can make it: what a bridge that did not look at the tag would read.
fn sealed(channel: u64, plain: &[u8]) -> Vec<u8> {
    let mut datagram = Vec::with_capacity(plain.len() + OVERHEAD);
    datagram.extend([SEALED_MARK, SEALED_VERSION]);
    datagram.extend(channel.to_be_bytes());
    datagram.extend([0; 8]);
    datagram.extend(plain);
    datagram.extend([0x5a; TAG]);
    datagram
}

#[cfg(test)]
mod tests {
    use super::*;
    use vdp_proto::sealed::{Aead, OpenError, Role, ShareSecret, channel_of};

    const CHANNEL: u64 = 7;

    fn forger() -> Forger {
        let voice: Arc<[u8]> = Arc::from([0xf8, 0xff, 0xfe].as_slice());
        Forger::new("!a:x", CHANNEL, Arc::from([voice]))
    }

    #[test]
    fn each_form_is_what_it_is_counted_as() {
        let mut forger = forger();
        let mut forms = forger.frame(3).unwrap();
        for _ in 0..1_000 {
            for (form, datagram) in forms.iter_mut().enumerate() {
                forger.renew(form, datagram);
            }
            assert!(Packet::decode(&forms[0]).is_err() && channel_of(&forms[0]).is_none());
        }
        assert_eq!(channel_of(&forms[1]), Some(CHANNEL ^ 1));
        let plain = Packet::decode(&forms[3]).unwrap();
        assert_eq!((plain.room, plain.index), ("!a:x", AHEAD + 3));

        let [near, far] = [1, 2].map(|byte| ShareSecret::from_random([byte; 32]));
        let keys = near.agree(&far.share(), &[0; 32], b"").unwrap();
        let (_, mut opener) = keys.into_ends(Role::Asking, Aead::Aes256Gcm, CHANNEL);
        assert_eq!(opener.open(&mut forms[2]), Err(OpenError::Forged));
    }

    #[test]
    fn no_counter_comes_twice() {
        let mut forger = forger();
        let mut forms = forger.frame(0).unwrap();
        forger.renew(2, &mut forms[2]);
        let first = forms[2].clone();
        forger.renew(2, &mut forms[2]);
        assert_ne!(first, forms[2]);
    }
}
