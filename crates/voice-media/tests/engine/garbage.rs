//! Whatever comes in, an engine neither panics nor grows.

use std::time::{Duration, Instant};

use crate::room::speech::{ALICE, encode_celt};
use crate::room::{Room, Speaker};
use proptest::prelude::*;
use voice_media::opus::{Packet, write_packet};
use voice_media::{Engine, EngineError, InPacket, SinkId, SinkSpec, SourceId, SourceSpec};

/// One call into an engine, by somebody who wishes it ill.
#[derive(Debug, Clone)]
enum Call {
    Packet {
        source: u64,
        opus: Vec<u8>,
        sequence: u64,
        media_time: Option<u64>,
        level: Option<u8>,
    },
    Wait(u64),
    AddSource(u64),
    RemoveSource(u64),
    AddSink(u64),
    RemoveSink(u64),
}

/// Bytes that are sometimes a packet, and numbers that mostly go on and sometimes jump.
fn call() -> impl Strategy<Value = Call> {
    let opus = prop_oneof![
        4 => prop::collection::vec(any::<u8>(), 0..60),
        1 => prop::collection::vec(any::<u8>(), 1_200..1_400),
        2 => Just(vec![0xF8, 0xFF, 0xFE]),
        2 => any::<u8>().prop_map(|toc| vec![toc]),
        4 => (any::<u8>(), prop::collection::vec(any::<u8>(), 1..100)).prop_map(|(toc, frame)| {
            [vec![toc & 0xFC], frame].concat()
        }),
    ];
    let number = || prop_oneof![8 => 0_u64..200, 1 => any::<u64>(), 1 => Just(u64::MAX)];
    let media_time = prop_oneof![3 => Just(None), 3 => (0_u64..200).prop_map(|frame| Some(frame * 960)), 1 => any::<u64>().prop_map(Some)];
    let packet = (0_u64..4, opus, number(), media_time, any::<Option<u8>>());
    prop_oneof![
        20 => packet.prop_map(|(source, opus, sequence, media_time, level)| Call::Packet { source, opus, sequence, media_time, level }),
        6 => (0_u64..60_000).prop_map(Call::Wait),
        1 => (0_u64..4).prop_map(Call::AddSource),
        1 => (0_u64..4).prop_map(Call::RemoveSource),
        1 => (0_u64..4).prop_map(Call::AddSink),
        1 => (0_u64..4).prop_map(Call::RemoveSink),
    ]
}

fn apply(engine: &mut Engine, now: &mut Instant, call: Call) {
    match call {
        Call::Packet {
            source,
            opus,
            sequence,
            media_time,
            level,
        } => {
            let packet = InPacket {
                opus: &opus,
                sequence,
                media_time,
                level,
                marks: None,
                received: *now,
            };
            engine.handle_packet(*now, SourceId::new(source), &packet);
        }
        Call::Wait(micros) => {
            *now += Duration::from_micros(micros);
            engine.handle_timeout(*now);
        }
        Call::AddSource(id) => {
            let _ = engine.add_source(SourceId::new(id), SourceSpec::new("somebody"));
        }
        Call::RemoveSource(id) => engine.remove_source(*now, SourceId::new(id)),
        Call::AddSink(id) => {
            let spec = SinkSpec::new("somebody").except(SourceId::new(id));
            let _ = engine.add_sink(*now, SinkId::new(id), spec);
        }
        Call::RemoveSink(id) => engine.remove_sink(*now, SinkId::new(id)),
    }
}

