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
    /// The text of a close code, which differs between the two gateways.
    reason: fn(u16) -> &'static str,
    silent: bool,
}

impl Wire {
    pub(crate) fn new(socket: WebSocket, compressed: bool, reason: fn(u16) -> &'static str) -> Self {
        Self {
            socket,
            zlib: compressed.then(ZlibStream::new),
            reason,
            silent: false,
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
            ToClient::Silence => {
                self.silent = true;
                Flow::Goes
            }
        }
    }

    /// Sends one message.
    pub(crate) async fn send(&mut self, text: String) -> Flow {
        if self.silent {
            return Flow::Goes;
        }
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
        if self.silent {
            return Flow::Ends;
        }
        let frame = CloseFrame {
            code,
            reason: (self.reason)(code).into(),
        };
        // A client that is gone already needs no close frame.
        drop(self.socket.send(Message::Close(Some(frame))).await);
        Flow::Ends
    }
}
