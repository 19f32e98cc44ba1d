//! What the answering side is told by its program.

use std::future::Future;

use ruma::RoomId;
use signalling::{Audience, Ending, Person, Refusal};
use tokio::sync::watch;

use crate::media::RoomMedia;

/// A voice channel that was entered.
#[derive(Debug)]
pub struct Entered {
    /// The room's voice, as it is in the voice channel.
    pub media: RoomMedia,
    /// Who is in it, without this bridge itself.
    pub people: watch::Receiver<Vec<Person>>,
    /// For whom the other side's voice is taken in. Both tell for as long as the voice channel lasts.
    pub audience: watch::Receiver<Audience>,
}

/// Decides which rooms get a channel, and joins their voice channels.
///
/// For one room, calls never overlap. A break of the channel and its renegotiation call nothing, unless the voice channel
/// itself was lost ([`Answerer::renew`](super::Answerer::renew)).
pub trait AnswerHandler: Send + Sync + 'static {
    /// Finds out whether the room may have a channel, and joins its voice channel.
    ///
    /// What takes longer than [`signalling::Timing::admit_within`] is rejected, and left again once it is there. A
    /// panic is a rejection.
    fn open(&self, room_id: &RoomId) -> impl Future<Output = Result<Entered, Refusal>> + Send;

    /// Leave: the channel is over, or, where there is no `ending`, its voice channel is about to be opened anew. Called
    /// once for every `open` that was successful.
    fn closed(&self, room_id: &RoomId, ending: Option<&Ending>) -> impl Future<Output = ()> + Send;
}
