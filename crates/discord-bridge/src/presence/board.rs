//! Keeps what rooms show as it is on Discord.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bridge_kit::matrix::{MatrixClient, Notices, OwnedRoomId, RoomId};
use bridge_kit::supervise;
use tokio::sync::mpsc;

use super::ghosts::Ghosts;
use super::ledger::{Outcome, Terms, Wished};
use super::pace::Pace;
use super::reader::{Found, LeftOver, Reader, RoomFacts};
use super::shown::{Shown, Spot};
use super::wording::Crowd;
use super::writer::Writer;
use super::writes::{show, tell};
use super::{News, Parts, Tally, power, unix_millis};
use crate::config::Show;
use crate::gateway::facts::{Person, UserId};
use crate::gateway::{Changes, Directory};
use crate::instruments;
use crate::links::Target;

/// How fast events are written, all rooms together. A person's state changes as often as he clicks.
const BURST: u32 = 20;
const EVERY: Duration = Duration::from_millis(100);

/// How long a notice waits for others who come or leave.
const GATHERING: Duration = Duration::from_secs(3);

/// People who are shown at once, all rooms together.
const MOST_SHOWN: usize = 16_384;

/// Rooms that are told by notices.
const MOST_TOLD: usize = 4_096;

/// What is shown, and what it is made from.
pub(super) struct Board {
    show: Show,
    ignored: HashSet<UserId>,
    directory: Directory,
    matrix: MatrixClient,
    notices: Notices,
    ghosts: Ghosts,
    /// Where the rooms lead.
    linked: BTreeMap<OwnedRoomId, Target>,
    /// Rooms that were read.
    read: BTreeSet<OwnedRoomId>,
    /// Rooms that do not let the bot show anybody.
    powerless: BTreeSet<OwnedRoomId>,
    reader: Reader,
    states: Writer<Spot, Shown>,
    told: Writer<OwnedRoomId, Crowd>,
    tally: Arc<Mutex<Tally>>,
}

/// What it acts on.
enum Wakeup {
    News(Option<News>),
    Discord(Changes),
    Found(Found),
    Written(Spot, Outcome),
    Told,
}

impl Board {
    pub(super) fn new(parts: Parts, tally: Arc<Mutex<Tally>>) -> Self {
        let Parts {
            show,
            ignored,
            directory,
            matrix,
            links,
            notices,
            pictures,
        } = parts;
        let terms = |hold, most| Terms {
            pace: Pace::new(BURST, EVERY),
            hold,
            most,
        };
        Self {
            show,
            ignored,
            directory,
            ghosts: Ghosts::new(&matrix, pictures),
            reader: Reader::new(matrix.clone(), links),
            // A request that fails is not repeated as it was: by then there may be another wish.
            matrix: matrix.impatient(),
            notices,
            linked: BTreeMap::new(),
            read: BTreeSet::new(),
            powerless: BTreeSet::new(),
            states: Writer::new(terms(Duration::ZERO, MOST_SHOWN)),
            told: Writer::new(terms(GATHERING, MOST_TOLD)),
            tally,
        }
    }

    /// Runs until nobody has news any more.
    pub(super) async fn run(mut self, mut news: mpsc::Receiver<News>) {
        let bell = self.directory.changes();
        loop {
            let (matrix, ghosts) = (&self.matrix, &self.ghosts);
            let wakeup = tokio::select! {
                news = news.recv() => Wakeup::News(news),
                changes = bell.changed() => Wakeup::Discord(changes),
                found = self.reader.next() => Wakeup::Found(found),
                (spot, outcome) = self.states.next(|write| show(matrix, ghosts, write)) => Wakeup::Written(spot, outcome),
                _ = self.told.next(|write| tell(matrix, write)) => Wakeup::Told,
            };
            match wakeup {
                Wakeup::News(None) => return,
                Wakeup::News(Some(news)) => self.on_news(news),
                Wakeup::Discord(changes) => self.on_changes(&changes),
                Wakeup::Found(found) => self.on_found(found),
                Wakeup::Written(spot, Outcome::Refused) => self.on_refused(&spot.room),
                Wakeup::Written(..) | Wakeup::Told => {}
            }
            self.count();
        }
    }

    fn on_news(&mut self, news: News) {
        match news {
            News::Connected => self.reader.find_rooms(),
            News::Changed(room) => self.reader.read(&room),
            News::Left(room) => self.forget(&room),
            News::Linked(room, target) => {
                match target {
                    Some(target) => self.linked.insert(room.clone(), target),
                    None => self.linked.remove(&room),
                };
                self.told.ledger.forget(&room);
                self.look(&room);
            }
        }
    }

    fn on_changes(&mut self, changes: &Changes) {
        // A link need not name its guild.
        let concerns =
            |target: &Target| changes.all || target.guild.is_none_or(|guild| changes.guilds.contains(&guild));
        let rooms: Vec<OwnedRoomId> = self
            .linked
            .iter()
            .filter(|(_, target)| concerns(target))
            .map(|(room, _)| room.clone())
            .collect();
        for room in rooms {
            self.look(&room);
        }
    }

    fn on_found(&mut self, found: Found) {
        match found {
            Found::Rooms(rooms) => {
                for room in rooms.iter().filter(|room| !self.read.contains(*room)) {
                    self.reader.read(room);
                }
            }
            Found::Room(room, facts) => self.on_room(&room, facts),
            Found::Nothing => {}
        }
    }

