//! Events that are none of a side's business.

use std::net::SocketAddr;

use super::bridges::Bridges;
use super::who::Who;
use super::world::{ROOM, World};
use crate::{
    Accept, Action, Audience, Body, Broken, BrokenReason, Channel, ChannelId, Close, CloseReason, End, Event,
    Extensions, Format, Header, Input, KeyShare, Machine, Offer, Refusal, RejectReason, Request, TransactionId,
};

/// One of each kind from a room that is not this one, under the transaction of the call, and one of each kind from this
/// room under a transaction that was never begun.
///
/// Towards the answering side without the two that a new call consists of: a request, and a close that overtook it.
pub(super) fn all() -> Vec<(Who, Event)> {
    let from = |room: &str, transaction: u128| {
        let header = Header {
            room_id: room.to_owned(),
            transaction_id: TransactionId::from_number(transaction),
            format: Format::SealedOpusChaCha,
        };
        bodies().into_iter().map(move |body| Event {
            header: header.clone(),
            body,
        })
    };
    let elsewhere = || from("!elsewhere:example.org", 1);
    let unknown = || from(ROOM, 99);
    let begins = |event: &Event| matches!(event.body, Body::Request(_) | Body::Close(_));
    let to_asker = elsewhere().chain(unknown());
    let to_answerer = elsewhere().chain(unknown().filter(move |event| !begins(event)));
    let to = |who| move |event| (who, event);
    to_asker
        .map(to(Who::Asker))
        .chain(to_answerer.map(to(Who::Answerer)))
        .collect()
}

/// All that they may bring about is an answer to the stranger.
pub(super) fn have_no_effect(world: &World, state: &Bridges) -> bool {
    let asker = state
        .asker
        .as_ref()
        .is_none_or(|asker| is_unmoved(world, Who::Asker, asker));
    asker && is_unmoved(world, Who::Answerer, &state.answerer)
}

fn is_unmoved<M: Machine + Clone + PartialEq>(world: &World, who: Who, machine: &M) -> bool {
    let mut visited = machine.clone();
    let own = world.strangers.iter().filter(|(to, _)| *to == who);
    let answered = own.map(|(_, event)| event).all(|event| {
        let actions = visited.handle(world.now, Input::Received(event.clone()));
        actions
            .iter()
            .all(|action| matches!(action, Action::Send(answer) if answer.header == event.header))
    });
    answered && visited == *machine
}

fn bodies() -> [Body; 8] {
    let channel = Channel {
        id: ChannelId(1),
        epoch: 9,
    };
    let end = End {
        address: SocketAddr::from(([127, 0, 3, 1], 1)),
        share: Some(KeyShare([9; 32])),
        extensions: Extensions::ALL,
    };
    let text = String::new;
    [
        Body::Request(Request {
            formats: vec![Format::SealedOpusChaCha],
            after_epoch: 9,
        }),
        Body::Offer(Offer { channel, end }),
        Body::Accept(Accept { channel, end }),
        Body::Reject(Refusal::new(RejectReason::NoPermission, "")),
        Body::People(Vec::new()),
        Body::Audience(channel, Audience::UNKNOWN),
        Body::Broken(Broken {
            channel,
            reason: BrokenReason::Silent,
            text: text(),
        }),
        Body::Close(Close {
            channel: Some(channel),
            reason: CloseReason::CallEnded,
            text: text(),
        }),
    ]
}
