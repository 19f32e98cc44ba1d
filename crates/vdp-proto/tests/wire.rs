//! What is accepted, what is refused and with which words (requirement S1). MessagePack is written by hand here, so
//! that the tests share nothing with the code that they test.

use vdp_proto::{DecodeError, EncodeError, Field, Found, MAX_DATAGRAM, MAX_INDEX, MAX_NESTING, Packet, Place};

const SILENCE: [u8; 3] = [0xf8, 0xff, 0xfe];
const ROOM: &[u8] = b"\xa4!r:x";
const VOICE: &[u8] = b"\xc4\x03\xf8\xff\xfe";

/// A map with these keys and values, each already MessagePack but for the keys' type byte.
fn map(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = vec![0x80 | u8::try_from(entries.len()).expect("few entries")];
    for (key, value) in entries {
        bytes.push(0xa0 | u8::try_from(key.len()).expect("a short key"));
        bytes.extend_from_slice(key.as_bytes());
        bytes.extend_from_slice(value);
    }
    bytes
}

fn with_index(index: &[u8]) -> Vec<u8> {
    map(&[("r", ROOM), ("d", VOICE), ("i", index)])
}

fn with_room(room: &[u8]) -> Vec<u8> {
    map(&[("r", room), ("d", VOICE), ("i", b"\x07")])
}

fn with_voice(voice: &[u8]) -> Vec<u8> {
    map(&[("r", ROOM), ("d", voice), ("i", b"\x07")])
}

fn with_extra(key: &str, value: &[u8]) -> Vec<u8> {
    map(&[("r", ROOM), (key, value), ("d", VOICE), ("i", b"\x07")])
}

fn seven() -> Packet<'static> {
    Packet {
        room: "!r:x",
        voice: &SILENCE,
        index: 7,
    }
}

fn encoded(packet: &Packet<'_>) -> Result<Vec<u8>, EncodeError> {
    let mut buffer = vec![0; 2 * MAX_DATAGRAM];
    let length = packet.encode(&mut buffer)?;
    buffer.truncate(length);
    Ok(buffer)
}

#[test]
fn s1_a_packet_is_a_map_of_r_d_i_in_this_order() {
    assert_eq!(
        encoded(&seven()).unwrap(),
        b"\x83\xa1r\xa4!r:x\xa1d\xc4\x03\xf8\xff\xfe\xa1i\x07"
    );
}

#[test]
fn s1_keys_are_read_in_any_order() {
    let entries = [("r", ROOM), ("d", VOICE), ("i", b"\x07".as_slice())];
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let bytes = map(&order.map(|entry| entries[entry]));
        assert_eq!(Packet::decode(&bytes), Ok(seven()), "{order:?}");
    }
}

#[test]
fn s1_unknown_keys_of_every_type_are_skipped() {
    let values: [&[u8]; 16] = [
        b"\xc0",                                 // nil
        b"\xc3",                                 // true
        b"\xd1\x80\x00",                         // int 16
        b"\xca\x00\x00\x00\x00",                 // float 32
        b"\xcb\x00\x00\x00\x00\x00\x00\x00\x00", // float 64
        b"\xa2hi",                               // str
        b"\xa2\xff\xfe",                         // str that is no UTF-8
        b"\xd9\x02hi",                           // str 8
        b"\xc4\x02\x00\x01",                     // bin
        b"\x93\x01\x02\x03",                     // array
        b"\xdc\x00\x01\xc0",                     // array 16
        b"\x82\xa1a\x01\xa1b\x81\x02\x03",       // map in a map
        b"\xd4\x05\x00",                         // fixext 1
        b"\xd6\xff\x00\x00\x00\x00",             // fixext 4, a timestamp
        b"\xc7\x03\x05\x01\x02\x03",             // ext 8
        b"\xde\x00\x01\x01\x92\xc0\xd4\x01\x01", // map 16 with an array with an extension
    ];
    for value in values {
        for key in ["x", "", "room", "t", "s", "v"] {
            assert_eq!(
                Packet::decode(&with_extra(key, value)),
                Ok(seven()),
                "{key:?}: {value:02x?}"
            );
        }
    }
}

