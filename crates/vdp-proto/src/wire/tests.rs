use super::{any, common, marked, read, read_marked};
use crate::{MAX_DATAGRAM, MAX_INDEX, Marks, Packet, Speakers};
use proptest::collection::vec;
use proptest::prelude::*;
use serde::Serialize;

/// The packet as serde and rmp-serde write it by themselves.
#[derive(Serialize)]
struct Derived<'a> {
    r: &'a str,
    #[serde(with = "serde_bytes")]
    d: &'a [u8],
    i: u64,
}

fn voice() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..900).prop_map(|mut voice| {
        if let Some(toc) = voice.first_mut() {
            *toc &= !0b11;
        }
        voice
    })
}

/// Indices of every width.
fn index() -> impl Strategy<Value = u64> {
    (any::<u64>(), 0..64_u32).prop_map(|(bits, shift)| (bits >> shift) & MAX_INDEX)
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    "[!a-zß:]{0,40}".prop_map(String::into_bytes)
}

/// Strings that are, or nearly are, the key or the value of a packet, in any of their forms.
fn string() -> impl Strategy<Value = Vec<u8>> {
    let text = prop_oneof![1 => vec(any::<u8>(), 0..70), 3 => text()];
    (text, 0..4_u8).prop_map(|(text, form)| {
        let length = u8::try_from(text.len()).unwrap();
        let mut bytes = match form {
            0 if length < 32 => vec![0xa0 | length],
            0 | 1 => vec![0xd9, length],
            2 => vec![0xda, 0, length],
            _ => vec![0xdb, 0, 0, 0, length],
        };
        bytes.extend(text);
        bytes
    })
}

fn binary() -> impl Strategy<Value = Vec<u8>> {
    let data = prop_oneof![vec(any::<u8>(), 0..40), text()];
    (data, 0..3_u8).prop_map(|(data, form)| {
        let length = u8::try_from(data.len()).unwrap();
        let mut bytes = match form {
            0 => vec![0xc4, length],
            1 => vec![0xc5, 0, length],
            _ => vec![0xc6, 0, 0, 0, length],
        };
        bytes.extend(data);
        bytes
    })
}

fn number() -> impl Strategy<Value = Vec<u8>> {
    (index(), 0xcb..=0xd3_u8).prop_map(|(number, form)| {
        let bytes = number.to_be_bytes();
        match form {
            0xcc | 0xd0 => vec![form, bytes[7]],
            0xcd | 0xd1 => [&[form], &bytes[6..]].concat(),
            0xce | 0xd2 => [&[form], &bytes[4..]].concat(),
            _ => [&[form], &bytes[..]].concat(),
        }
    })
}

/// Entries of a map: mostly known keys, with values of mostly the right type.
fn entry() -> impl Strategy<Value = Vec<u8>> {
    let key = prop_oneof![
        9 => prop::sample::select(vec![b"\xa1r".to_vec(), b"\xa1d".to_vec(), b"\xa1i".to_vec()]),
        2 => prop::sample::select(vec![b"\xa1s".to_vec(), b"\xa1v".to_vec()]),
        1 => string(),
        1 => number(),
    ];
    let small = any::<u8>().prop_map(|byte| vec![byte]);
    let value = prop_oneof![string(), binary(), number(), small];
    (key, value).prop_map(|(key, value)| [key, value].concat())
}

/// Values of mostly this type.
fn mostly(right: impl Strategy<Value = Vec<u8>> + 'static) -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![6 => right, 1 => string(), 1 => binary(), 1 => number()]
}

/// The three keys in any order, with values of mostly the right type.
fn packet() -> impl Strategy<Value = Vec<u8>> {
    let entries = (mostly(string()), mostly(binary()), mostly(number())).prop_map(|(r, d, i)| {
        let entry = |key: u8, value: Vec<u8>| [vec![0xa1, key], value].concat();
        vec![entry(b'r', r), entry(b'd', d), entry(b'i', i)]
    });
    let entries = entries.prop_shuffle();
    entries.prop_map(|entries| [vec![0x83], entries.concat()].concat())
}

/// Maps of a few entries, of which some are cut off or go on.
fn map() -> impl Strategy<Value = Vec<u8>> {
    (vec(entry(), 0..5), 0..10_u8, vec(any::<u8>(), 0..3)).prop_map(|(entries, fate, more)| {
        let count = u8::try_from(entries.len()).unwrap();
        let mut bytes = vec![0x80 | count];
        bytes.extend(entries.concat());
        match fate {
            0 => bytes.extend(more),
            1 => bytes.truncate(bytes.len().saturating_sub(more.len())),
            _ => {}
        }
        bytes
    })
}

