//! Which tracks of which SFU are whose: pure, so that a test tells who is heard.

use std::collections::BTreeMap;

use bridge_kit::matrix::OwnedUserId;

use crate::livekit::TrackRef;
use crate::matrixrtc::focus::Focus;
use crate::matrixrtc::identity::Participant;

/// A track, and where it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TrackPlace {
    pub(super) focus: Focus,
    pub(super) track: TrackRef,
}

/// Whose a track is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Speaker {
    pub(super) user: OwnedUserId,
    pub(super) muted: bool,
}

/// The members of a call and the tracks at its SFUs, which come in any order.
#[derive(Debug, Default)]
pub(super) struct Speakers {
    participants: Vec<Participant>,
    /// Whether each is muted.
    tracks: BTreeMap<TrackPlace, bool>,
}

impl Speakers {
    pub(super) fn set_participants(&mut self, participants: Vec<Participant>) {
        self.participants = participants;
    }

    pub(super) fn start(&mut self, focus: &Focus, track: TrackRef) {
        self.tracks.entry(place(focus, track)).or_insert(false);
    }

    pub(super) fn end(&mut self, focus: &Focus, track: TrackRef) {
        self.tracks.remove(&place(focus, track));
    }

    pub(super) fn mute(&mut self, focus: &Focus, track: TrackRef, muted: bool) {
        if let Some(known) = self.tracks.get_mut(&place(focus, track)) {
            *known = muted;
        }
    }

    /// The bridge is not at this SFU any more.
    pub(super) fn forget(&mut self, focus: &Focus) {
        self.tracks.retain(|place, _| place.focus != *focus);
    }

    /// The tracks that are heard: those of members, at an SFU that the member says to publish on. A token for an SFU
    /// makes nobody a member of the call.
    pub(super) fn all(&self) -> BTreeMap<TrackPlace, Speaker> {
        let speaker = |place: &TrackPlace, muted: bool| {
            let user = self.whose(place)?.user.clone();
            Some((place.clone(), Speaker { user, muted }))
        };
        let tracks = self.tracks.iter();
        tracks.filter_map(|(place, muted)| speaker(place, *muted)).collect()
    }

    fn whose(&self, place: &TrackPlace) -> Option<&Participant> {
        self.participants.iter().find(|participant| {
            participant.foci.contains(&place.focus) && participant.identities.contains(&place.track.identity)
        })
    }
}

fn place(focus: &Focus, track: TrackRef) -> TrackPlace {
    TrackPlace {
        focus: focus.clone(),
        track,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrixrtc::testing::{ALICE, focus, user};

    const ONE: &str = "https://one.example/jwt";
    const TWO: &str = "https://two.example/jwt";

    fn alice(foci: &[&str]) -> Participant {
        Participant {
            user: user(ALICE),
            device: "PHONE".into(),
            member_id: "id".into(),
            foci: foci.iter().map(|address| focus(address)).collect(),
            identities: vec!["hash".into(), "@alice:hs:PHONE".into()],
        }
    }

    fn track(identity: &str, sid: &str) -> TrackRef {
        TrackRef {
            identity: identity.into(),
            sid: sid.into(),
        }
    }

    fn heard(speakers: &Speakers) -> Vec<String> {
        speakers.all().into_keys().map(|place| place.track.sid).collect()
    }

    #[test]
    fn b1_members_are_heard_where_they_publish_and_nobody_else() {
        let mut speakers = Speakers::default();
        // A track may be known before its owner's membership.
        speakers.start(&focus(ONE), track("@alice:hs:PHONE", "TR_1"));
        speakers.start(&focus(ONE), track("@mallory:hs:PHONE", "TR_2"));
        speakers.start(&focus(TWO), track("@alice:hs:PHONE", "TR_3"));
        assert!(heard(&speakers).is_empty());
        speakers.set_participants(vec![alice(&[ONE])]);
        assert_eq!(
            heard(&speakers),
            ["TR_1"],
            "Mallory is no member, and Alice not at the other SFU"
        );
        speakers.set_participants(vec![alice(&[ONE, TWO])]);
        assert_eq!(heard(&speakers), ["TR_1", "TR_3"]);
        speakers.start(&focus(ONE), track("hash", "TR_4"));
        assert_eq!(heard(&speakers), ["TR_1", "TR_4", "TR_3"], "by each of her identities");
        speakers.set_participants(Vec::new());
        assert!(heard(&speakers).is_empty());
    }

    #[test]
    fn b1_a_track_ends_by_itself_or_with_its_sfu() {
        let mut speakers = Speakers::default();
        speakers.set_participants(vec![alice(&[ONE, TWO])]);
        for (sfu, sid) in [(ONE, "TR_1"), (ONE, "TR_2"), (TWO, "TR_3")] {
            speakers.start(&focus(sfu), track("hash", sid));
        }
        speakers.end(&focus(ONE), track("hash", "TR_1"));
        assert_eq!(heard(&speakers), ["TR_2", "TR_3"]);
        speakers.forget(&focus(ONE));
        assert_eq!(heard(&speakers), ["TR_3"]);
    }

    #[test]
    fn s12_a_mute_is_that_of_its_track() {
        let mut speakers = Speakers::default();
        speakers.set_participants(vec![alice(&[ONE])]);
        speakers.start(&focus(ONE), track("hash", "TR_1"));
        speakers.mute(&focus(ONE), track("hash", "TR_1"), true);
        speakers.mute(&focus(ONE), track("hash", "TR_9"), true);
        // To be told of it once more changes nothing.
        speakers.start(&focus(ONE), track("hash", "TR_1"));
        let muted: Vec<bool> = speakers.all().into_values().map(|speaker| speaker.muted).collect();
        assert_eq!(muted, [true]);
    }
}
