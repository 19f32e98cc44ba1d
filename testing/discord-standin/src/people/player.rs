//! Speaks as people, from files or live: every frame leaves on an absolute 20 ms clock, from one thread of its own.

use std::{
    collections::HashMap,
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::{
    live::Live,
    sound::{FRAME, Frames},
};
use crate::{
    clock::Clock,
    control::types::Playback,
    snowflake::Snowflake,
    voice::{Voice, frames::SILENCE},
};

/// One frame.
const TICK: Duration = Duration::from_millis(20);
const TICK_NS: u64 = 20_000_000;
/// A clock that is this far behind starts anew instead of sending everything at once.
const LATEST: Duration = Duration::from_secs(1);
/// Silence frames at the end of speech.
const SILENCES: u8 = 5;
/// The flags of op 5 for the microphone, and for a priority speaker.
const MICROPHONE: u32 = 1;
const PRIORITY: u32 = 1 << 2;

/// The way to the playing thread.
#[derive(Clone, Debug)]
pub(crate) struct Player {
    clock: Clock,
    mouths: Arc<Mutex<HashMap<Snowflake, Mouth>>>,
}

/// One person's mouth: what it says, and RTP counters that go on from file to file.
#[derive(Debug)]
struct Mouth {
    file: Option<File>,
    live: Live,
    sequence: u16,
    timestamp_origin: u32,
    /// Silence frames that are still to follow; all of them while speaking.
    silences_left: u8,
    priority: bool,
}

/// The present or last file.
#[derive(Debug)]
struct File {
    frames: Frames,
    next: usize,
    looping: bool,
    started_ns: Option<u64>,
    finished_ns: Option<u64>,
    announce: Option<oneshot::Sender<()>>,
    sent: u64,
    loops: u64,
}

impl Mouth {
    fn new() -> Self {
        Self {
            file: None,
            live: Live::default(),
            sequence: rand::random(),
            timestamp_origin: rand::random(),
            silences_left: 0,
            priority: false,
        }
    }

    /// How op 5 says that he speaks.
    fn flags(&self) -> u32 {
        if self.priority {
            MICROPHONE | PRIORITY
        } else {
            MICROPHONE
        }
    }

    fn is_idle(&self) -> bool {
        let played = self.file.as_ref().is_none_or(|file| file.finished_ns.is_some());
        played && self.live.is_empty() && self.silences_left == 0
    }
}

impl File {
    fn new(frames: Frames, looping: bool, announce: oneshot::Sender<()>) -> Self {
        Self {
            frames,
            next: 0,
            looping,
            started_ns: None,
            finished_ns: None,
            announce: Some(announce),
            sent: 0,
            loops: 0,
        }
    }

    /// The frame that is due now.
    fn take(&mut self, now_ns: u64) -> Option<Arc<[u8]>> {
        self.started_ns.get_or_insert(now_ns);
        if self.next >= self.frames.len() && self.looping && !self.frames.is_empty() {
            self.next = 0;
            self.loops += 1;
        }
        let frame = self.frames.get(self.next).cloned();
        match &frame {
            Some(_) => self.next += 1,
            None => {
                self.finished_ns.get_or_insert(now_ns);
            }
        }
        frame
    }

    fn playback(&self) -> Playback {
        let frames = self.frames.len() as u64;
        Playback {
            playing: self.finished_ns.is_none(),
            started_at_ns: self.started_ns.unwrap_or_default(),
            frames,
            duration_ns: frames * TICK_NS,
            looping: self.looping,
            sent: self.sent,
            loops: self.loops,
            finished_at_ns: self.finished_ns,
        }
    }
}

impl Player {
    pub(crate) fn new(clock: Clock) -> Self {
        Self {
            clock,
            mouths: Arc::default(),
        }
    }

    /// Starts the thread.
    pub(crate) fn spawn(&self, voice: Arc<Voice>, stop: Arc<AtomicBool>) -> io::Result<JoinHandle<()>> {
        let player = self.clone();
        std::thread::Builder::new()
            .name("people".to_owned())
            .spawn(move || player.run(&voice, &stop))
    }

    /// Plays a file as a person; the receiver hears when the first frame has left.
    pub(crate) fn play(&self, user: Snowflake, frames: Frames, looping: bool) -> oneshot::Receiver<()> {
        let (announce, announced) = oneshot::channel();
        let mut mouths = self.mouths.lock();
        let mouth = mouths.entry(user).or_insert_with(Mouth::new);
        mouth.file = Some(File::new(frames, looping, announce));
        announced
    }

    /// Says one frame as a person, as soon as the clock allows; false when an older one had to give way.
    pub(crate) fn talk(&self, user: Snowflake, opus: Arc<[u8]>) -> bool {
        let mut mouths = self.mouths.lock();
        mouths.entry(user).or_insert_with(Mouth::new).live.push(opus)
    }

    /// Ends a playback; silence frames follow.
    pub(crate) fn set_priority(&self, user: Snowflake, priority: bool) {
        self.mouths.lock().entry(user).or_insert_with(Mouth::new).priority = priority;
    }

    pub(crate) fn stop(&self, user: Snowflake) {
        let mut mouths = self.mouths.lock();
        if let Some(file) = mouths.get_mut(&user).and_then(|mouth| mouth.file.as_mut()) {
            file.looping = false;
            file.next = file.frames.len();
        }
    }

    /// What a person plays or played last.
    pub(crate) fn playback(&self, user: Snowflake) -> Option<Playback> {
        let mouths = self.mouths.lock();
        mouths.get(&user)?.file.as_ref().map(File::playback)
    }

    /// Forgets a person who left the guild.
    pub(crate) fn forget(&self, user: Snowflake) {
        self.mouths.lock().remove(&user);
    }

    fn run(&self, voice: &Voice, stop: &AtomicBool) {
        let mut due = Instant::now();
        let mut tick: u32 = 0;
        while !stop.load(Ordering::Relaxed) {
            let now = Instant::now();
            if now.saturating_duration_since(due) > LATEST {
                due = now;
            }
            std::thread::sleep(due.saturating_duration_since(now));
            self.tick(voice, tick);
            due += TICK;
            tick = tick.wrapping_add(1);
        }
    }

    fn tick(&self, voice: &Voice, tick: u32) {
        let mut mouths = self.mouths.lock();
        for (user, mouth) in mouths.iter_mut() {
            if !mouth.is_idle() {
                self.advance(voice, *user, mouth, tick);
            }
        }
    }

    fn advance(&self, voice: &Voice, user: Snowflake, mouth: &mut Mouth, tick: u32) {
        let now_ns = self.clock.now_ns();
        // Live speech goes before a file. While that or mute keeps it from being heard, the file runs on unheard, as
        // speech into a muted microphone does.
        let live = mouth.live.take();
        let file = mouth.file.as_mut().and_then(|file| file.take(now_ns));
        let from_file = live.is_none();
        let audible = live.or(file).filter(|_| voice.may_be_heard(user));
        let mut said = false;
        if let Some(opus) = &audible {
            if voice.speaking_flags(user) != mouth.flags() {
                voice.set_speaking(user, mouth.flags());
            }
            said = say(voice, user, mouth, tick, opus);
            mouth.silences_left = SILENCES;
        } else if mouth.silences_left > 0 {
            say(voice, user, mouth, tick, &Arc::from(SILENCE));
            mouth.silences_left -= 1;
            if mouth.silences_left == 0 {
                voice.set_speaking(user, 0);
            }
        }
        if let Some(file) = &mut mouth.file {
            file.sent += u64::from(from_file && said);
            if let Some(announce) = file.announce.take() {
                // Whoever asked may have gone away meanwhile, which changes nothing.
                let _gone = announce.send(());
            }
        }
    }
}

/// Says a frame; false when it could not be said. Its number is used up only if it was.
fn say(voice: &Voice, user: Snowflake, mouth: &mut Mouth, tick: u32, opus: &Arc<[u8]>) -> bool {
    let frame = u32::try_from(FRAME).unwrap_or_default();
    let timestamp = mouth.timestamp_origin.wrapping_add(tick.wrapping_mul(frame));
    let said = voice.speak(user, mouth.sequence, timestamp, opus);
    if said {
        mouth.sequence = mouth.sequence.wrapping_add(1);
    }
    said
}
