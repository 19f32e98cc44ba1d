//! The callee's side of one call, without input, output or clock.
//!
//! The contract: hand in one [`Input`], perform every [`Action`] in order, ask [`Machine::poll_timeout`]
//! for the next deadline, and hand in [`Input::Timeout`] when it has passed. Each state is a type of its
//! own file and holds only what that state needs.

mod answered;
mod answering;
mod closing;
mod established;
mod ringing;
mod taking_over;
#[cfg(test)]
mod tests;
mod vocabulary;

use std::time::{Duration, Instant};

use self::answered::Answered;
use self::answering::Answering;
use self::closing::Closing;
use self::established::Established;
use self::ringing::Ringing;
use self::taking_over::TakingOver;
pub use self::vocabulary::{
    Action, Addressing, ChannelEnd, Description, EndReason, Ignored, Incoming, Inherited, Input, MediaFailure, Parties,
    Timer, Trouble,
};
use super::event::{Body, CallEvent, HangupReason, Version};
use super::metadata::StreamMetadata;

/// How long the media may take to connect after the answer; matrix-js-sdk gives up no earlier.
const CONNECT_WITHIN: Duration = Duration::from_secs(30);
/// How long a broken media path may take to come back, the client's ICE restart included.
const RECONNECT_WITHIN: Duration = Duration::from_secs(30);
/// How long the hangup of a caller whose media has ended may take.
const HANGUP_WITHIN: Duration = Duration::from_secs(2);
/// Candidates kept until there is something to give them to; browsers have about ten.
const MAX_EARLY_CANDIDATES: usize = 128;

/// The state machine of one call.
#[derive(Debug)]
pub struct Machine {
    dialog: Dialog,
    state: State,
}

#[derive(Debug)]
enum State {
    Ringing(Ringing),
    Answering(Answering),
    Answered(Answered),
    TakingOver(TakingOver),
    Established(Established),
    Closing(Closing),
    Ended,
}

/// What every state knows: who takes part, and what has come so far.
#[derive(Debug)]
struct Dialog {
    parties: Parties,
    muted: bool,
}

/// The actions of one step, in order.
type Actions = Vec<Action>;

impl Machine {
    /// Starts a call from its invite. The first actions ask for a channel, or end an invite that is too old.
    pub fn ring(now: Instant, incoming: Incoming) -> (Self, Vec<Action>) {
        let Incoming { parties, invite, age } = incoming;
        let mut actions = Actions::new();
        let dialog = Dialog {
            parties,
            muted: invite.metadata.usermedia_muted(),
        };
        let state = match invite.lifetime.checked_sub(age) {
            Some(left) if !left.is_zero() => {
                actions.push(Action::AskChannel);
                actions.push(Action::Muted(dialog.muted));
                State::Ringing(Ringing::new(invite.sdp, now + left))
            }
            _ => State::end(EndReason::InviteExpired, &mut actions),
        };
        (Self { dialog, state }, actions)
    }

    /// Goes on with a call that an earlier run of the bridge had answered. The first actions ask for a channel and
    /// make a new media session.
    pub fn take_over(now: Instant, inherited: Inherited) -> (Self, Vec<Action>) {
        let dialog = Dialog {
            parties: inherited.parties,
            muted: inherited.muted,
        };
        let sdp = inherited.theirs;
        let negotiate = if inherited.unanswered {
            Action::Renegotiate { sdp }
        } else {
            Action::Propose { theirs: sdp }
        };
        let actions = vec![
            Action::AskChannel,
            Action::Muted(dialog.muted),
            Action::Resume { ours: inherited.ours },
            negotiate,
        ];
        let state = State::TakingOver(TakingOver::new(now + RECONNECT_WITHIN));
        (Self { dialog, state }, actions)
    }

    /// Takes one input; the actions are to be performed in order.
    #[must_use]
    pub fn handle(&mut self, now: Instant, input: Input) -> Vec<Action> {
        let mut actions = Actions::new();
        if self.is_ended() {
            return actions;
        }
        let state = std::mem::replace(&mut self.state, State::Ended);
        self.state = match self.dialog.admit(input, &mut actions) {
            Some(input) => state.step(now, input, &mut self.dialog, &mut actions),
            None => state,
        };
        actions
    }

    /// The next deadline and what it is for. To be asked after every [`Machine::handle`].
    #[must_use]
    pub fn poll_timeout(&self) -> Option<(Instant, Timer)> {
        match &self.state {
            State::Ringing(ringing) => Some((ringing.expires, Timer::InviteExpires)),
            State::Answering(answering) => Some((answering.expires, Timer::InviteExpires)),
            State::Answered(answered) => Some((answered.connect_by, Timer::Connect)),
            State::TakingOver(taking_over) => Some((taking_over.reconnect_by, Timer::TakeOver)),
            State::Established(established) => Some((established.reconnect_by?, Timer::Reconnect)),
            State::Closing(closing) => Some((closing.hang_up_at, Timer::Goodbye)),
            State::Ended => None,
        }
    }

    /// Who called.
    pub fn caller(&self) -> &str {
        &self.dialog.parties.caller
    }

