//! The sealed form between two ends, and against whoever is in between (requirement B6).

use proptest::prelude::*;
use vdp_proto::sealed::{
    Aead, EpochKeys, HEADER, OVERHEAD, OpenError, Opener, Role, Sealer, Share, ShareSecret, TAG, WeakShare, channel_of,
};
use vdp_proto::{EncodeError, MAX_DATAGRAM, Packet, WINDOW};

const ROOM: &str = "!qPNOnUsNsZrToFZqxB:half-shot.uk";
const CHANNEL: u64 = 0x8f3a_5c1e_90b7_d264;
const VOICE: [u8; 160] = [0x08; 160];

fn keys(own: u8, peer: u8, transcript: u8, salt: &[u8]) -> EpochKeys {
    let peer = ShareSecret::from_random([peer; 32]).share();
    let own = ShareSecret::from_random([own; 32]);
    own.agree(&peer, &[transcript; 32], salt).expect("a good share")
}

const AEADS: [Aead; 2] = [Aead::Aes256Gcm, Aead::ChaCha20Poly1305];

/// What the asking side seals with, and the answering side opens with.
fn one_way() -> (Sealer, Opener) {
    one_way_by(Aead::Aes256Gcm)
}

fn one_way_by(aead: Aead) -> (Sealer, Opener) {
    let (sealer, _) = keys(1, 2, 3, b"").into_ends(Role::Asking, aead, CHANNEL);
    let (_, opener) = keys(2, 1, 3, b"").into_ends(Role::Answering, aead, CHANNEL);
    (sealer, opener)
}

fn seal(sealer: &Sealer, index: u64) -> Vec<u8> {
    let packet = Packet {
        room: ROOM,
        voice: &VOICE,
        index,
    };
    let mut datagram = [0; MAX_DATAGRAM];
    let length = sealer.seal(&packet, &mut datagram).expect("it fits");
    datagram.get(..length).expect("within the buffer").to_vec()
}

fn verdict(opener: &mut Opener, mut datagram: Vec<u8>) -> Result<u64, OpenError> {
    opener.open(&mut datagram).map(|opened| opened.packet.index)
}

#[test]
fn what_one_side_seals_the_other_opens_in_both_directions() {
    for aead in AEADS {
        let (asking_seals, mut asking_opens) = keys(1, 2, 3, b"").into_ends(Role::Asking, aead, CHANNEL);
        let (answering_seals, mut answering_opens) = keys(2, 1, 3, b"").into_ends(Role::Answering, aead, CHANNEL);
        for index in 0..5 {
            assert_eq!(verdict(&mut answering_opens, seal(&asking_seals, index)), Ok(index));
            assert_eq!(verdict(&mut asking_opens, seal(&answering_seals, index)), Ok(index));
        }
        let mut datagram = seal(&asking_seals, 9);
        assert_eq!(datagram.len(), OVERHEAD + 204, "34 bytes more than the base packet");
        assert_eq!(channel_of(&datagram), Some(CHANNEL));
        let opened = answering_opens.open(&mut datagram).expect("it opens");
        assert_eq!((opened.packet.room, opened.packet.voice), (ROOM, &VOICE[..]));
    }
}

#[test]
fn what_is_sealed_one_way_does_not_open_the_other() {
    for (sealed, opened) in [AEADS, [AEADS[1], AEADS[0]]].map(|[sealed, opened]| (sealed, opened)) {
        let (sealer, _) = one_way_by(sealed);
        let (_, mut opener) = one_way_by(opened);
        assert_eq!(verdict(&mut opener, seal(&sealer, 0)), Err(OpenError::Forged));
    }
}

#[test]
fn the_room_and_the_voice_are_not_to_be_read_on_the_way() {
    let (sealer, _) = one_way();
    let datagram = seal(&sealer, 0);
    for secret in [ROOM.as_bytes(), &VOICE[..8]] {
        assert!(!datagram.windows(secret.len()).any(|window| window == secret));
    }
}

#[test]
fn keys_differ_with_all_that_was_negotiated() {
    let other_shares = keys(7, 2, 3, b"");
    let other_transcript = keys(1, 2, 4, b"");
    let other_salt = keys(1, 2, 3, b"configured");
    for keys in [other_shares, other_transcript, other_salt] {
        let (sealer, _) = keys.into_ends(Role::Asking, Aead::Aes256Gcm, CHANNEL);
        let (_, mut opener) = one_way();
        assert_eq!(verdict(&mut opener, seal(&sealer, 0)), Err(OpenError::Forged));
    }
}

#[test]
fn a_packet_does_not_open_at_its_own_sender() {
    let (sealer, mut opener) = keys(1, 2, 3, b"").into_ends(Role::Asking, Aead::Aes256Gcm, CHANNEL);
    assert_eq!(verdict(&mut opener, seal(&sealer, 0)), Err(OpenError::Forged));
}

#[test]
fn every_changed_bit_is_noticed() {
    for (sealer, mut opener) in AEADS.map(one_way_by) {
        let datagram = seal(&sealer, 0);
        for bit in 0..datagram.len() * 8 {
            let mut changed = datagram.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let error = verdict(&mut opener, changed).expect_err("it was changed");
            let expected = match bit / 8 {
                0 => OpenError::NotSealed,
                1 => OpenError::Version {
                    version: 1 ^ (1 << (bit % 8)),
                },
                2..10 => OpenError::OtherChannel,
                _ => OpenError::Forged,
            };
            assert_eq!(error, expected, "bit {bit}");
        }
        assert_eq!(verdict(&mut opener, datagram), Ok(0), "and none of it did any harm");
    }
}

