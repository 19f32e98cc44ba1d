//! A websocket to a client, for both gateways.

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use futures_util::StreamExt as _;

use super::{compression::ZlibStream, sessions::ToClient};

/// What came from a client.
#[derive(Debug)]
pub(crate) enum Incoming {
    Text(String),
    Binary(Vec<u8>),
    /// The client closed, with this code if it gave one.
    Closed(Option<u16>),
}

/// Whether the connection goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    Goes,
    Ends,
}

/// A websocket, compressed or not.
pub(crate) struct Wire {
    socket: WebSocket,
    zlib: Option<ZlibStream>,
}

impl Wire {
    pub(crate) fn new(socket: WebSocket, compressed: bool) -> Self {
        Self {
            socket,
            zlib: compressed.then(ZlibStream::new),
        }
    }

    /// The next message; pings are answered below.
    pub(crate) async fn receive(&mut self) -> Incoming {
        loop {
            return match self.socket.next().await {
                Some(Ok(Message::Text(text))) => Incoming::Text(text.to_string()),
                Some(Ok(Message::Binary(bytes))) => Incoming::Binary(bytes.to_vec()),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
                Some(Ok(Message::Close(frame))) => Incoming::Closed(frame.map(|frame| frame.code)),
                Some(Err(_)) | None => Incoming::Closed(None),
            };
        }
    }

    /// Does what a session says.
    pub(crate) async fn carry_out(&mut self, message: ToClient) -> Flow {
        match message {
            ToClient::Text(text) => self.send(text).await,
            ToClient::Binary(bytes) => self.deliver(Message::Binary(bytes.into())).await,
            ToClient::Close(code) => self.close(code).await,
            ToClient::Cut => Flow::Ends,
        }
    }

    /// Sends one message.
    pub(crate) async fn send(&mut self, text: String) -> Flow {
        let message = match &mut self.zlib {
            None => Message::Text(text.into()),
            Some(stream) => match stream.message(&text) {
                Ok(bytes) => Message::Binary(bytes.into()),
                Err(_) => return Flow::Ends,
            },
        };
        self.deliver(message).await
    }

    async fn deliver(&mut self, message: Message) -> Flow {
        match self.socket.send(message).await {
            Ok(()) => Flow::Goes,
            Err(_) => Flow::Ends,
        }
    }

    /// Closes with a code and Discord's text for it.
    pub(crate) async fn close(&mut self, code: u16) -> Flow {
        let frame = CloseFrame {
            code,
            reason: reason(code).into(),
        };
        // A client that is gone already needs no close frame.
        drop(self.socket.send(Message::Close(Some(frame))).await);
        Flow::Ends
    }
}

const fn reason(code: u16) -> &'static str {
    match code {
        4001 => "Unknown opcode.",
        4002 => "Error while decoding payload.",
        4003 => "Not authenticated.",
        4004 => "Authentication failed.",
        4005 => "Already authenticated.",
        4006 => "Session is no longer valid.",
        4007 => "Invalid seq.",
        4008 => "You are being rate limited.",
        4009 => "Session timed out.",
        4011 => "Server not found.",
        4012 => "Invalid API version or protocol.",
        4013 => "Invalid intent(s).",
        4014 => "Disconnected.",
        4015 => "Voice server crashed.",
        4016 => "Unknown encryption mode.",
        4017 => "E2EE/DAVE protocol required",
        4020 => "Bad request.",
        4022 => "Call terminated.",
        _ => "",
    }
}
