//! One room's end of VDP, from the reservation of an address to the open channel.

use std::future::pending;
use std::sync::Arc;

use signalling::{BrokenReason, Connection, Input};
use tokio::sync::mpsc;

use super::status::RoomState;
use crate::media::RoomMedia;
use crate::vdp::{Endpoint, LinkEvent, Reservation};

/// A link has few events, and repeats none quickly.
const LINK_EVENTS: usize = 8;

/// One room's end of VDP. The open channel itself is kept in the room's state, where its counts are read.
#[derive(Debug)]
pub(super) struct Wire {
    endpoint: Endpoint,
    state: Arc<RoomState>,
    reserved: Option<(u32, Reservation)>,
    open: Option<(u32, mpsc::Receiver<LinkEvent>)>,
}

impl Wire {
    pub(super) fn new(endpoint: Endpoint, state: Arc<RoomState>) -> Self {
        Self {
            endpoint,
            state,
            reserved: None,
            open: None,
        }
    }

    /// Reserves an address; the open channel stays, so that voice goes on where it still can.
    pub(super) fn reserve(&mut self, epoch: u32) -> Input {
        self.reserved = None;
        match self.endpoint.reserve(self.state.room_id().as_str()) {
            Ok(reservation) => {
                let address = reservation.address();
                self.reserved = Some((epoch, reservation));
                Input::Reserved { epoch, address }
            }
            Err(error) => Input::Failed {
                epoch,
                text: error.to_string(),
            },
        }
    }

    /// Opens the reserved address to the peer, in place of what was open before; comes back where that failed.
    pub(super) fn connect(&mut self, connection: &Connection, media: Option<&RoomMedia>) -> Option<Input> {
        let epoch = connection.channel.epoch;
        let failed = |text: &str| {
            Some(Input::Failed {
                epoch,
                text: text.to_owned(),
            })
        };
        let reservation = self.reserved.take().filter(|(reserved, _)| *reserved == epoch);
        let (Some((_, reservation)), Some(media)) = (reservation, media) else {
            return failed("there is nothing to connect");
        };
        let (events, incoming) = mpsc::channel(LINK_EVENTS);
        match reservation.open(connection.peer, media, events) {
            Ok(channel) => {
                self.state.connected(connection.peer, channel);
                self.open = Some((epoch, incoming));
                None
            }
            Err(error) => failed(&error.to_string()),
        }
    }

    /// What happens to the link next; never returns while there is none. May be cancelled.
    pub(super) async fn next(&mut self) -> Input {
        let Some((epoch, events)) = &mut self.open else {
            return pending().await;
        };
        let epoch = *epoch;
        match events.recv().await {
            Some(LinkEvent::Heard) => Input::Heard { epoch },
            Some(LinkEvent::Silent { for_ }) => Input::Lost {
                epoch,
                reason: BrokenReason::Silent,
                text: format!("nothing heard for {:.1} s", for_.as_secs_f64()),
            },
            Some(LinkEvent::SendFailed { kind }) => Input::Lost {
                epoch,
                reason: BrokenReason::SendFailed,
                text: kind.to_string(),
            },
            None => {
                self.open = None;
                pending().await
            }
        }
    }

    /// Ends everything.
    pub(super) fn end(&mut self) {
        self.reserved = None;
        self.open = None;
        self.state.disconnected();
    }
}
