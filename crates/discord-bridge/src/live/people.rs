//! Who is in the voice channel beside the bot.

use std::time::Duration;

use tokio::time::timeout;

use super::{Bench, id, with_standin};
use crate::gateway::GatewayEvent;
use crate::gateway::facts::UserId;

impl Bench {
    /// Who is in the voice channel once the gateway has told that somebody came or left.
    async fn people_after_move(&mut self) -> Vec<UserId> {
        let moved = GatewayEvent::PeopleMoved(self.at.guild);
        let told = async { while self.bot.events.recv().await != Some(moved) {} };
        timeout(Duration::from_secs(15), told)
            .await
            .expect("the gateway tells of it");
        self.bot.directory.people(self.at).expect("the channel is known")
    }
}

/// What the other bridge is told: who comes and leaves, and not the bot itself.
#[tokio::test(flavor = "multi_thread")]
async fn who_comes_and_leaves_is_known() {
    with_standin("people::who_comes_and_leaves_is_known", async |info| {
        let mut bench = Bench::new(info).await;
        let channel = bench.info.voice_channel_id.clone();
        let alice = bench.control.create_person("alice").await.unwrap().id;
        let bob = bench.control.create_person("bob").await.unwrap().id;
        let [alice_id, bob_id] = [&alice, &bob].map(|user| UserId(id(user)));

        bench.control.join(&alice, &channel).await.unwrap();
        assert_eq!(bench.people_after_move().await, [alice_id]);
        let (session, _line) = bench.join().await;
        bench.control.join(&bob, &channel).await.unwrap();
        let mut both = [alice_id, bob_id];
        both.sort_unstable();
        assert_eq!(bench.people_after_move().await, both);
        bench.control.leave(&alice).await.unwrap();
        assert_eq!(bench.people_after_move().await, [bob_id]);
        session.leave().await;
    })
    .await;
}
