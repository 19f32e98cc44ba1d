//! Who is in the call of a room.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use bridge_kit::config::Pattern;
use bridge_kit::matrix::{OwnedEventId, OwnedUserId};

use super::event::{Kind, MemberEvent, Membership, Place, Selection};
use super::focus::Focus;
use super::identity::{Participant, hashed, spelled_out};
use super::moment::Moment;

/// Most memberships of a room that are kept; more than anybody has seen in a call.
const MAX_PLACES: usize = 512;

/// How long somebody who has left the call is heard all the same, as long as he speaks: a homeserver that was away takes
/// out who could not put off his delayed leave, and he joins again without having stopped.
const GRACE: Duration = Duration::from_secs(10);

/// Who the bridge is in a call, and who else is no person.
#[derive(Debug, Clone)]
pub struct Cast {
    /// The bridge's bot.
    pub user: OwnedUserId,
    /// The bot's device.
    pub device: String,
    /// Programs: they are heard, and nobody stays for them.
    pub bots: Vec<Pattern>,
}

/// All memberships of a room that hold.
#[derive(Debug)]
pub(super) struct Roster {
    cast: Cast,
    service_members: BTreeSet<OwnedUserId>,
    places: BTreeMap<Place, Vec<Member>>,
    /// Who has just left the call, but not the room.
    fading: Vec<Member>,
}

#[derive(Debug, Clone)]
struct Member {
    user: OwnedUserId,
    membership: Membership,
    /// The event that says so.
    event_id: OwnedEventId,
    until: Instant,
}

impl Roster {
    pub(super) fn new(cast: Cast) -> Self {
        Self {
            cast,
            service_members: BTreeSet::new(),
            places: BTreeMap::new(),
            fading: Vec::new(),
        }
    }

    /// Takes an event; false if there is no room for what it says.
    pub(super) fn apply(&mut self, now: Moment, event: &MemberEvent) -> bool {
        let before = self.places.remove(&event.place).unwrap_or_default();
        let member = |membership: &Membership| {
            Some(Member {
                user: event.sender.clone(),
                event_id: event.event_id.clone(),
                until: now.when(membership.expires_ms)?,
                membership: membership.clone(),
            })
        };
        let members: Vec<Member> = event.memberships.iter().filter_map(member).collect();
        if members.is_empty() {
            self.fade(now, before);
            return true;
        }
        if self.places.len() >= MAX_PLACES && event.sender != self.cast.user {
            return false;
        }
        self.places.insert(event.place.clone(), members);
        true
    }

    fn fade(&mut self, now: Moment, left: Vec<Member>) {
        let until = now.instant + GRACE;
        let others = left.into_iter().filter(|member| member.user != self.cast.user);
        let room = MAX_PLACES.saturating_sub(self.fading.len());
        self.fading
            .extend(others.take(room).map(|member| Member { until, ..member }));
    }

    /// Takes everybody out who has left the room: only those who are in it can be in its call.
    pub(super) fn forget(&mut self, user: &OwnedUserId) {
        self.retain(|member| member.user != *user);
    }

    pub(super) fn set_service_members(&mut self, users: BTreeSet<OwnedUserId>) {
        self.service_members = users;
    }

    /// Takes those out whose time is over.
    pub(super) fn expire(&mut self, now: Moment) {
        self.retain(|member| member.until > now.instant);
    }

    pub(super) fn next_expiry(&self) -> Option<Instant> {
        self.everybody().chain(&self.fading).map(|member| member.until).min()
    }

    /// How many people there are for whom it is worth being here.
    pub(super) fn callers(&self) -> usize {
        self.others().filter(|member| !self.is_program(&member.user)).count()
    }

    /// The places that hold memberships of the bridge.
    pub(super) fn own_places(&self) -> Vec<Place> {
        let places = self.places.keys().filter(|place| self.own(place).is_some());
        places.cloned().collect()
    }

    /// The bridge's own membership in a place: its event, and when it began.
    pub(super) fn own(&self, place: &Place) -> Option<(&OwnedEventId, u64)> {
        let members = self.places.get(place)?;
        let own = members.iter().find(|member| member.user == self.cast.user)?;
        Some((&own.event_id, own.membership.created_ms))
    }

