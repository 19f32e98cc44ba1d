//! Handling a packet allocates nothing, whether it is good or bad.

use std::hint::black_box;

use vdp_proto::sealed::{Aead, Role, ShareSecret, channel_of};
use vdp_proto::{ChannelTable, MAX_DATAGRAM, Marks, Packet, Route, Speakers, Window};

fn allocations(work: impl FnOnce()) -> u64 {
    allocation_counter::measure(work).count_total
}

const ROOM: &str = "!qPNOnUsNsZrToFZqxB:half-shot.uk";

#[test]
fn the_counter_counts() {
    assert!(allocations(|| drop(black_box(Box::new(1)))) > 0);
}

#[test]
fn a_packet_is_encoded_decoded_judged_and_found_without_allocation() {
    let route = Route::new(29_400, "192.0.2.1:29401".parse().unwrap());
    let mut table = ChannelTable::new();
    table.open(route, ROOM, ()).unwrap();
    let mut window = Window::new();
    let mut datagram = [0; MAX_DATAGRAM];
    let voice = [0x08; 160];

    let count = allocations(|| {
        for index in (0..10_000).chain([5, 9_990, 1_000_000]) {
            let marks = Marks {
                speakers: Speakers::from_bits(index).filter(|_| index % 3 > 0),
                level: (index % 2 > 0).then_some(20),
            };
            let length = Packet {
                room: ROOM,
                voice: &voice,
                index,
            }
            .encode_with(marks, &mut datagram)
            .unwrap();
            let (packet, read) = Packet::decode_with_marks(&datagram[..length]).unwrap();
            assert_eq!(read, marks);
            let _ = black_box(window.accept(packet.index));
            assert!(table.find(route, packet.room).is_ok());
        }
    });
    assert_eq!(count, 0);
}

#[test]
fn a_packet_is_sealed_and_opened_or_refused_without_allocation() {
    let secret = |byte| ShareSecret::from_random([byte; 32]);
    for aead in [Aead::Aes256Gcm, Aead::ChaCha20Poly1305] {
        let ends = |own, peer, role| {
            let keys = secret(own).agree(&secret(peer).share(), &[3; 32], b"salt").unwrap();
            keys.into_ends(role, aead, 7)
        };
        let (sealer, _) = ends(1, 2, Role::Asking);
        let (_, mut opener) = ends(2, 1, Role::Answering);
        let mut datagram = [0; MAX_DATAGRAM];
        let voice = [0x08; 160];

        let count = allocations(|| {
            for index in 0..1_000 {
                let packet = Packet {
                    room: ROOM,
                    voice: &voice,
                    index,
                };
                let length = sealer.seal(&packet, &mut datagram).unwrap();
                let mut forged = datagram;
                forged[30] ^= 1;
                assert_eq!(channel_of(&forged[..length]), Some(7));
                assert!(opener.open(&mut forged[..length]).is_err());
                let mut replayed = datagram;
                assert_eq!(opener.open(&mut datagram[..length]).unwrap().packet, packet);
                assert!(opener.open(&mut replayed[..length]).is_err());
            }
        });
        assert_eq!(count, 0, "{aead:?}");
    }
}

#[test]
fn unknown_keys_are_skipped_without_allocation() {
    let datagram = b"\x84\xa1r\xa4!r:x\xa1x\x93\xa1a\x81\x01\xa2\xff\xfe\xd4\x01\x02\xa1d\xc4\x03\xf8\xff\xfe\xa1i\x07";
    assert_eq!(allocations(|| assert!(black_box(Packet::decode(datagram)).is_ok())), 0);
}

#[test]
fn a_stranger_cannot_cause_an_allocation() {
    let route = Route::new(29_400, "192.0.2.1:29401".parse().unwrap());
    let table = ChannelTable::<()>::new();
    let garbage: [&[u8]; 10] = [
        b"",
        b"hello",
        b"\xc1sealed",
        b"\x83\xa1r\xa4!r:x\xa1d\xc4\x03\xf8",
        b"\x83\xa1r\x01\xa1d\xc0\xa1i\xff",
        b"\x81\xa1r\xa3a\xffb",
        b"\x81\xa1i\xa1\xff",
        b"\x81\xa1x\xc1",
        b"\x81\xa1x\xdd\xff\xff\xff\xff",
        b"\x80\xa5hello",
    ];
    let count = allocations(|| {
        for datagram in garbage {
            assert!(black_box(Packet::decode(datagram)).is_err());
        }
        assert!(black_box(Packet::decode(&[0x91; 1_000])).is_err());
        assert!(table.find(route, ROOM).is_err());
    });
    assert_eq!(count, 0);
}
