//! The golden vectors of `docs/vdp.md` hold for this crate.

use aes_gcm::Aes256Gcm;
use chacha20poly1305::aead::AeadInOut;
use chacha20poly1305::{ChaCha20Poly1305, KeyInit as _};
use sha2::{Digest as _, Sha256};
use vdp_proto::sealed::{Aead, EpochKeys, Role, ShareSecret};
use vdp_proto::{MAX_DATAGRAM, Marks, Packet, Speakers};

const SPECIFICATION: &str = include_str!("../../../docs/vdp.md");

/// The rows of the table after a marker, each as its cells.
fn table(name: &str) -> Vec<Vec<&'static str>> {
    let marker = format!("<!-- vectors: {name} -->\n");
    let (_, after) = SPECIFICATION
        .split_once(&marker)
        .unwrap_or_else(|| panic!("{marker} is in docs/vdp.md"));
    let rows = after.trim_start().lines().take_while(|line| line.starts_with('|'));
    let cells = |row: &'static str| row[1..row.len() - 1].split('|').map(str::trim).collect();
    rows.skip(2).map(cells).collect()
}

fn bytes(cell: &str) -> Vec<u8> {
    let digits = cell.trim_matches('`');
    assert!(digits.len().is_multiple_of(2), "{digits} has whole bytes");
    let pairs = (0..digits.len()).step_by(2).map(|start| &digits[start..start + 2]);
    pairs
        .map(|pair| u8::from_str_radix(pair, 16).expect("hexadecimal digits"))
        .collect()
}

/// Calls `check` with what it is, the datagram and the packet of each row.
fn for_each_packet(name: &str, check: impl Fn(&str, &[u8], Packet<'_>)) {
    let rows = table(name);
    assert!(rows.len() >= 5, "the table {name} has rows");
    for row in rows {
        let [what, datagram, room, voice, index] = row[..] else {
            panic!("{row:?} has five cells");
        };
        let voice = bytes(voice);
        let index = index.parse().expect("an index");
        check(
            what,
            &bytes(datagram),
            Packet {
                room: room.trim_matches('`'),
                voice: &voice,
                index,
            },
        );
    }
}

#[test]
fn canonical_vectors_are_written_exactly_so_and_read() {
    for_each_packet("canonical", |what, datagram, packet| {
        assert_eq!(Packet::decode(datagram), Ok(packet), "{what}");
        let mut buffer = [0; MAX_DATAGRAM];
        let length = packet.encode(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], datagram, "{what}");
    });
}

#[test]
fn accepted_vectors_are_read_but_not_written_so() {
    for_each_packet("accepted", |what, datagram, packet| {
        assert_eq!(Packet::decode(datagram), Ok(packet), "{what}");
        let mut buffer = [0; MAX_DATAGRAM];
        let length = packet.encode(&mut buffer).unwrap();
        assert_ne!(&buffer[..length], datagram, "{what}");
    });
}

/// The same for a table with extension keys.
fn for_each_marked(name: &str, check: impl Fn(&str, &[u8], Packet<'_>, Marks)) {
    let rows = table(name);
    assert!(rows.len() >= 5, "the table {name} has rows");
    for row in rows {
        let [what, datagram, room, voice, index, speakers, level] = row[..] else {
            panic!("{row:?} has seven cells");
        };
        let voice = bytes(voice);
        let packet = Packet {
            room: room.trim_matches('`'),
            voice: &voice,
            index: index.parse().expect("an index"),
        };
        let number = |cell: &str| (!cell.is_empty()).then(|| cell.parse::<u64>().expect("a number"));
        let marks = Marks {
            speakers: number(speakers).map(|bits| Speakers::from_bits(bits).expect("ids")),
            level: number(level).map(|level| u8::try_from(level).expect("a level")),
        };
        check(what, &bytes(datagram), packet, marks);
    }
}

#[test]
fn s11_vectors_with_extension_keys_are_written_exactly_so_and_read() {
    for_each_marked("marked", |what, datagram, packet, marks| {
        assert_eq!(Packet::decode_with_marks(datagram), Ok((packet, marks)), "{what}");
        assert_eq!(
            Packet::decode(datagram),
            Ok(packet),
            "{what}, for whoever knows no such key"
        );
        let mut buffer = [0; MAX_DATAGRAM];
        let length = packet.encode_with(marks, &mut buffer).unwrap();
        assert_eq!(&buffer[..length], datagram, "{what}");
        assert_eq!(length, packet.encoded_len_with(marks), "{what}");
    });
}

#[test]
fn s11_extension_keys_that_make_no_sense_count_as_absent() {
    for_each_marked("marked otherwise", |what, datagram, packet, marks| {
        assert_eq!(Packet::decode_with_marks(datagram), Ok((packet, marks)), "{what}");
    });
}

#[test]
fn refused_vectors_are_refused_with_these_words() {
    let rows = table("refused");
    assert!(rows.len() >= 10);
    for row in rows {
        let [what, datagram, error] = row[..] else {
            panic!("{row:?} has three cells");
        };
        let found = Packet::decode(&bytes(datagram)).expect_err(what);
        assert_eq!(found.to_string(), error, "{what}");
    }
}

/// The first code block after a heading.
fn block(heading: &str) -> &'static str {
    let (_, after) = SPECIFICATION.rsplit_once(heading).expect("the heading");
    let (_, after) = after.split_once("```text\n").expect("a block");
    after.split_once("\n```").expect("its end").0
}