/// The hand-written reader says the same as the general one, or nothing.
fn assert_agree(datagram: &[u8]) -> Result<(), TestCaseError> {
    let general = any::read(datagram);
    let base = common::read(datagram).map(|parts| (parts, Marks::NONE));
    for parts in [base, marked::read(datagram)].into_iter().flatten() {
        prop_assert_eq!(Ok(&parts), general.as_ref());
    }
    prop_assert_eq!(&read_marked(datagram), &general);
    prop_assert_eq!(read(datagram), general.map(|(parts, _)| parts));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_packet_is_written_as_rmp_serde_writes_it(
        room in "[!a-zß😀:]{1,100}".prop_filter("at most 255 bytes", |room| room.len() <= 255),
        voice in voice(),
        i in index(),
    ) {
        let packet = Packet { room: &room, voice: &voice, index: i };
        let mut datagram = [0; MAX_DATAGRAM];
        let length = packet.encode(&mut datagram).unwrap();
        let derived = rmp_serde::to_vec_named(&Derived { r: &room, d: &voice, i }).unwrap();
        prop_assert_eq!(&datagram[..length], &derived[..]);
        prop_assert!(common::read(&derived).is_some(), "what we write is read by hand");
        assert_agree(&derived)?;
    }

    #[test]
    fn a_packet_with_extension_keys_is_read_by_hand_and_so_is_none_that_was_damaged(
        voice in voice(),
        i in index(),
        speakers in prop::option::of(index()),
        level in prop::option::of(0..=127_u8),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let marks = Marks { speakers: speakers.and_then(Speakers::from_bits), level };
        let packet = Packet { room: "!room:example.org", voice: &voice, index: i };
        let mut buffer = [0; MAX_DATAGRAM];
        let length = packet.encode_with(marks, &mut buffer).unwrap();
        let datagram = &mut buffer[..length];
        prop_assert_eq!(marked::read(datagram).is_some(), marks != Marks::NONE);
        assert_agree(datagram)?;
        let at = at.index(datagram.len());
        datagram[at] = byte;
        assert_agree(datagram)?;
    }

    #[test]
    fn both_readers_agree_on_packets_in_any_order_and_form(datagram in packet()) {
        assert_agree(&datagram)?;
    }

    #[test]
    fn both_readers_agree_on_maps_and_what_is_nearly_one(datagram in map()) {
        assert_agree(&datagram)?;
    }

    #[test]
    fn both_readers_agree_on_packets_that_were_damaged(
        voice in voice(),
        i in index(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut datagram = rmp_serde::to_vec_named(&Derived { r: "!room:example.org", d: &voice, i }).unwrap();
        let at = at.index(datagram.len());
        datagram[at] = byte;
        assert_agree(&datagram)?;
    }

    #[test]
    fn both_readers_agree_on_noise(datagram in vec(any::<u8>(), 0..60)) {
        assert_agree(&datagram)?;
    }
}

#[test]
fn the_three_keys_are_read_by_hand_in_any_order() {
    let entries: [&[u8]; 3] = [b"\xa1r\xa4!r:x", b"\xa1d\xc4\x03\xf8\xff\xfe", b"\xa1i\x07"];
    for [first, second, third] in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let datagram = [b"\x83", entries[first], entries[second], entries[third]].concat();
        let parts = common::read(&datagram).unwrap();
        assert_eq!(Ok((parts, Marks::NONE)), any::read(&datagram));
    }
}

/// A packet whose room id is not ASCII, or whose voice is long, is as common as any.
#[test]
fn the_general_reader_is_left_what_is_uncommon() {
    for datagram in [
        &b"\x84\xa1r\xa4!r:x\xa1d\xc4\x00\xa1i\x07\xa1t\x01"[..],
        b"\x83\xa1r\xa4!r:x\xa1d\xa0\xa1i\x07",
        b"\x83\xa1r\xa4!r:x\xa1d\xc4\x00\xa1i\xd1\x00\x07",
        b"\x83\xa1r\xda\x00\x04!r:x\xa1d\xc4\x00\xa1i\x07",
    ] {
        assert_eq!(common::read(datagram), None);
        assert!(any::read(datagram).is_ok());
    }
}
