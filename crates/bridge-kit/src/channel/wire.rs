//! One room's end of VDP, from the reservation of an address to the open channel.

use std::future::pending;
use std::sync::Arc;

use signalling::{BrokenReason, Connection, End, Extensions, Format, Input, KeyShare};
use tokio::sync::mpsc;
use vdp_proto::sealed::{Aead, Share, ShareSecret};

use super::sealing::Sealing;
use super::status::RoomState;
use crate::media::RoomMedia;
use crate::vdp::{Endpoint, LinkEvent, Peer, Reservation, ReserveError, SealedPeer};

/// A link has few events, and repeats none quickly.
const LINK_EVENTS: usize = 8;

/// One room's end of VDP. The open channel itself is kept in the room's state, where its counts are read.
#[derive(Debug)]
pub(super) struct Wire {
    endpoint: Endpoint,
    state: Arc<RoomState>,
    sealing: Sealing,
    reserved: Option<Reserved>,
    open: Option<(u32, mpsc::Receiver<LinkEvent>)>,
}

/// This side's end of an epoch that is being negotiated.
#[derive(Debug)]
struct Reserved {
    epoch: u32,
    reservation: Reservation,
    /// Where the format is sealed. Lives as long as the negotiation of its epoch, and is never stored.
    secret: Option<ShareSecret>,
}

impl Reserved {
    /// The far end, once it is known; why it cannot be spoken with, for people.
    fn peer(&mut self, connection: &Connection, sealing: &Sealing) -> Result<Peer, String> {
        let Some(seal) = connection.seal else {
            return Ok(Peer::Plain(connection.peer));
        };
        let aead = aead_of(&connection.format).ok_or("the format says of no way to seal")?;
        let secret = self.secret.take().ok_or("the key share is used up")?;
        let keys = secret
            .agree(&Share(seal.peer.0), &seal.transcript, sealing.salt())
            .map_err(|weak| weak.to_string())?;
        let channel = connection.channel.id.0;
        let (sealer, opener) = keys.into_ends(sealing.role, aead, channel);
        let peer = SealedPeer {
            address: connection.peer,
            channel,
            sealer,
            opener,
        };
        Ok(peer.into())
    }
}

/// What a format is sealed with; none where it is not.
const fn aead_of(format: &Format) -> Option<Aead> {
    match format {
        Format::SealedOpusAes => Some(Aead::Aes256Gcm),
        Format::SealedOpusChaCha => Some(Aead::ChaCha20Poly1305),
        Format::PlainOpus | Format::Other(_) => None,
    }
}

impl Wire {
    pub(super) fn new(endpoint: Endpoint, state: Arc<RoomState>, sealing: Sealing) -> Self {
        Self {
            endpoint,
            state,
            sealing,
            reserved: None,
            open: None,
        }
    }

    /// Gets this side's end ready; the open channel stays, so that voice goes on where it still can.
    pub(super) fn reserve(&mut self, epoch: u32, format: &Format) -> Input {
        self.reserved = None;
        match self.make_end(epoch, format) {
            Ok((reserved, end)) => {
                self.reserved = Some(reserved);
                Input::Reserved { epoch, end }
            }
            Err(error) => Input::Failed {
                epoch,
                text: error.to_string(),
            },
        }
    }

    fn make_end(&self, epoch: u32, format: &Format) -> Result<(Reserved, End), ReserveError> {
        let room = self.state.room_id().as_str();
        let secret = format.is_sealed().then(|| ShareSecret::from_random(rand::random()));
        let reservation = match secret {
            Some(_) => self.endpoint.reserve_sealed(room)?,
            None => self.endpoint.reserve(room)?,
        };
        let end = End {
            address: reservation.address(),
            share: secret.as_ref().map(|secret| KeyShare(secret.share().0)),
            extensions: Extensions::ALL,
        };
        let reserved = Reserved {
            epoch,
            reservation,
            secret,
        };
        Ok((reserved, end))
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
        let reserved = self.reserved.take().filter(|reserved| reserved.epoch == epoch);
        let (Some(mut reserved), Some(media)) = (reserved, media) else {
            return failed("there is nothing to connect");
        };
        let peer = match reserved.peer(connection, &self.sealing) {
            Ok(peer) => peer,
            Err(text) => return failed(&text),
        };
        let (events, incoming) = mpsc::channel(LINK_EVENTS);
        let reservation = reserved.reservation.extended(connection.extensions);
        match reservation.open(peer, media, events) {
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
