//! What is counted, in loops that the compiler cannot see through.

use serde::{Deserialize, Serialize};
use std::hint::black_box;
use vdp_proto::sealed::{Aead, Opener, Role, Sealer, ShareSecret};
use vdp_proto::{MAX_DATAGRAM, Marks, Packet, Speakers};

/// Something that is counted.
pub(super) struct Work {
    /// The figure, and the part of the bench.
    pub(super) name: &'static str,
    pub(super) what: &'static str,
    /// What each round does first, and what is not to be counted.
    pub(super) after: Option<&'static str>,
    pub(super) run: fn(u64),
}

pub(super) const WORK: [Work; 10] = [
    Work {
        name: "rmp_serde_encode",
        what: "encode, plain rmp-serde derive",
        after: None,
        run: rmp_serde_encode,
    },
    Work {
        name: "encode",
        what: "encode",
        after: None,
        run: encode,
    },
    Work {
        name: "rmp_serde_decode",
        what: "decode, plain rmp-serde derive",
        after: None,
        run: rmp_serde_decode,
    },
    Work {
        name: "decode",
        what: "decode",
        after: None,
        run: decode,
    },
    Work {
        name: "encode_marked",
        what: "encode, with speakers and level",
        after: None,
        run: encode_marked,
    },
    Work {
        name: "decode_marked",
        what: "decode, with speakers and level",
        after: None,
        run: decode_marked,
    },
    Work {
        name: "seal_chacha20poly1305",
        what: "seal, ChaCha20-Poly1305",
        after: None,
        run: |rounds| seal(Aead::ChaCha20Poly1305, rounds),
    },
    Work {
        name: "open_chacha20poly1305",
        what: "open, ChaCha20-Poly1305",
        after: Some("seal_chacha20poly1305"),
        run: |rounds| open(Aead::ChaCha20Poly1305, rounds),
    },
    Work {
        name: "seal_aes256gcm",
        what: "seal, AES-256-GCM",
        after: None,
        run: |rounds| seal(Aead::Aes256Gcm, rounds),
    },
    Work {
        name: "open_aes256gcm",
        what: "open, AES-256-GCM",
        after: Some("seal_aes256gcm"),
        run: |rounds| open(Aead::Aes256Gcm, rounds),
    },
];

/// As long as the ids of rooms mostly are.
const ROOM: &str = "!qPNOnUsNsZrToFZqxB:half-shot.uk";
const VOICE: [u8; 160] = [0x48; 160];
/// So that the index has the width that it has from the 22nd minute of a call on.
const FIRST: u64 = 0x1_0000;

const fn packet<'a>(room: &'a str, voice: &'a [u8], index: u64) -> Packet<'a> {
    Packet { room, voice, index }
}

fn encode(rounds: u64) {
    let mut datagram = [0; MAX_DATAGRAM];
    let packet = packet(ROOM, &VOICE, FIRST);
    for _ in 0..rounds {
        let length = black_box(&packet).encode(black_box(&mut datagram));
        assert!(length.is_ok(), "a good packet");
    }
}

fn decode(rounds: u64) {
    let mut datagram = [0; MAX_DATAGRAM];
    let length = packet(ROOM, &VOICE, FIRST).encode(&mut datagram).unwrap_or(0);
    decode_all(datagram.get(..length).unwrap_or_default(), rounds);
}

/// Two who speak, as in a mix.
fn marks() -> Marks {
    Marks {
        speakers: Speakers::from_bits(0b101),
        level: Some(20),
    }
}

fn encode_marked(rounds: u64) {
    let mut datagram = [0; MAX_DATAGRAM];
    let (packet, marks) = (packet(ROOM, &VOICE, FIRST), marks());
    for _ in 0..rounds {
        let length = black_box(&packet).encode_with(black_box(marks), black_box(&mut datagram));
        assert!(length.is_ok(), "a good packet");
    }
}