    /// Who takes part.
    pub fn parties(&self) -> &Parties {
        &self.dialog.parties
    }

    /// Whether the call is over.
    pub fn is_ended(&self) -> bool {
        matches!(self.state, State::Ended)
    }

    /// One word for status pages.
    pub fn phase(&self) -> &'static str {
        match &self.state {
            State::Ringing(_) => "ringing",
            State::Answering(_) => "answering",
            State::Answered(_) => "connecting",
            State::TakingOver(_) => "taking over",
            State::Established(_) => "connected",
            State::Closing(_) => "closing",
            State::Ended => "ended",
        }
    }
}

impl State {
    fn step(self, now: Instant, input: Input, dialog: &mut Dialog, actions: &mut Actions) -> Self {
        match self {
            Self::Ringing(state) => state.handle(input, now, dialog, actions),
            Self::Answering(state) => state.handle(input, now, dialog, actions),
            Self::Answered(state) => state.handle(input, now, dialog, actions),
            Self::TakingOver(state) => state.handle(input, now, dialog, actions),
            Self::Established(state) => state.handle(input, now, dialog, actions),
            Self::Closing(state) => state.handle(input, now, dialog, actions),
            Self::Ended => Self::Ended,
        }
    }

    /// Ends without a word to the room.
    fn end(reason: EndReason, actions: &mut Actions) -> Self {
        actions.push(Action::End(reason));
        Self::Ended
    }

    /// Ends a call that has been answered, and tells the caller why.
    fn hang_up(dialog: &Dialog, hangup: HangupReason, reason: EndReason, actions: &mut Actions) -> Self {
        actions.push(dialog.send(Body::Hangup { reason: hangup }));
        Self::end(reason, actions)
    }

    /// Goes on from the end of the media session of a call that has been answered.
    fn after_media(failure: MediaFailure, now: Instant, dialog: &Dialog, actions: &mut Actions) -> Self {
        match failure {
            MediaFailure::ClosedByPeer => Self::Closing(Closing {
                hang_up_at: now + HANGUP_WITHIN,
            }),
            MediaFailure::Broken => Self::hang_up(dialog, HangupReason::UnknownError, EndReason::MediaFailed, actions),
        }
    }

    /// Ends a call that was not answered. Only an invite that names the bot is rejected, because
    /// clients end a call for everybody when anybody rejects it.
    fn refuse(dialog: &Dialog, hangup: HangupReason, reason: EndReason, actions: &mut Actions) -> Self {
        if dialog.parties.addressing == Addressing::Bot {
            let body = match dialog.parties.version {
                Version::Zero => Body::Hangup { reason: hangup },
                Version::One => Body::Reject { reason: Some(hangup) },
            };
            actions.push(dialog.send(body));
        }
        Self::end(reason, actions)
    }
}

impl Dialog {
    /// Sorts out events that are not the opponent's, and takes what every state treats alike.
    fn admit(&mut self, input: Input, actions: &mut Actions) -> Option<Input> {
        let Input::Event { sender, age, event } = input else {
            return Some(input);
        };
        if let Some(ignored) = self.stranger(&sender, &event) {
            actions.push(Action::Ignored(ignored));
            return None;
        }
        if let Body::Metadata(metadata) = &event.body {
            self.update_muted(metadata, actions);
            return None;
        }
        Some(Input::Event { sender, age, event })
    }

    fn stranger(&self, sender: &str, event: &CallEvent) -> Option<Ignored> {
        let party_id = event.party_id.as_deref();
        if party_id == Some(self.parties.own_party.as_str()) {
            return Some(Ignored::OwnEcho);
        }
        (!self.parties.is_caller(sender, party_id)).then_some(Ignored::OtherParty)
    }

    fn update_muted(&mut self, metadata: &StreamMetadata, actions: &mut Actions) {
        let muted = metadata.usermedia_muted();
        if muted != self.muted {
            self.muted = muted;
            actions.push(Action::Muted(muted));
        }
    }

    /// What a new description says of the microphone; clients older than MSC3077 say nothing.
    fn renew_muted(&mut self, metadata: &StreamMetadata, actions: &mut Actions) {
        if !metadata.is_empty() {
            self.update_muted(metadata, actions);
        }
    }

    /// An event of this call, from us.
    fn send(&self, body: Body) -> Action {
        Action::Send(CallEvent {
            call_id: self.parties.call_id.clone(),
            party_id: Some(self.parties.own_party.clone()),
            version: Version::One,
            body,
        })
    }

    /// What our own stream is: a microphone that nobody mutes.
    fn own_metadata(stream_id: &str) -> StreamMetadata {
        StreamMetadata::usermedia(stream_id, false)
    }
}

/// Whether the caller's choice fell on somebody else.
fn chose_another(dialog: &Dialog, selected: Option<&str>) -> bool {
    selected != Some(dialog.parties.own_party.as_str())
}

/// The hangup reason that fits the end of a channel.
fn hangup_for(end: ChannelEnd) -> HangupReason {
    match end {
        ChannelEnd::Busy => HangupReason::UserBusy,
        ChannelEnd::Refused => HangupReason::UnknownError,
        ChannelEnd::Closed => HangupReason::UserHangup,
    }
}