#[test]
fn s1_keys_that_are_no_strings_are_skipped_too() {
    for key in [
        b"\x01".as_slice(),
        b"\xc0",
        b"\xc4\x01r",
        b"\x92\x01\x02",
        b"\x81\xa1r\x01",
        b"\xd4\x00r",
        b"\xa1\xff",
    ] {
        let mut bytes = with_index(b"\x07");
        bytes[0] = 0x84;
        bytes.extend_from_slice(key);
        bytes.extend_from_slice(b"\xa1z");
        assert_eq!(Packet::decode(&bytes), Ok(seven()), "{key:02x?}");
    }
}

#[test]
fn s1_integers_of_every_width_are_read() {
    let sevens: [&[u8]; 9] = [
        b"\x07",
        b"\xcc\x07",
        b"\xcd\x00\x07",
        b"\xce\x00\x00\x00\x07",
        b"\xcf\x00\x00\x00\x00\x00\x00\x00\x07",
        b"\xd0\x07",
        b"\xd1\x00\x07",
        b"\xd2\x00\x00\x00\x07",
        b"\xd3\x00\x00\x00\x00\x00\x00\x00\x07",
    ];
    for bytes in sevens {
        assert_eq!(Packet::decode(&with_index(bytes)), Ok(seven()), "{bytes:02x?}");
    }
}

#[test]
fn s1_integers_are_written_as_short_as_they_can_be() {
    let written: [(u64, &[u8]); 10] = [
        (0, b"\x00"),
        (0x7f, b"\x7f"),
        (0x80, b"\xcc\x80"),
        (0xff, b"\xcc\xff"),
        (0x100, b"\xcd\x01\x00"),
        (0xffff, b"\xcd\xff\xff"),
        (0x1_0000, b"\xce\x00\x01\x00\x00"),
        (0xffff_ffff, b"\xce\xff\xff\xff\xff"),
        (0x1_0000_0000, b"\xcf\x00\x00\x00\x01\x00\x00\x00\x00"),
        (MAX_INDEX, b"\xcf\x7f\xff\xff\xff\xff\xff\xff\xff"),
    ];
    for (index, bytes) in written {
        assert_eq!(
            encoded(&Packet { index, ..seven() }).unwrap(),
            with_index(bytes),
            "{index}"
        );
        assert_eq!(Packet::decode(&with_index(bytes)).unwrap().index, index);
    }
}

#[test]
fn maps_strings_and_binaries_of_every_width_are_read() {
    let mut map_16 = with_index(b"\x07");
    map_16.splice(0..1, *b"\xde\x00\x03");
    let mut map_32 = with_index(b"\x07");
    map_32.splice(0..1, *b"\xdf\x00\x00\x00\x03");
    let long_key = with_index(b"\x07").splice(1..2, *b"\xd9\x01").collect::<Vec<_>>();
    assert_eq!(long_key, b"\xa1");
    for bytes in [
        map_16,
        map_32,
        with_room(b"\xd9\x04!r:x"),
        with_room(b"\xda\x00\x04!r:x"),
        with_room(b"\xdb\x00\x00\x00\x04!r:x"),
        with_voice(b"\xc5\x00\x03\xf8\xff\xfe"),
        with_voice(b"\xc6\x00\x00\x00\x03\xf8\xff\xfe"),
    ] {
        assert_eq!(Packet::decode(&bytes), Ok(seven()), "{bytes:02x?}");
    }
}

#[test]
fn voice_may_be_a_string_as_encoders_without_a_binary_type_write_it() {
    assert_eq!(
        Packet::decode(&with_voice(b"\xa3\xf8\xff\xfe")),
        Ok(seven()),
        "no UTF-8"
    );
    assert_eq!(
        Packet::decode(&with_voice(b"\xa2\x08a")).unwrap().voice,
        b"\x08a",
        "UTF-8"
    );
    assert!(Packet::decode(&with_voice(b"\xa0")).unwrap().is_keep_alive());
}