proptest! {
    #[test]
    fn garbage_never_panics_and_what_comes_out_is_opus(calls in prop::collection::vec(call(), 1..150)) {
        let (mut engine, mut now) = (Engine::new(), Instant::now());
        for id in 0..3 {
            apply(&mut engine, &mut now, Call::AddSource(id));
            apply(&mut engine, &mut now, Call::AddSink(id));
        }
        for call in calls {
            apply(&mut engine, &mut now, call);
            let mut handed = 0;
            while let Some((_, out)) = engine.poll_packet() {
                let packet = Packet::parse(out.opus).expect("what comes out is Opus");
                prop_assert_eq!(packet.samples(), 960);
                prop_assert!(out.opus.len() <= voice_media::MAX_OPUS);
                handed += 1;
            }
            prop_assert!(handed <= 60, "{} packets from one call", handed);
            engine.handle_timeout(now);
            prop_assert!(engine.poll_timeout().is_none_or(|due| due > now), "it would be woken for ever");
            while engine.poll_packet().is_some() {}
        }
    }

    #[test]
    fn parsing_never_panics_and_agrees_with_libopus(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let ours = Packet::parse(&bytes).ok().map(|packet| packet.samples());
        let theirs = opus2::packet::parse(&bytes).ok().and_then(|_| {
            opus2::packet::get_nb_samples(&bytes, 48_000).ok().and_then(|samples| u32::try_from(samples).ok())
        });
        prop_assert_eq!(ours, theirs);
    }

    #[test]
    fn what_is_written_is_read(toc in any::<u8>(), frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..400), 1..8)) {
        let frames: Vec<&[u8]> = frames.iter().map(Vec::as_slice).collect();
        let mut out = [0; 4_000];
        if let Some(length) = write_packet(voice_media::opus::Toc::new(toc), &frames, &mut out) {
            let packet = Packet::parse(&out[..length]).expect("well-formed");
            prop_assert_eq!(packet.frames(), frames);
        }
    }
}

#[test]
fn the_number_of_sources_and_sinks_is_bounded() {
    let (mut engine, now) = (Engine::new(), Instant::now());
    for id in 0..128 {
        assert_eq!(
            engine.add_source(SourceId::new(id), SourceSpec::new("somebody")),
            Ok(())
        );
        assert_eq!(engine.add_sink(now, SinkId::new(id), SinkSpec::new("somebody")), Ok(()));
    }
    let full = Err(EngineError::Full);
    assert_eq!(engine.add_source(SourceId::new(128), SourceSpec::new("one more")), full);
    assert_eq!(engine.add_sink(now, SinkId::new(128), SinkSpec::new("one more")), full);
    assert_eq!(
        engine.add_source(SourceId::new(5), SourceSpec::new("again")),
        Err(EngineError::Taken)
    );
    engine.remove_source(now, SourceId::new(5));
    assert_eq!(
        engine.add_source(SourceId::new(128), SourceSpec::new("one more")),
        Ok(())
    );
}

#[test]
fn an_owner_that_fetches_nothing_loses_packets_and_no_memory() {
    let (mut engine, start) = (Engine::new(), Instant::now());
    engine
        .add_source(SourceId::new(0), SourceSpec::new("somebody"))
        .expect("there is room");
    engine
        .add_sink(start, SinkId::new(0), SinkSpec::new("somebody"))
        .expect("there is room");
    let opus = encode_celt(&ALICE.speak(1_000));
    for sequence in 0..10_000_u32 {
        let now = start + sequence * voice_media::FRAME;
        let packet = InPacket {
            opus: &opus[usize::try_from(sequence).expect("small") % opus.len()],
            sequence: u64::from(sequence),
            media_time: None,
            level: None,
            marks: None,
            received: now,
        };
        engine.handle_packet(now, SourceId::new(0), &packet);
    }
    let stats = engine.stats();
    let fetched = std::iter::from_fn(|| engine.poll_packet().map(|_| ())).count();
    assert_eq!(fetched, 4_096);
    assert_eq!(stats.refused + 4_096, stats.forwarded);
}

#[test]
fn an_owner_that_comes_late_skips_a_part_of_the_mix() {
    let mut room = Room::of(3);
    let pcm = ALICE.speak(200);
    let mut packets = Speaker::webrtc(0, 0).send(&pcm, &encode_celt(&pcm));
    packets.extend(Speaker::webrtc(1, 0).send(&pcm, &encode_celt(&pcm)));
    room.run_without_end(packets);
    let before = room.engine.stats();
    assert_eq!(before.mixing, 1);
    let now = room.at(180_000) + Duration::from_mins(10);
    room.engine.handle_timeout(now);
    let waiting = std::iter::from_fn(|| room.engine.poll_packet().map(|_| ())).count();
    assert!(waiting < 20, "ten minutes are not made up for: {waiting}");
    assert_eq!(room.engine.stats().mixing, 0);
}