/// An AEAD and how the specification's tables and format names call it.
const AEADS: [(Aead, &str); 2] = [
    (Aead::ChaCha20Poly1305, "chacha20poly1305"),
    (Aead::Aes256Gcm, "aes256gcm"),
];

/// The keys of the specification's example, as one side makes them.
fn agreed(role: Role, aead: &str, salt: &str) -> EpochKeys {
    let secret = |first: u8| {
        let mut bytes = [0; 32];
        for (byte, value) in bytes.iter_mut().zip(first..) {
            *byte = value;
        }
        ShareSecret::from_random(bytes)
    };
    let contents = block("### The sealed form").replace('\n', "");
    let contents = contents.replace("chacha20poly1305", aead);
    let transcript: [u8; 32] = Sha256::digest(contents).into();
    let (own, peer) = match role {
        Role::Asking => (1, 33),
        Role::Answering => (33, 1),
    };
    let salt = if salt == "none" { "" } else { salt.trim_matches('`') };
    let keys = secret(own).agree(&secret(peer).share(), &transcript, salt.as_bytes());
    keys.expect("good shares")
}

const CHANNEL: u64 = 0x8f3a_5c1e_90b7_d264;

#[test]
fn sealed_vectors_are_written_exactly_so_and_opened() {
    for (aead, name) in AEADS {
        let rows = table(&format!("sealed {name}"));
        assert!(rows.len() >= 5);
        let mut ends =
            [Role::Asking, Role::Answering].map(|role| agreed(role, name, "none").into_ends(role, aead, CHANNEL));
        for row in rows {
            let [direction, counter, datagram, room, voice, index] = row[..] else {
                panic!("{row:?} has six cells");
            };
            let [(asking, asking_opens), (answering, answering_opens)] = &mut ends;
            let (sealer, opener) = match direction {
                "asking to answering" => (asking, answering_opens),
                "answering to asking" => (answering, asking_opens),
                other => panic!("{other} is no direction"),
            };
            let voice = bytes(voice);
            let packet = Packet {
                room: room.trim_matches('`'),
                voice: &voice,
                index: index.parse().expect("an index"),
            };
            let counter: u64 = counter.parse().expect("a counter");
            let mut buffer = [0; MAX_DATAGRAM];
            // The counter is nobody's to choose, so all up to the wanted one are used up.
            let length = loop {
                let length = sealer.seal(&packet, &mut buffer).unwrap();
                if buffer[10..18] == counter.to_be_bytes() {
                    break length;
                }
            };
            assert_eq!(&buffer[..length], bytes(datagram), "{direction} {counter}");
            assert_eq!(opener.open(&mut bytes(datagram)).unwrap().packet, packet);
        }
    }
}

/// Seals one packet with a key of the specification, by the cipher alone.
fn sealed_by(aead: Aead, key: &[u8], packet: Packet<'_>) -> Vec<u8> {
    let header = [&[0xc1, 1][..], &CHANNEL.to_be_bytes(), &[0; 8]].concat();
    let mut plain = [0; 64];
    let length = packet.encode(&mut plain).expect("there is room");
    let (body, _) = plain.split_at_mut(length);
    let tag: [u8; 16] = match aead {
        Aead::Aes256Gcm => {
            let cipher = Aes256Gcm::new_from_slice(key).expect("32 bytes");
            let tag = cipher.encrypt_inout_detached(&[0; 12].into(), &header, (&mut *body).into());
            tag.expect("so little is sealed").into()
        }
        Aead::ChaCha20Poly1305 => {
            let cipher = ChaCha20Poly1305::new_from_slice(key).expect("32 bytes");
            let tag = cipher.encrypt_inout_detached(&[0; 12].into(), &header, (&mut *body).into());
            tag.expect("so little is sealed").into()
        }
    };
    [&header[..], body, &tag].concat()
}

#[test]
fn the_keys_are_those_of_the_vectors() {
    for (aead, name) in AEADS {
        let rows = table(&format!("keys {name}"));
        assert_eq!(rows.len(), 2);
        for row in rows {
            let [salt, from_asking, from_answering] = row[..] else {
                panic!("{row:?} has three cells");
            };
            for (role, key) in [(Role::Answering, from_asking), (Role::Asking, from_answering)] {
                let (_, mut opener) = agreed(role, name, salt).into_ends(role, aead, CHANNEL);
                let packet = Packet {
                    room: "!r:x",
                    voice: &[],
                    index: 0,
                };
                let mut datagram = sealed_by(aead, &bytes(key), packet);
                assert_eq!(opener.open(&mut datagram).unwrap().packet, packet, "{salt} {role:?}");
            }
        }
    }
}
