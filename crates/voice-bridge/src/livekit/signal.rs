//! The signal connection: a WebSocket that carries whole messages, in a task of its own.

use std::fmt;
use std::io;

use bridge_kit::supervise::{self, Task};
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderValue, Request, StatusCode, Uri, header};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Bytes, Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, client_async_tls_with_config};

use super::address::signal_url;
use super::machine::SignalLoss;
use super::message::{Access, FromServer, ToServer};
use super::{metrics, wire};
use crate::reach::Reach;

/// Messages that wait for the session; a connection that is not read holds the server back.
const INCOMING: usize = 64;
/// Messages that wait for the network; a server that takes none is lost.
const OUTGOING: usize = 256;
/// The largest message that is read: a description of a room of a thousand people.
const MAX_MESSAGE: usize = 4 * 1024 * 1024;

/// What a signal connection has to report.
#[derive(Debug)]
pub(super) enum SignalEvent {
    Opened,
    Message(FromServer),
    /// Nothing follows.
    Closed(SignalLoss),
}

/// A signal connection that is being opened, or is open. Dropping it closes it.
pub(super) struct Signal {
    events: mpsc::Receiver<SignalEvent>,
    messages: mpsc::Sender<Bytes>,
    task: Task<()>,
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signal").finish_non_exhaustive()
    }
}

impl Signal {
    /// Begins to open a connection.
    pub(super) fn open(access: &Access, resume: Option<&str>) -> Self {
        let (reporter, events) = mpsc::channel(INCOMING);
        let (messages, outgoing) = mpsc::channel(OUTGOING);
        let (request, reach) = (request(access, resume), access.reach);
        let task = supervise::spawn("livekit.signal", "", async move {
            let end = run(request, reach, &reporter, outgoing).await;
            // Nobody listens any more if the session is over.
            let _ = reporter.send(SignalEvent::Closed(end)).await;
        });
        Self { events, messages, task }
    }

    /// The next thing that happens. Cancel-safe.
    pub(super) async fn next(&mut self) -> SignalEvent {
        let event = self.events.recv().await;
        event.unwrap_or(SignalEvent::Closed(SignalLoss::Lost))
    }

    /// Sends a message; `false` if the connection cannot take it.
    pub(super) fn send(&self, message: ToServer) -> bool {
        self.messages.try_send(wire::write(message).into()).is_ok()
    }

    /// Closes the connection after what was sent has left.
    pub(super) async fn finish(self) {
        let Self {
            messages,
            mut events,
            task,
        } = self;
        drop(messages);
        while events.recv().await.is_some() {}
        // A panic in it was counted and reported.
        let _ = task.join().await;
    }
}

fn request(access: &Access, resume: Option<&str>) -> Option<Request<()>> {
    let url = signal_url(&access.url, resume).ok()?;
    let mut request = url.as_str().into_client_request().ok()?;
    let mut token = HeaderValue::try_from(format!("Bearer {}", access.token)).ok()?;
    token.set_sensitive(true);
    request.headers_mut().insert(header::AUTHORIZATION, token);
    Some(request)
}

async fn run(
    request: Option<Request<()>>,
    reach: Reach,
    reporter: &mpsc::Sender<SignalEvent>,
    outgoing: mpsc::Receiver<Bytes>,
) -> SignalLoss {
    let Some(request) = request else {
        tracing::warn!("the address or the token of a LiveKit server cannot be used");
        return SignalLoss::Denied;
    };
    match connect(request, reach).await {
        Ok(socket) => {
            carry(socket, reporter, outgoing).await;
            SignalLoss::Lost
        }
        Err(error) => refused(&error),
    }
}

/// Connects to an address that the bridge may go to, and not to the name, which may point elsewhere the next time.
async fn connect(request: Request<()>, reach: Reach) -> Result<Socket, Error> {
    let config = WebSocketConfig::default()
        .max_message_size(Some(MAX_MESSAGE))
        .max_frame_size(Some(MAX_MESSAGE));
    let (host, port) = place(request.uri())?;
    let addresses = reach.resolve(host, port).await?;
    let stream = TcpStream::connect(addresses.as_slice()).await?;
    stream.set_nodelay(true)?;
    let (socket, _) = client_async_tls_with_config(request, stream, Some(config), None).await?;
    Ok(socket)
}