    fn on_room(&mut self, room: &RoomId, facts: RoomFacts) {
        let RoomFacts {
            target,
            power,
            left_over,
        } = facts;
        match target {
            Some(target) => self.linked.insert(room.to_owned(), target),
            None => self.linked.remove(room),
        };
        if power {
            if self.powerless.remove(room) {
                for spot in self.spots(room) {
                    self.states.ledger.retry(Instant::now(), spot);
                }
            }
        } else {
            self.powerless.insert(room.to_owned());
        }
        if self.read.insert(room.to_owned()) {
            for one in left_over {
                self.take_over(room, one);
            }
        }
        self.look(room);
    }

    /// Somebody was shown before the bridge was started.
    fn take_over(&mut self, room: &RoomId, LeftOver { key, shown, avatar_url }: LeftOver) {
        if let (Shown::Person { person, .. }, Some(address)) = (&shown, avatar_url)
            && let Some(avatar) = &person.avatar
        {
            self.ghosts.remember(person.id, avatar, &address);
        }
        let room = room.to_owned();
        self.states.ledger.found(Instant::now(), Spot { room, key }, shown);
    }

    fn on_refused(&mut self, room: &RoomId) {
        self.powerless.insert(room.to_owned());
        self.ask_for_power(room);
    }

    fn forget(&mut self, room: &RoomId) {
        for spot in self.spots(room) {
            self.states.ledger.forget(&spot);
        }
        self.told.ledger.forget(&room.to_owned());
        self.linked.remove(room);
        self.read.remove(room);
        self.powerless.remove(room);
    }

    /// Has a room show what is in its voice channel now.
    fn look(&mut self, room: &RoomId) {
        let target = self.linked.get(room);
        let crowd = match target {
            None => Vec::new(),
            Some(target) => match self.directory.crowd(target.guild, target.channel) {
                Some(crowd) => crowd,
                // Nobody can say; it stays as it is.
                None => return,
            },
        };
        let crowd: Vec<Person> = crowd
            .into_iter()
            .filter(|person| !self.ignored.contains(&person.id))
            .collect();
        match self.show {
            Show::State => self.look_for_states(room, crowd),
            Show::Off => self.look_for_states(room, Vec::new()),
            Show::Notices => {
                self.look_for_notices(room, &crowd);
                self.look_for_states(room, Vec::new());
            }
        }
    }

    fn look_for_states(&mut self, room: &RoomId, crowd: Vec<Person>) {
        if self.powerless.contains(room) {
            if !crowd.is_empty() {
                self.ask_for_power(room);
            }
            return;
        }
        let mut gone: BTreeSet<Spot> = self.spots(room).into_iter().collect();
        for person in crowd {
            let Ok(ghost) = self.matrix.ghost_id(&person.id.to_string()) else {
                continue;
            };
            let spot = Spot::of(room, &ghost);
            gone.remove(&spot);
            let since = self.states.ledger.wished(&spot).and_then(Shown::since);
            let since = since.unwrap_or_else(unix_millis);
            self.wish(spot, Some(Shown::Person { person, since }));
        }
        for spot in gone {
            self.wish(spot, None);
        }
    }

    fn wish(&mut self, spot: Spot, shown: Option<Shown>) {
        match self.states.ledger.wish(Instant::now(), spot, shown) {
            Wished::Same => {}
            Wished::Changed => instruments::PRESENCE_CHANGES.get().increment(1),
            Wished::Full => instruments::PRESENCE_WRITTEN.with(["too_many"]).increment(1),
        }
    }

    /// The first look after the start, or after a new link, is no news.
    fn look_for_notices(&mut self, room: &RoomId, crowd: &[Person]) {
        if !self.linked.contains_key(room) {
            return;
        }
        let now = Instant::now();
        let crowd: Crowd = crowd.iter().map(|person| (person.id, person.name.clone())).collect();
        let ledger = &mut self.told.ledger;
        if ledger.wished(&room.to_owned()).is_none() {
            ledger.found(now, room.to_owned(), crowd);
        } else if ledger.wish(now, room.to_owned(), Some(crowd)) == Wished::Changed {
            instruments::PRESENCE_CHANGES.get().increment(1);
        }
    }

    /// Where people are shown in a room, or were.
    fn spots(&self, room: &RoomId) -> Vec<Spot> {
        let spots = self.states.ledger.keys_from(Spot::first(room));
        spots.take_while(|spot| spot.room == room).cloned().collect()
    }

    /// Tells the room, once, what it takes.
    fn ask_for_power(&self, room: &RoomId) {
        let (notices, room) = (self.notices.clone(), room.to_owned());
        let text = format!(
            "I may not show here who is in the Discord voice channel: {}.",
            power::advice(self.matrix.bot())
        );
        let asking = async move {
            if let Err(error) = notices.once(&room, "presence-power", &text).await {
                tracing::debug!(%error, "cannot tell a room that the bot lacks power");
            }
        };
        supervise::spawn("discord.advise", "discord", asking).detach();
    }

    fn count(&self) {
        let tally = Tally {
            rooms: self.linked.len(),
            shown: self.states.ledger.len(),
            waiting: self.states.ledger.waiting() + self.told.ledger.waiting(),
            powerless: self
                .powerless
                .iter()
                .filter(|room| self.linked.contains_key(*room))
                .count(),
        };
        instruments::PRESENCE_SHOWN
            .get()
            .set(u32::try_from(tally.shown).unwrap_or(u32::MAX));
        *self.tally.lock().unwrap_or_else(PoisonError::into_inner) = tally;
    }
}
