//! The bot's one place in the voice channels of a guild.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bridge_kit::supervise;
use songbird::Songbird;
use songbird::error::JoinError;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard, oneshot};
use tokio::time::timeout;

use crate::gateway::Directory;
use crate::gateway::facts::GuildId;

/// How long leaving may take; the request is sent within half a second, and answered at once.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(3);

/// Who waits for which guild's seat.
#[derive(Clone)]
pub(super) struct Seats {
    songbird: Arc<Songbird>,
    directory: Directory,
    guilds: Arc<Mutex<HashMap<GuildId, Arc<AsyncMutex<()>>>>>,
}

impl Seats {
    pub(super) fn new(songbird: Arc<Songbird>, directory: Directory) -> Self {
        Self {
            songbird,
            directory,
            guilds: Arc::default(),
        }
    }

    /// Waits until whoever had the guild's seat has left it: songbird has one call a guild, and a farewell that comes after
    /// the next greeting would end the wrong one.
    pub(super) async fn take(&self, guild: GuildId) -> Seat {
        let free = self.guild(guild).lock_owned().await;
        Seat {
            songbird: Arc::clone(&self.songbird),
            directory: self.directory.clone(),
            guild,
            free: Some(free),
        }
    }

    fn guild(&self, guild: GuildId) -> Arc<AsyncMutex<()>> {
        let mut guilds = self.guilds.lock().unwrap_or_else(PoisonError::into_inner);
        guilds.retain(|other, seat| *other == guild || Arc::strong_count(seat) > 1);
        Arc::clone(guilds.entry(guild).or_default())
    }
}

/// The bot's seat in a guild. Dropped, it is given up in the background.
pub(super) struct Seat {
    songbird: Arc<Songbird>,
    directory: Directory,
    guild: GuildId,
    /// Goes with the farewell.
    free: Option<OwnedMutexGuard<()>>,
}

impl Seat {
    /// Leaves the voice channel; returns when Discord has been told, or could not be.
    pub(super) async fn leave(mut self) {
        let left = self.say_farewell();
        // An error means that the runtime is going away, and the connection with it.
        let _ = left.await;
    }

    /// In a task of its own: a farewell that is begun must come to its end, whatever becomes of who asked for it.
    fn say_farewell(&mut self) -> oneshot::Receiver<()> {
        let (done, left) = oneshot::channel();
        if let Some(free) = self.free.take() {
            let (songbird, directory, guild) = (Arc::clone(&self.songbird), self.directory.clone(), self.guild);
            let farewell = async move {
                if timeout(LEAVE_TIMEOUT, give_up(&songbird, &directory, guild))
                    .await
                    .is_err()
                {
                    tracing::warn!("leaving a voice channel took too long");
                }
                drop(free);
                // Nobody waits for a seat that was dropped.
                let _ = done.send(());
            };
            supervise::spawn("discord.leave", guild, farewell).detach();
        }
        left
    }
}

/// Leaves, and waits until Discord has said so: its word would otherwise be taken for the end of the next call.
async fn give_up(songbird: &Songbird, directory: &Directory, guild: GuildId) {
    if let Some(call) = songbird.get(guild.0) {
        // A call whose farewell fails is kept by songbird, and must not be heard twice when it is joined again.
        call.lock().await.remove_all_global_events();
    }
    match songbird.remove(guild.0).await {
        Ok(()) => directory.bot_left(guild).await,
        // There is no call where joining has not come that far.
        Err(JoinError::NoCall) => {}
        Err(error) => tracing::debug!(%guild, %error, "could not leave a voice channel in order"),
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        drop(self.say_farewell());
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use super::*;

    fn guild(number: u64) -> GuildId {
        GuildId(NonZeroU64::new(number).unwrap())
    }

    #[tokio::test]
    async fn a_seat_is_free_when_the_one_before_has_been_left() {
        let seats = Seats::new(Songbird::serenity(), Directory::default());
        let first = seats.take(guild(1)).await;
        let mut second = std::pin::pin!(seats.take(guild(1)));
        tokio::select! {
            biased;
            _ = &mut second => panic!("taken twice"),
            _ = seats.take(guild(2)) => {}
        }
        drop(first);
        timeout(Duration::from_secs(5), second)
            .await
            .expect("free after the farewell");
        assert!(seats.guilds.lock().unwrap().len() <= 2);
    }
}
