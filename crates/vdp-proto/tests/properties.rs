//! Properties that hold for every packet and every order of arrival.

use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::*;
use vdp_proto::{MAX_DATAGRAM, MAX_INDEX, MAX_LEVEL, MAX_SPEAKERS, Marks, Packet, Speakers, Verdict, Window};

/// Opus packets of one frame, which last at most 60 ms, and keep-alives.
fn voice() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..900).prop_map(|mut voice| {
        if let Some(toc) = voice.first_mut() {
            *toc &= !0b11;
        }
        voice
    })
}

fn room() -> impl Strategy<Value = String> {
    "![a-zA-Zäß😀]{1,60}:[a-z.]{1,30}".prop_filter("at most 255 bytes", |room| room.len() <= 255)
}

/// Extension keys of every width.
fn marks() -> impl Strategy<Value = Marks> {
    let speakers = (any::<u64>(), 1..=MAX_SPEAKERS).prop_map(|(bits, most)| Speakers::from_bits(bits >> (64 - most)));
    let level = prop::option::of(0..=MAX_LEVEL);
    (any::<bool>(), speakers, level).prop_map(|(said, speakers, level)| Marks {
        speakers: speakers.filter(|_| said),
        level,
    })
}

proptest! {
    #[test]
    fn s11_every_packet_comes_back_with_its_extension_keys(
        room in room(),
        voice in voice(),
        index in 0..=MAX_INDEX,
        marks in marks(),
    ) {
        let packet = Packet { room: &room, voice: &voice, index };
        let mut datagram = [0; MAX_DATAGRAM];
        let length = packet.encode_with(marks, &mut datagram).unwrap();
        prop_assert_eq!(length, packet.encoded_len_with(marks));
        prop_assert_eq!(Packet::decode_with_marks(&datagram[..length]), Ok((packet, marks)));
        prop_assert_eq!(Packet::decode(&datagram[..length]), Ok(packet));
    }

    #[test]
    fn s1_every_packet_comes_back_as_it_was(room in room(), voice in voice(), index in 0..=MAX_INDEX) {
        let packet = Packet { room: &room, voice: &voice, index };
        let mut datagram = [0; MAX_DATAGRAM];
        let length = packet.encode(&mut datagram).unwrap();
        prop_assert_eq!(length, packet.encoded_len());
        prop_assert_eq!(Packet::decode(&datagram[..length]), Ok(packet));
    }

    #[test]
    fn no_bytes_panic_and_what_decodes_encodes_again(datagram in vec(any::<u8>(), 0..1_300)) {
        if let Ok(packet) = Packet::decode(&datagram) {
            let mut buffer = [0; MAX_DATAGRAM];
            let length = packet.encode(&mut buffer).unwrap();
            // Voice that came as a short string gets a header that is one byte longer.
            prop_assert!(length <= datagram.len() + 1);
            prop_assert_eq!(Packet::decode(&buffer[..length]), Ok(packet));
        }
    }

    #[test]
    fn a_damaged_packet_never_panics(voice in voice(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut datagram = [0; MAX_DATAGRAM];
        let length = Packet { room: "!room:example.org", voice: &voice, index: 70_000 }.encode(&mut datagram).unwrap();
        datagram[at.index(length)] = byte;
        let _ = Packet::decode(&datagram[..length]);
    }

    /// Packets are lost, overtaken by up to 40 others and duplicated; each index is used once, and the loss count
    /// is exact in the end.
    #[test]
    fn the_window_uses_each_index_once_and_counts_what_is_missing(
        fates in vec((0_u8..10, 0_usize..40, any::<bool>()), 1..2_000),
    ) {
        let mut arrivals: Vec<(usize, u64)> = Vec::new();
        for (index, &(fate, delay, twice)) in fates.iter().enumerate() {
            if fate > 0 {
                arrivals.push((index + delay, index as u64));
                if twice {
                    arrivals.push((index + delay * 2, index as u64));
                }
            }
        }
        arrivals.sort_unstable();
        let distinct: BTreeSet<u64> = arrivals.iter().map(|&(_, index)| index).collect();

        let mut window = Window::new();
        let mut used = BTreeSet::new();
        for &(_, index) in &arrivals {
            if window.accept(index).is_fresh() {
                prop_assert!(used.insert(index), "{} was used twice", index);
            }
        }
        let stats = window.stats();
        prop_assume!(stats.restarts == 0);
        prop_assert_eq!(&used, &distinct);
        prop_assert_eq!(stats.received, distinct.len() as u64);
        prop_assert_eq!(stats.duplicates, (arrivals.len() - distinct.len()) as u64);
        if let (Some(&(_, first)), Some(&last)) = (arrivals.first(), distinct.last()) {
            let above_first = distinct.range(first..).count() as u64;
            prop_assert_eq!(stats.lost, last - first + 1 - above_first);
        }
    }

    #[test]
    fn the_window_survives_any_indices(indices in vec(any::<u64>(), 0..500)) {
        let mut window = Window::new();
        for index in indices {
            let _ = window.accept(index);
        }
    }

    /// Whatever was received before, a sender that goes on counting is heard after at most a run's length, and its
    /// packets' order goes on rising.
    #[test]
    fn a_sender_that_goes_on_counting_is_heard(before in vec(0_u64..10_000, 0..200), start in 0..MAX_INDEX / 2) {
        let mut window = Window::new();
        let mut highest_order = None;
        for index in before {
            if matches!(window.accept(index), Verdict::Next { .. } | Verdict::Restarted) {
                highest_order = Some(window.order(index));
            }
        }
        let after: Vec<Verdict> = (start..start + 1_200).map(|index| window.accept(index)).collect();
        let first_next = after.iter().position(|verdict| matches!(verdict, Verdict::Next { .. } | Verdict::Restarted));
        let heard = after.iter().skip(16).filter(|verdict| verdict.is_fresh()).count();
        prop_assert!(first_next.is_some());
        // What is behind the highest is late or a duplicate until the count has caught up; nothing else is missed.
        prop_assert!(heard > 0);
        let newest = window.order(start + 1_199);
        prop_assert!(highest_order.is_none_or(|order| newest > order));
    }
}
