//! The two WebRTC connections of a session.

use std::net::SocketAddr;

use bridge_kit::media::Reception;
use tokio::sync::watch;

use super::message::{Description, Side};
use super::voice::Hall;
use crate::webrtc::{
    Connection, ConnectionEvent, DescriptionError, LocalDescription, Port, PortError, SpokenPacket, WebRtc,
};

/// One connection for each direction.
///
/// Each has a port of its own. A LiveKit server may take the media of everybody on one UDP port, and tells apart what
/// comes there by the sender's address: two connections from one port would be one to it.
#[derive(Debug)]
pub(super) struct Transports {
    publisher: Way,
    subscriber: Way,
}

#[derive(Debug)]
struct Way {
    connection: Connection,
    /// Receives for the connection.
    _port: Port,
}

impl Transports {
    /// Opens the ports, on any number that is free.
    /// With `notes` there can be words beside our voice.
    pub(super) fn open(
        config: &WebRtc,
        hall: Hall,
        notes: bool,
        reception: watch::Sender<Reception>,
    ) -> Result<Self, PortError> {
        let free = WebRtc {
            listen: SocketAddr::new(config.listen.ip(), 0),
            advertise: config.advertise.clone(),
        };
        let (publisher, subscriber) = (Port::bind(&free)?, Port::bind(&free)?);
        let voice = Connection::new(&publisher).reporting(reception);
        Ok(Self {
            publisher: Way {
                connection: if notes { voice.noting() } else { voice },
                _port: publisher,
            },
            subscriber: Way {
                connection: Connection::new(&subscriber).hearing_all(Box::new(hall)),
                _port: subscriber,
            },
        })
    }

    /// The next thing that happens to either connection. Cancel-safe.
    pub(super) async fn next(&mut self) -> (Side, ConnectionEvent) {
        tokio::select! {
            event = self.publisher.connection.next() => (Side::Publisher, event),
            event = self.subscriber.connection.next() => (Side::Subscriber, event),
        }
    }

    /// Sends one packet of our voice.
    pub(super) fn speak(&mut self, packet: SpokenPacket) {
        self.publisher.connection.speak(packet);
    }

    /// Sends a word beside our voice.
    pub(super) fn note(&mut self, message: Vec<u8>) {
        self.publisher.connection.note(message);
    }

    /// Offers our voice, or a new path for it.
    pub(super) fn offer(&mut self, restart: bool) -> Result<LocalDescription, DescriptionError> {
        let publisher = &mut self.publisher.connection;
        if restart {
            publisher.offer_restart()
        } else {
            publisher.offer()
        }
    }

    /// Takes the server's answer to it.
    pub(super) fn conclude(&mut self, answer: &str) -> Result<(), DescriptionError> {
        self.publisher.connection.conclude(answer)
    }

    /// Answers the server's offer of voices.
    pub(super) fn accept(&mut self, offer: &Description) -> Result<Description, DescriptionError> {
        let answer = self.subscriber.connection.accept(&offer.sdp)?;
        Ok(Description {
            id: offer.id,
            sdp: answer.sdp,
        })
    }

    /// Adds one of the server's candidates.
    pub(super) fn add_candidate(&mut self, side: Side, line: &str) {
        let way = match side {
            Side::Publisher => &mut self.publisher,
            Side::Subscriber => &mut self.subscriber,
        };
        way.connection.add_candidate(line);
    }
}