#[test]
fn a_packet_opens_once() {
    let (sealer, mut opener) = one_way();
    let datagrams: Vec<_> = (0..3).map(|index| seal(&sealer, index)).collect();
    for (index, counter) in [(2, 2), (0, 0), (1, 1)] {
        assert_eq!(verdict(&mut opener, datagrams[index].clone()), Ok(counter));
    }
    for (counter, datagram) in (0..).zip(datagrams) {
        assert_eq!(verdict(&mut opener, datagram), Err(OpenError::Replayed { counter }));
    }
}

#[test]
fn a_packet_that_was_held_up_for_long_does_not_open() {
    let (sealer, mut opener) = one_way();
    let old = seal(&sealer, 0);
    for index in 1..=WINDOW {
        let expected = index;
        assert_eq!(verdict(&mut opener, seal(&sealer, index)), Ok(expected));
    }
    assert_eq!(verdict(&mut opener, old), Err(OpenError::TooOld { counter: 0 }));
}

#[test]
fn only_the_packet_with_the_highest_counter_is_the_newest() {
    let (sealer, mut opener) = one_way();
    let mut datagrams: Vec<_> = (0..3).map(|index| seal(&sealer, index)).collect();
    let newest = [1, 0, 2].map(|at: usize| opener.open(&mut datagrams[at]).expect("it opens").newest);
    assert_eq!(newest, [true, false, true]);
}

#[test]
fn what_is_too_short_for_a_header_and_a_tag_is_no_sealed_packet() {
    let (sealer, mut opener) = one_way();
    let mut datagram = seal(&sealer, 0);
    datagram.truncate(OVERHEAD - 1);
    assert_eq!(opener.open(&mut datagram), Err(OpenError::NotSealed));
    assert_eq!(channel_of(&datagram), None);
}

#[test]
fn the_longest_voice_leaves_room_for_the_seal() {
    let (sealer, _) = one_way();
    let mut voice = vec![0x08; MAX_DATAGRAM];
    let mut buffer = [0; MAX_DATAGRAM];
    let mut seal = |voice: &[u8]| {
        let packet = Packet {
            room: "!r:x",
            voice,
            index: 0,
        };
        sealer.seal(&packet, &mut buffer)
    };
    assert!(matches!(seal(&voice), Err(EncodeError::TooLarge { .. })));
    let spare = MAX_DATAGRAM - OVERHEAD - (7 + 5 + 3 + 1);
    voice.truncate(spare);
    assert_eq!(seal(&voice), Ok(MAX_DATAGRAM));
    voice.push(0);
    assert_eq!(
        seal(&voice),
        Err(EncodeError::TooLarge {
            length: MAX_DATAGRAM + 1
        })
    );
    assert_eq!(
        sealer.seal(
            &Packet {
                room: ROOM,
                voice: &VOICE,
                index: 0
            },
            &mut [0; HEADER + TAG]
        ),
        Err(EncodeError::BufferTooSmall {
            needed: 238,
            available: 34
        })
    );
}

#[test]
fn a_share_of_small_order_makes_no_key() {
    for share in [[0; 32], {
        let mut one = [0; 32];
        one[0] = 1;
        one
    }] {
        let refused = ShareSecret::from_random([1; 32]).agree(&Share(share), &[0; 32], b"");
        assert_eq!(refused.map(drop), Err(WeakShare));
    }
}

#[test]
fn neither_keys_nor_secrets_are_printed() {
    let secret = ShareSecret::from_random([1; 32]);
    assert_eq!(format!("{secret:?}"), "ShareSecret");
    assert_eq!(format!("{:?}", keys(1, 2, 3, b"")), "EpochKeys");
    let (sealer, opener) = one_way();
    for text in [format!("{sealer:?}"), format!("{opener:?}")] {
        assert!(!text.contains("cipher"), "{text}");
    }
}

proptest! {
    #[test]
    fn garbage_never_opens_and_never_panics(mut datagram in prop::collection::vec(any::<u8>(), 0..1_300), sealed in any::<bool>()) {
        let (_, mut opener) = one_way();
        if sealed && datagram.len() >= HEADER {
            datagram[..2].copy_from_slice(&[0xc1, 1]);
            datagram[2..10].copy_from_slice(&CHANNEL.to_be_bytes());
        }
        prop_assert!(opener.open(&mut datagram).is_err());
    }

    #[test]
    fn in_any_order_with_any_repeats_each_opens_exactly_once(order in prop::collection::vec(0..200_usize, 1..600)) {
        let (sealer, mut opener) = one_way();
        let datagrams: Vec<_> = (0..200).map(|index| seal(&sealer, index)).collect();
        let mut opened = std::collections::BTreeSet::new();
        for at in order {
            let fresh = verdict(&mut opener, datagrams[at].clone()).is_ok();
            prop_assert_eq!(fresh, opened.insert(at));
        }
    }
}