#[test]
fn empty_voice_is_a_keep_alive() {
    let keep_alive = Packet { voice: &[], ..seven() };
    assert!(keep_alive.is_keep_alive());
    assert_eq!(encoded(&keep_alive).unwrap(), with_voice(b"\xc4\x00"));
    assert!(Packet::decode(&with_voice(b"\xc4\x00")).unwrap().is_keep_alive());
    assert!(!Packet::decode(&with_voice(VOICE)).unwrap().is_keep_alive());
}

#[test]
fn what_is_decoded_borrows_from_the_datagram() {
    let bytes = with_index(b"\x07");
    let packet = Packet::decode(&bytes).unwrap();
    let within = bytes.as_ptr_range();
    assert!(within.contains(&packet.room.as_ptr()) && within.contains(&packet.voice.as_ptr()));
}

#[track_caller]
fn refused(bytes: &[u8], error: DecodeError, words: &str) {
    assert_eq!(Packet::decode(bytes), Err(error), "{bytes:02x?}");
    assert_eq!(error.to_string(), words);
}

#[test]
fn a_missing_key_is_named() {
    let missing = |field| DecodeError::Missing { field };
    refused(b"\x80", missing(Field::Room), "the key `r` is missing");
    refused(
        &map(&[("d", VOICE), ("i", b"\x07")]),
        missing(Field::Room),
        "the key `r` is missing",
    );
    refused(
        &map(&[("r", ROOM), ("i", b"\x07")]),
        missing(Field::Voice),
        "the key `d` is missing",
    );
    refused(
        &map(&[("r", ROOM), ("d", VOICE)]),
        missing(Field::Index),
        "the key `i` is missing",
    );
}

#[test]
fn a_key_that_is_there_twice_is_named() {
    let twice = |field| DecodeError::Duplicate { field };
    refused(
        &with_extra("r", ROOM),
        twice(Field::Room),
        "the key `r` is there more than once",
    );
    refused(
        &with_extra("d", VOICE),
        twice(Field::Voice),
        "the key `d` is there more than once",
    );
    refused(
        &with_extra("i", b"\x07"),
        twice(Field::Index),
        "the key `i` is there more than once",
    );
}

#[test]
fn a_value_of_the_wrong_type_is_named_with_its_type() {
    let types: [(&[u8], Found); 9] = [
        (b"\xc0", Found::Nil),
        (b"\xc2", Found::Boolean),
        (b"\x01", Found::Integer),
        (b"\xca\x00\x00\x00\x00", Found::Float),
        (b"\xa1a", Found::String),
        (b"\xc4\x01a", Found::Binary),
        (b"\x92\x01\x02", Found::Array),
        (b"\x81\x01\x02", Found::Map),
        (b"\xd4\x01\x02", Found::Extension),
    ];
    for (value, found) in types {
        if found != Found::String {
            let error = DecodeError::WrongType {
                field: Field::Room,
                found,
            };
            refused(&with_room(value), error, &format!("`r` is {found}, not a string"));
        }
        if !matches!(found, Found::String | Found::Binary) {
            let error = DecodeError::WrongType {
                field: Field::Voice,
                found,
            };
            refused(&with_voice(value), error, &format!("`d` is {found}, not binary data"));
        }
        if found != Found::Integer {
            let error = DecodeError::WrongType {
                field: Field::Index,
                found,
            };
            refused(
                &with_index(value),
                error,
                &format!("`i` is {found}, not an unsigned integer"),
            );
        }
        if found != Found::Map {
            refused(
                value,
                DecodeError::NotAMap { found },
                &format!("the packet is {found}, not a map"),
            );
        }
    }
}

#[test]
fn negative_indices_of_every_width_are_named() {
    let values: [(&[u8], i64); 5] = [
        (b"\xff", -1),
        (b"\xd0\x80", -128),
        (b"\xd1\x80\x00", -32_768),
        (b"\xd2\x80\x00\x00\x00", -2_147_483_648),
        (b"\xd3\x80\x00\x00\x00\x00\x00\x00\x00", i64::MIN),
    ];
    for (bytes, value) in values {
        let error = DecodeError::IndexNegative { value };
        refused(&with_index(bytes), error, &format!("`i` is {value}, below zero"));
    }
}