fn place(uri: &Uri) -> io::Result<(&str, u16)> {
    let host = uri.host().ok_or(io::ErrorKind::InvalidInput)?;
    let plain = uri.scheme_str() == Some("ws");
    let port = uri.port_u16().unwrap_or(if plain { 80 } else { 443 });
    Ok((host.trim_start_matches('[').trim_end_matches(']'), port))
}

/// Tells a token that is not taken from a server that is not there.
fn refused(error: &Error) -> SignalLoss {
    tracing::debug!(%error, "a LiveKit server cannot be reached");
    match error {
        Error::Http(response) if is_denied(response.status()) => SignalLoss::Denied,
        _ => SignalLoss::Lost,
    }
}

/// A server that does not create rooms by itself does not find that of an old token after a restart (404): whoever
/// gives tokens creates it.
fn is_denied(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND
    )
}

/// Carries messages both ways until either side closes.
async fn carry(mut socket: Socket, reporter: &mpsc::Sender<SignalEvent>, mut outgoing: mpsc::Receiver<Bytes>) {
    if reporter.send(SignalEvent::Opened).await.is_err() {
        return;
    }
    loop {
        tokio::select! {
            message = socket.next() => match message {
                Some(Ok(Message::Binary(bytes))) => {
                    if !report(&bytes, reporter).await {
                        return;
                    }
                }
                // Pings are answered by the library.
                Some(Ok(Message::Text(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
            },
            message = outgoing.recv() => {
                let Some(bytes) = message else {
                    // The session is over; whether the server hears it changes nothing.
                    let _ = socket.close(None).await;
                    return;
                };
                if socket.send(Message::Binary(bytes)).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// Gives a message to the session; `false` if nobody listens.
async fn report(bytes: &[u8], reporter: &mpsc::Sender<SignalEvent>) -> bool {
    match wire::read(bytes) {
        Ok(message) => reporter.send(SignalEvent::Message(message)).await.is_ok(),
        Err(error) => {
            metrics::unreadable();
            tracing::debug!(%error, "a message of a LiveKit server is skipped");
            true
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b1_the_token_travels_in_a_header_that_is_not_logged() {
        let access = Access {
            url: "wss://sfu.example".into(),
            token: "secret".into(),
            reach: Reach::Public,
            attributes: true,
        };
        let request = request(&access, None).expect("request");
        let header = request.headers().get(header::AUTHORIZATION).expect("header");
        assert_eq!(header, "Bearer secret");
        assert!(!format!("{header:?}{access:?}").contains("secret"));
        assert!(!request.uri().to_string().contains("secret"));
    }

    #[test]
    fn b1_an_access_that_cannot_be_used_is_no_request() {
        for (url, token) in [("nowhere", "t"), ("wss://sfu.example", "a\nb")] {
            let access = Access {
                url: url.into(),
                token: token.into(),
                reach: Reach::Public,
                attributes: true,
            };
            assert!(request(&access, None).is_none(), "{url}");
        }
    }

    #[test]
    fn b1_the_place_of_a_server_is_host_and_port() {
        for (uri, wanted) in [
            ("ws://127.0.0.1:7880/rtc", ("127.0.0.1", 7880)),
            ("wss://sfu.example/rtc", ("sfu.example", 443)),
            ("ws://[::1]/rtc", ("::1", 80)),
        ] {
            let uri: Uri = uri.parse().expect("an address");
            assert_eq!(place(&uri).expect("a place"), wanted);
        }
    }

    #[tokio::test]
    async fn a_strangers_server_is_not_followed_into_a_private_network() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("address").port();
        let access = Access {
            url: format!("ws://localhost:{port}"),
            token: "t".into(),
            reach: Reach::Public,
            attributes: true,
        };
        let request = request(&access, None).expect("request");
        let refused = connect(request, Reach::Public).await.expect_err("refused");
        assert!(matches!(refused, Error::Io(error) if error.kind() == io::ErrorKind::PermissionDenied));
        let accepted = tokio::time::timeout(std::time::Duration::from_millis(50), listener.accept()).await;
        assert!(accepted.is_err(), "nobody came");
    }
}
