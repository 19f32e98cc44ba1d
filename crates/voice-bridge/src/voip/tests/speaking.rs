//! A caller's device is told who speaks on Discord (S11).

use bridge_kit::channel::{Person, PersonId, SpeakerId};

use super::*;

/// Frames of speech, as a Discord bridge marks them.
struct Mouth {
    source: bridge_kit::media::MediaSource,
    sequence: u64,
}

impl Mouth {
    async fn say(&mut self, caller: &mut Caller, frames: u64, marks: u64) {
        for _ in 0..frames {
            self.source.push(&InPacket {
                opus: &[0xf8, 0xdc, 1, 0x55],
                sequence: self.sequence,
                media_time: None,
                level: None,
                marks: Some(marks),
                received: Instant::now(),
            });
            self.sequence += 1;
            let _ = tokio::time::timeout(Duration::from_millis(20), caller.turn()).await;
        }
    }
}

fn dora() -> Person {
    Person {
        speaker: SpeakerId::new(4),
        ..Person::new(PersonId::new("80").expect("an id")).named("Dora")
    }
}

#[tokio::test]
async fn s11_the_calling_device_is_told_who_speaks_and_when_it_is_over() {
    let mut desk = Desk::new(Some(Admission::Bridged));
    let (mut caller, asked) = connected(&mut desk, "c1").await;
    asked.say(SessionEvent::People(vec![dora()])).await;
    let source = asked.media.add_source(SourceSpec::new("vdp").gated());
    let mut mouth = Mouth { source, sequence: 0 };
    mouth.say(&mut caller, 10, 1 << 4).await;
    let expected = |speakers: Value| {
        let content = json!({"room_id": room().as_str(), "call_id": "c1", "speakers": speakers});
        (ALICE.to_owned(), "PHONE".to_owned(), "vdp.speaking", content)
    };
    let told = desk.world.homeserver.told().await;
    assert_eq!(told, expected(json!([{"id": "80", "name": "Dora"}])));
    // Nothing more comes: the source's hangover ends it.
    let told = desk.world.homeserver.told().await;
    assert_eq!(told, expected(json!([])));

    // What was not taken is said again.
    *desk.world.homeserver.refuses.lock().expect("a lock") = true;
    mouth.say(&mut caller, 10, 1 << 4).await;
    let first = desk.world.homeserver.told().await;
    assert_eq!(first, expected(json!([{"id": "80", "name": "Dora"}])));
    desk.world.homeserver.told().await;
    *desk.world.homeserver.refuses.lock().expect("a lock") = false;
}