    /// The SFUs that the others publish on, those of whoever has been here longest first.
    pub(super) fn foci(&self) -> Vec<Focus> {
        let mut foci: Vec<Focus> = Vec::new();
        for member in self.by_age() {
            for focus in self.published(member) {
                if !foci.contains(&focus) {
                    foci.push(focus);
                }
            }
        }
        foci
    }

    /// The others, by user and device, and who has just left.
    pub(super) fn participants(&self) -> Vec<Participant> {
        let mut participants: Vec<Participant> = self.audible().map(|member| self.participant(member)).collect();
        participants.sort_by(|one, other| (&one.user, &one.device).cmp(&(&other.user, &other.device)));
        participants
    }

    fn participant(&self, member: &Member) -> Participant {
        let (user, membership) = (&member.user, &member.membership);
        let plain = spelled_out(user.as_str(), &membership.device);
        let secret = hashed(user.as_str(), &membership.device, &membership.member_id);
        // lk-jwt-service 0.4.0 took the member's id as it was. Whoever made his id look like another's identity would
        // pass for him, so that is the last guess, and no guess at all where it could be one of the other kind.
        let bare = membership.member_id.clone();
        let identities = match membership.kind {
            Kind::State => vec![plain],
            Kind::Sticky if bare.starts_with('@') => vec![secret, plain],
            Kind::Sticky => vec![secret, plain, bare],
        };
        Participant {
            user: user.clone(),
            device: membership.device.clone(),
            member_id: membership.member_id.clone(),
            foci: self.published(member),
            identities,
        }
    }

    /// Where somebody's voice is to be found.
    fn published(&self, member: &Member) -> Vec<Focus> {
        let membership = &member.membership;
        match (membership.kind, membership.selection) {
            (Kind::Sticky, _) => membership.foci.clone(),
            (Kind::State, Selection::Own) => membership.foci.iter().take(1).cloned().collect(),
            (Kind::State, Selection::Oldest) => self.oldest_focus().into_iter().collect(),
        }
    }

    /// The SFU that `oldest_membership` points to; the bridge's own membership has a say in that too.
    fn oldest_focus(&self) -> Option<Focus> {
        let oldest = self.everybody().filter(|member| !member.membership.foci.is_empty());
        let oldest = oldest.min_by_key(|member| (member.membership.created_ms, &member.user))?;
        oldest.membership.foci.first().cloned()
    }

    fn by_age(&self) -> Vec<&Member> {
        let mut members: Vec<&Member> = self.audible().collect();
        members.sort_by_key(|member| (member.membership.created_ms, &member.user));
        members
    }

    /// One membership for each device of others.
    fn others(&self) -> impl Iterator<Item = &Member> {
        self.devices().into_values()
    }

    /// The same, and for devices without one that which has just ended.
    fn audible(&self) -> impl Iterator<Item = &Member> {
        let mut devices = self.devices();
        for member in self.fading.iter().rev() {
            devices.entry(member.device()).or_insert(member);
        }
        devices.into_values()
    }

    /// The memberships of others by device; where one has several, the newest kind counts.
    fn devices(&self) -> BTreeMap<(&OwnedUserId, &str), &Member> {
        let mut devices: BTreeMap<(&OwnedUserId, &str), &Member> = BTreeMap::new();
        for member in self.everybody().filter(|member| member.user != self.cast.user) {
            let key = member.device();
            let rank = |member: &Member| (member.membership.kind, member.membership.created_ms);
            let known = devices.entry(key).or_insert(member);
            if rank(member) > rank(known) {
                *known = member;
            }
        }
        devices
    }

    fn everybody(&self) -> impl Iterator<Item = &Member> {
        self.places.values().flatten()
    }

    fn is_program(&self, user: &OwnedUserId) -> bool {
        self.service_members.contains(user) || self.cast.bots.iter().any(|bot| bot.matches(user))
    }

    fn retain(&mut self, keep: impl Fn(&Member) -> bool) {
        self.places.retain(|_, members| {
            members.retain(&keep);
            !members.is_empty()
        });
        self.fading.retain(keep);
    }
}

impl Member {
    fn device(&self) -> (&OwnedUserId, &str) {
        (&self.user, &self.membership.device)
    }
}