#[test]
fn an_index_above_the_limit_is_named() {
    refused(
        &with_index(b"\xcf\x80\x00\x00\x00\x00\x00\x00\x00"),
        DecodeError::IndexTooLarge { value: MAX_INDEX + 1 },
        "`i` is 9223372036854775808, more than 9223372036854775807",
    );
    let too_large = Packet {
        index: MAX_INDEX + 1,
        ..seven()
    };
    assert_eq!(
        encoded(&too_large),
        Err(EncodeError::IndexTooLarge { value: MAX_INDEX + 1 })
    );
}

#[test]
fn a_room_id_has_1_to_255_bytes_of_utf_8() {
    refused(&with_room(b"\xa0"), DecodeError::RoomEmpty, "`r` is empty");
    let mut room = b"\xda\x01\x00".to_vec();
    room.extend_from_slice(&[b'!'; 256]);
    refused(
        &with_room(&room),
        DecodeError::RoomTooLong { length: 256 },
        "`r` has 256 bytes, more than 255",
    );
    refused(
        &with_room(b"\xa3a\xffb"),
        DecodeError::RoomNotUtf8 { valid_up_to: 1 },
        "`r` is no UTF-8 from byte 1 on",
    );

    let longest = "!".repeat(255);
    let packet = Packet {
        room: &longest,
        ..seven()
    };
    assert_eq!(Packet::decode(&encoded(&packet).unwrap()), Ok(packet));
    assert_eq!(encoded(&Packet { room: "", ..seven() }), Err(EncodeError::RoomEmpty));
    let too_long = "!".repeat(256);
    assert_eq!(
        encoded(&Packet {
            room: &too_long,
            ..seven()
        }),
        Err(EncodeError::RoomTooLong { length: 256 })
    );
}

#[test]
fn voice_lasts_at_most_120_ms() {
    refused(
        &with_voice(b"\xc4\x02\xfb\x07"),
        DecodeError::VoiceTooLong { samples: 6_720 },
        "`d` lasts 6720 samples at 48 kHz, more than 5760",
    );
    assert_eq!(
        Packet::decode(&with_voice(b"\xc4\x02\xfb\x06")).unwrap().voice,
        b"\xfb\x06"
    );
    assert_eq!(
        Packet::decode(&with_voice(b"\xc4\x01\xfb")),
        Err(DecodeError::VoiceMalformed)
    );
    let packet = |voice| Packet { voice, ..seven() };
    assert_eq!(
        encoded(&packet(&[0xfb, 7])),
        Err(EncodeError::VoiceTooLong { samples: 6_720 })
    );
    assert_eq!(encoded(&packet(&[0xfb, 0])), Err(EncodeError::VoiceMalformed));
}

#[test]
fn a_datagram_has_at_most_1200_bytes() {
    let overhead = seven().encoded_len() - SILENCE.len() + 1;
    let voice = vec![0x08; MAX_DATAGRAM - overhead];
    let largest = encoded(&Packet {
        voice: &voice,
        ..seven()
    })
    .unwrap();
    assert_eq!(largest.len(), MAX_DATAGRAM);
    assert_eq!(Packet::decode(&largest).unwrap().voice, voice);

    let voice = vec![0x08; MAX_DATAGRAM - overhead + 1];
    let error = encoded(&Packet {
        voice: &voice,
        ..seven()
    });
    assert_eq!(
        error,
        Err(EncodeError::TooLarge {
            length: MAX_DATAGRAM + 1
        })
    );
    let mut too_large = largest;
    too_large.push(0);
    refused(
        &too_large,
        DecodeError::TooLarge { length: 1_201 },
        "the datagram has 1201 bytes, more than 1200",
    );
}

#[test]
fn a_buffer_that_is_too_small_is_named_with_both_sizes() {
    let needed = seven().encoded_len();
    for available in 0..needed {
        let mut buffer = vec![0; available];
        assert_eq!(
            seven().encode(&mut buffer),
            Err(EncodeError::BufferTooSmall { needed, available })
        );
    }
    assert_eq!(seven().encode(&mut vec![0; needed]), Ok(needed));
}

