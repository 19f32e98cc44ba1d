//! Who is in the room, and with which tracks.

use std::collections::BTreeMap;

use super::{Event, TrackRef};
use crate::livekit::message::{Loudness, Person};

/// People of one room who are told apart; more are not noticed.
const MAX_PEOPLE: usize = 1_000;
/// Tracks of one person that are looked at.
const MAX_TRACKS: usize = 16;

/// Everybody but ourselves, by the id of their presence.
#[derive(Debug, Default)]
pub(super) struct Roster {
    people: BTreeMap<String, Known>,
    /// Our own presence and identity, to tell us from the others.
    me: (String, String),
}

#[derive(Debug)]
struct Known {
    identity: String,
    version: u32,
    /// Whether each audio track is muted, by its id.
    tracks: BTreeMap<String, bool>,
}

/// Tracks that are to be subscribed to: whose, and which.
pub(super) type Wanted = Vec<(String, Vec<String>)>;

impl Roster {
    /// Takes the list of all who are there, after a join. Everything is subscribed to anew.
    pub(super) fn replace(&mut self, me: (String, String), people: Vec<Person>, events: &mut Vec<Event>) -> Wanted {
        self.me = me;
        let gone = |sid: &String| !people.iter().any(|person| person.sid == *sid);
        let gone: Vec<String> = self.people.keys().filter(|sid| gone(sid)).cloned().collect();
        for sid in gone {
            self.remove(&sid, events);
        }
        self.update(people, events);
        self.all()
    }

    /// Takes what is new about some, and returns the tracks that are new among it.
    pub(super) fn update(&mut self, people: Vec<Person>, events: &mut Vec<Event>) -> Wanted {
        let mut wanted = Wanted::new();
        for person in people {
            if person.sid == self.me.0 {
                continue;
            }
            let sid = person.sid.clone();
            let tracks = self.take(person, events);
            if !tracks.is_empty() {
                wanted.push((sid, tracks));
            }
        }
        wanted
    }

    /// All tracks, by whose they are.
    pub(super) fn all(&self) -> Wanted {
        let people = self.people.iter().filter(|(_, known)| !known.tracks.is_empty());
        people
            .map(|(sid, known)| (sid.clone(), known.tracks.keys().cloned().collect()))
            .collect()
    }

    /// Who speaks how loud, by identity.
    pub(super) fn speakers(&self, speakers: &[Loudness]) -> Vec<(String, Loudness)> {
        speakers
            .iter()
            .filter_map(|speaker| Some((self.identity(&speaker.sid)?.to_owned(), speaker.clone())))
            .collect()
    }

    fn identity(&self, sid: &str) -> Option<&str> {
        if self.me.0 == sid {
            return Some(&self.me.1);
        }
        self.people.get(sid).map(|known| known.identity.as_str())
    }

    /// Takes what is said of one person, and returns the ids of his new tracks.
    fn take(&mut self, person: Person, events: &mut Vec<Event>) -> Vec<String> {
        if person.gone {
            self.remove(&person.sid, events);
            return Vec::new();
        }
        if !self.people.contains_key(&person.sid) {
            if self.people.len() >= MAX_PEOPLE {
                return Vec::new();
            }
            events.push(Event::Joined {
                identity: person.identity.clone(),
            });
        }
        let known = self.people.entry(person.sid).or_insert_with(|| Known {
            identity: person.identity,
            version: person.version,
            tracks: BTreeMap::new(),
        });
        if person.version < known.version {
            return Vec::new();
        }
        known.version = person.version;
        let tracks = person.tracks.into_iter().filter(|track| !track.encrypted);
        let tracks: BTreeMap<_, _> = tracks.take(MAX_TRACKS).map(|track| (track.sid, track.muted)).collect();
        known.replace(tracks, events)
    }

    fn remove(&mut self, sid: &str, events: &mut Vec<Event>) {
        if let Some(mut known) = self.people.remove(sid) {
            known.replace(BTreeMap::new(), events);
            events.push(Event::Left {
                identity: known.identity,
            });
        }
    }
}

impl Known {
    /// Takes the present tracks, and returns the ids of those that are new.
    fn replace(&mut self, tracks: BTreeMap<String, bool>, events: &mut Vec<Event>) -> Vec<String> {
        for sid in self.tracks.keys().filter(|sid| !tracks.contains_key(*sid)) {
            events.push(Event::TrackEnded(self.track(sid)));
        }
        let mut new = Vec::new();
        for (sid, muted) in &tracks {
            let before = self.tracks.get(sid);
            if before.is_none() {
                new.push(sid.clone());
                events.push(Event::TrackStarted(self.track(sid)));
            }
            if before.unwrap_or(&false) != muted {
                events.push(Event::TrackMuted {
                    track: self.track(sid),
                    muted: *muted,
                });
            }
        }
        self.tracks = tracks;
        new
    }

