//! Shows Matrix rooms who is in the voice channels that they are linked to, and how (S12): by a state event for each person, or
//! by notices.
//!
//! - `ledger`, `pace`: what is wished for against what is written, how fast; pure
//! - `writer`: writes what a ledger has to write; `writes`: how that is done on Matrix
//! - `shown`: what a room shows of somebody; `wording`: what it is told; `power`: whether it lets the bot; all pure
//! - `ghosts`: the Matrix users who stand for people; `reader`: finds rooms, their links and what is left over in them
//! - `board`: the task that puts these together
//! - `status`: names who is in the Matrix call in a voice channel's status; `callers`: who that is, pure

mod board;
mod callers;
mod ghosts;
pub(crate) mod ledger;
pub(crate) mod pace;
pub(crate) mod power;
mod reader;
mod shown;
pub(crate) mod status;
mod wording;
pub(crate) mod writer;
mod writes;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use bridge_kit::matrix::{Links, MatrixClient, MatrixEvent, Notices, OwnedRoomId};
use bridge_kit::supervise::{self, Task};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use url::Url;

use self::board::Board;
use self::power::LEVELS;
use crate::config::Show;
use crate::gateway::Directory;
use crate::gateway::facts::UserId;
use crate::links::Target;

/// News that may wait; they are taken in at once.
const QUEUE: usize = 64;

/// What it is made of.
pub(crate) struct Parts {
    pub(crate) show: Show,
    /// People who are never carried to Matrix.
    pub(crate) ignored: HashSet<UserId>,
    pub(crate) directory: Directory,
    pub(crate) matrix: MatrixClient,
    pub(crate) links: Links,
    pub(crate) notices: Notices,
    /// Where Discord's pictures are.
    pub(crate) pictures: Url,
}

/// Something that happened on the Matrix side.
#[derive(Debug)]
enum News {
    /// The homeserver is there, for the first time or again.
    Connected,
    /// A room leads there now, or nowhere.
    Linked(OwnedRoomId, Option<Target>),
    /// What is known of a room may be wrong.
    Changed(OwnedRoomId),
    /// The bot is not in a room any more.
    Left(OwnedRoomId),
}

/// What time it is, in milliseconds since 1970.
fn unix_millis() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// What `/status` shows.
#[derive(Debug, Default, Clone, Copy)]
struct Tally {
    rooms: usize,
    shown: usize,
    waiting: usize,
    powerless: usize,
}

/// The task that shows people. Dropping it ends it.
pub(crate) struct Presence {
    show: Show,
    bot: String,
    news: mpsc::Sender<News>,
    tally: Arc<Mutex<Tally>>,
    _task: Task<()>,
}

impl Presence {
    pub(crate) fn start(parts: Parts) -> Self {
        let (news, told) = mpsc::channel(QUEUE);
        let tally = Arc::<Mutex<Tally>>::default();
        let (show, bot) = (parts.show, parts.matrix.bot().to_string());
        let board = Board::new(parts, Arc::clone(&tally));
        Self {
            show,
            bot,
            news,
            tally,
            _task: supervise::spawn("discord.presence", "discord", board.run(told)),
        }
    }

    /// Takes note of what happens on Matrix.
    pub(crate) async fn heed(&self, event: &MatrixEvent) {
        if let Some(news) = self.news_of(event) {
            // The task ends with the program alone.
            let _ = self.news.send(news).await;
        }
    }

    fn news_of(&self, event: &MatrixEvent) -> Option<News> {
        match event {
            MatrixEvent::Connected { .. } => Some(News::Connected),
            MatrixEvent::Link(change) => {
                let target = change.link.as_ref().and_then(|link| Target::of(link).ok());
                Some(News::Linked(change.room_id.clone(), target))
            }
            MatrixEvent::Room(event) => match event.membership() {
                Some((user, "join")) if user == self.bot => Some(News::Changed(event.room_id.clone())),
                Some((user, "leave" | "ban")) if user == self.bot => Some(News::Left(event.room_id.clone())),
                _ if event.kind == LEVELS => Some(News::Changed(event.room_id.clone())),
                _ => None,
            },
        }
    }

    /// For `/status`.
    pub(crate) fn status(&self) -> Value {
        let tally = *self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        json!({
            "show": match self.show {
                Show::State => "state",
                Show::Notices => "notices",
                Show::Off => "off",
            },
            "rooms": tally.rooms,
            "shown": tally.shown,
            "waiting": tally.waiting,
            "rooms_without_power": tally.powerless,
        })
    }
}