fn decode_marked(rounds: u64) {
    let mut datagram = [0; MAX_DATAGRAM];
    let length = packet(ROOM, &VOICE, FIRST)
        .encode_with(marks(), &mut datagram)
        .unwrap_or(0);
    let datagram = datagram.get(..length).unwrap_or_default();
    for _ in 0..rounds {
        let read = Packet::decode_with_marks(black_box(datagram));
        assert!(black_box(read).is_ok(), "a good packet");
    }
}

fn decode_all(datagram: &[u8], rounds: u64) {
    for _ in 0..rounds {
        assert!(black_box(Packet::decode(black_box(datagram))).is_ok(), "a good packet");
    }
}

/// The keys of a packet in some order.
#[derive(Debug, Clone, Copy)]
pub(super) struct Order(&'static str);

impl Order {
    /// All but the one in which our bridges write.
    pub(super) fn others() -> impl Iterator<Item = Self> {
        ["rid", "dri", "dir", "ird", "idr"].into_iter().map(Self)
    }

    pub(super) const fn name(self) -> &'static str {
        self.0
    }
}

pub(super) fn decode_in(order: Order, rounds: u64) {
    let mut datagram = vec![0x83];
    for key in order.0.bytes() {
        datagram.extend([0xa1, key]);
        match key {
            b'r' => {
                datagram.extend([0xd9, 32]);
                datagram.extend(ROOM.bytes());
            }
            b'd' => {
                datagram.extend([0xc4, 160]);
                datagram.extend(VOICE);
            }
            _ => datagram.extend([0xce, 0, 1, 0, 0]),
        }
    }
    decode_all(&datagram, rounds);
}

fn ends(aead: Aead) -> (Sealer, Opener) {
    let secret = |byte| ShareSecret::from_random([byte; 32]);
    let agree = |own, peer, role| {
        let keys = secret(own).agree(&secret(peer).share(), &[3; 32], b"");
        keys.map(|keys| keys.into_ends(role, aead, 7)).ok()
    };
    match (agree(1, 2, Role::Asking), agree(2, 1, Role::Answering)) {
        (Some((sealer, _)), Some((_, opener))) => (sealer, opener),
        _ => unreachable!("the shares are good"),
    }
}

fn seal(aead: Aead, rounds: u64) {
    let (sealer, _) = ends(aead);
    let mut datagram = [0; MAX_DATAGRAM];
    let packet = packet(ROOM, &VOICE, FIRST);
    for _ in 0..rounds {
        assert!(
            sealer.seal(black_box(&packet), black_box(&mut datagram)).is_ok(),
            "a good packet"
        );
    }
}

fn open(aead: Aead, rounds: u64) {
    let (sealer, mut opener) = ends(aead);
    let mut datagram = [0; MAX_DATAGRAM];
    let packet = packet(ROOM, &VOICE, FIRST);
    for _ in 0..rounds {
        let length = sealer.seal(black_box(&packet), black_box(&mut datagram)).unwrap_or(0);
        let received = datagram.get_mut(..length).unwrap_or_default();
        assert!(opener.open(black_box(received)).is_ok(), "a good packet");
    }
}

/// What the packet is to serde without any thought.
#[derive(Serialize, Deserialize)]
struct Derived<'a> {
    r: &'a str,
    #[serde(with = "serde_bytes")]
    d: &'a [u8],
    i: u64,
}

fn rmp_serde_encode(rounds: u64) {
    let mut datagram = [0; MAX_DATAGRAM];
    for i in FIRST..FIRST + rounds {
        let derived = Derived {
            r: black_box(ROOM),
            d: black_box(&VOICE),
            i,
        };
        let mut buffer = black_box(&mut datagram[..]);
        assert!(
            rmp_serde::encode::write_named(&mut buffer, &derived).is_ok(),
            "a good packet"
        );
    }
}

fn rmp_serde_decode(rounds: u64) {
    let mut datagram = [0; MAX_DATAGRAM];
    let length = packet(ROOM, &VOICE, FIRST).encode(&mut datagram).unwrap_or(0);
    let datagram = datagram.get(..length).unwrap_or_default();
    for _ in 0..rounds {
        let derived: Result<Derived<'_>, _> = rmp_serde::from_slice(black_box(datagram));
        assert!(black_box(derived).is_ok(), "a good packet");
    }
}