#[test]
fn every_truncation_says_where_it_ends() {
    let bytes = with_extra("x", b"\x92\x01\x02");
    let places = [
        (0..1, Place::Map),
        (1..3, Place::Key),
        (3..8, Place::Field(Field::Room)),
        (8..10, Place::Key),
        (10..13, Place::Unknown),
        (13..15, Place::Key),
        (15..20, Place::Field(Field::Voice)),
        (20..22, Place::Key),
        (22..23, Place::Field(Field::Index)),
    ];
    for (lengths, place) in places {
        for length in lengths {
            assert_eq!(
                Packet::decode(&bytes[..length]),
                Err(DecodeError::Truncated { place }),
                "{length} bytes"
            );
        }
    }
    assert_eq!(Packet::decode(&bytes), Ok(seven()));
    refused(
        b"",
        DecodeError::Truncated { place: Place::Map },
        "the packet ends within the map",
    );
}

#[test]
fn a_length_that_promises_more_than_there_is_is_a_truncation() {
    let unknown = DecodeError::Truncated { place: Place::Unknown };
    for value in [
        b"\xdd\xff\xff\xff\xff".as_slice(),
        b"\xc6\xff\xff\xff\xff",
        b"\xdb\xff\xff\xff\xff",
        b"\xc9\xff\xff\xff\xff\x01",
    ] {
        assert_eq!(Packet::decode(&map(&[("x", value)])), Err(unknown), "{value:02x?}");
    }
    assert_eq!(
        Packet::decode(b"\xdf\xff\xff\xff\xff"),
        Err(DecodeError::Truncated { place: Place::Key })
    );
}

#[test]
fn bytes_after_the_map_are_refused_whatever_they_are() {
    for trailing in [
        b"\x00".as_slice(),
        b"\xc1",
        b"\xa5abc",
        b"\x83",
        b"\xdd\xff\xff\xff\xff",
    ] {
        let mut bytes = with_index(b"\x07");
        bytes.extend_from_slice(trailing);
        refused(&bytes, DecodeError::Trailing, "bytes follow the map");
    }
}

#[test]
fn nesting_is_bounded() {
    let nested = |depth: usize| {
        let mut value = vec![0x91; depth];
        value.push(0xc0);
        value
    };
    // The map of the packet is the first level.
    assert_eq!(Packet::decode(&with_extra("x", &nested(MAX_NESTING - 1))), Ok(seven()));
    let too_deep = DecodeError::TooDeep { place: Place::Unknown };
    refused(
        &with_extra("x", &nested(MAX_NESTING)),
        too_deep,
        "the value of an unknown key is nested more than 16 deep",
    );
    let in_a_field = with_room(&nested(1_000));
    let place = Place::Field(Field::Room);
    refused(
        &in_a_field,
        DecodeError::TooDeep { place },
        "the value of `r` is nested more than 16 deep",
    );
}

#[test]
fn the_sealed_form_and_stray_reserved_bytes_are_told_apart() {
    refused(
        b"\xc1\x01whatever",
        DecodeError::Sealed,
        "the packet is sealed (first byte 0xc1)",
    );
    let place = Place::Unknown;
    let stray = DecodeError::ReservedByte { place };
    refused(
        &with_extra("x", b"\xc1"),
        stray,
        "the value of an unknown key begins with the reserved byte 0xc1",
    );
    refused(
        &with_index(b"\xc1"),
        DecodeError::ReservedByte {
            place: Place::Field(Field::Index),
        },
        "the value of `i` begins with the reserved byte 0xc1",
    );
}

#[test]
fn a_fault_in_the_structure_is_reported_before_one_in_a_field() {
    let mut bytes = with_room(b"\xa0");
    bytes.push(0);
    assert_eq!(Packet::decode(&bytes), Err(DecodeError::Trailing));
    bytes.truncate(bytes.len() - 2);
    assert_eq!(
        Packet::decode(&bytes),
        Err(DecodeError::Truncated {
            place: Place::Field(Field::Index)
        })
    );
}