    fn track(&self, sid: &str) -> TrackRef {
        TrackRef {
            identity: self.identity.clone(),
            sid: sid.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::livekit::message::Track;

    fn person(sid: &str, version: u32, tracks: &[(&str, bool)]) -> Person {
        Person {
            sid: format!("PA_{sid}"),
            identity: sid.into(),
            version,
            gone: false,
            tracks: tracks
                .iter()
                .map(|(sid, muted)| Track {
                    sid: (*sid).into(),
                    muted: *muted,
                    encrypted: false,
                })
                .collect(),
        }
    }

    fn gone(sid: &str) -> Person {
        Person {
            gone: true,
            ..person(sid, 9, &[])
        }
    }

    fn track(identity: &str, sid: &str) -> TrackRef {
        TrackRef {
            identity: identity.into(),
            sid: sid.into(),
        }
    }

    fn me() -> (String, String) {
        ("PA_me".into(), "me".into())
    }

    fn update(roster: &mut Roster, people: Vec<Person>) -> (Wanted, Vec<Event>) {
        let mut events = Vec::new();
        let wanted = roster.update(people, &mut events);
        (wanted, events)
    }

    #[test]
    fn b1_joins_tracks_mutes_and_leaves_are_told_once() {
        let mut roster = Roster::default();
        let (wanted, events) = update(&mut roster, vec![person("anna", 1, &[("TR_1", true)])]);
        assert_eq!(wanted, [("PA_anna".to_owned(), vec!["TR_1".to_owned()])]);
        let joined = Event::Joined {
            identity: "anna".into(),
        };
        let muted = |muted| Event::TrackMuted {
            track: track("anna", "TR_1"),
            muted,
        };
        let started = Event::TrackStarted(track("anna", "TR_1"));
        assert_eq!(events, [joined, started, muted(true)]);

        let again = update(&mut roster, vec![person("anna", 1, &[("TR_1", true)])]);
        assert_eq!(again, (Vec::new(), Vec::new()));
        let unmuted = update(&mut roster, vec![person("anna", 2, &[("TR_1", false)])]);
        assert_eq!(unmuted, (Vec::new(), vec![muted(false)]));
        let old = update(&mut roster, vec![person("anna", 1, &[])]);
        assert_eq!(old, (Vec::new(), Vec::new()), "old news");

        let (_, events) = update(&mut roster, vec![gone("anna"), gone("anna")]);
        let left = Event::Left {
            identity: "anna".into(),
        };
        assert_eq!(events, [Event::TrackEnded(track("anna", "TR_1")), left]);
    }

    #[test]
    fn b1_who_is_missing_from_a_new_list_has_left() {
        let mut roster = Roster::default();
        update(
            &mut roster,
            vec![
                person("anna", 1, &[("TR_1", false)]),
                person("ben", 1, &[("TR_2", false)]),
            ],
        );
        let mut events = Vec::new();
        let wanted = roster.replace(me(), vec![person("ben", 1, &[("TR_2", false)])], &mut events);
        assert_eq!(wanted, [("PA_ben".to_owned(), vec!["TR_2".to_owned()])]);
        let left = Event::Left {
            identity: "anna".into(),
        };
        assert_eq!(events, [Event::TrackEnded(track("anna", "TR_1")), left]);
    }

    #[test]
    fn b1_we_are_nobody_else_and_an_encrypted_track_is_none() {
        let mut roster = Roster::default();
        roster.replace(me(), Vec::new(), &mut Vec::new());
        assert_eq!(update(&mut roster, vec![person("me", 1, &[("TR_0", false)])]).1, []);
        let mut secretive = person("eve", 1, &[("TR_9", false)]);
        secretive.tracks.iter_mut().for_each(|track| track.encrypted = true);
        let (wanted, events) = update(&mut roster, vec![secretive]);
        assert_eq!(wanted, []);
        assert_eq!(events, [Event::Joined { identity: "eve".into() }]);
        let loud = |sid: &str| Loudness {
            sid: sid.into(),
            level: 0.5,
            active: true,
        };
        let heard = roster.speakers(&[loud("PA_me"), loud("PA_nobody"), loud("PA_eve")]);
        let names: Vec<_> = heard.iter().map(|(identity, _)| identity.as_str()).collect();
        assert_eq!(names, ["me", "eve"]);
    }

    #[test]
    fn b1_the_number_of_people_and_tracks_is_bounded() {
        let mut roster = Roster::default();
        let crowd = (0..2_000).map(|n| person(&n.to_string(), 1, &[])).collect();
        update(&mut roster, crowd);
        assert_eq!(roster.people.len(), MAX_PEOPLE);
        let names: Vec<String> = (0..100).map(|n| format!("TR_{n:03}")).collect();
        let tracks: Vec<_> = names.iter().map(|name| (name.as_str(), false)).collect();
        let (wanted, _) = update(&mut roster, vec![person("0", 2, &tracks)]);
        assert_eq!(wanted.first().map(|(_, tracks)| tracks.len()), Some(MAX_TRACKS));
    }
}
