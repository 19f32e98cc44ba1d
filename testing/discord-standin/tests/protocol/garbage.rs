//! Garbage on every socket is counted and harms nobody.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpStream, UdpSocket},
    time::timeout,
};
use tokio_tungstenite::tungstenite::Message;

use crate::{
    client::{Voice, counted, eventually, gateway, log_in, standin, voice_gateway},
    crypto::MODES,
};
use futures_util::SinkExt as _;

/// Bytes without order that are the same in every run.
fn noise(seed: u32, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2_654_435_761) | 1;
    (0..len)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state.to_be_bytes()[0]
        })
        .collect()
}

#[tokio::test]
async fn udp_garbage_is_counted_and_voice_goes_on() {
    let standin = standin().await;
    let info = standin.info().clone();
    let mut bot = Voice::connect(&info, &info.token, &info.bot_user_id, 8, MODES[0]).await;
    bot.announce().await;
    counted(&standin, "voice_speaking_updates", 1).await;
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    // Few enough for the socket's buffer: what the system drops, the server cannot count.
    for seed in 0..60_u32 {
        let mut datagram = noise(seed, usize::try_from(seed).unwrap() * 20);
        if let (true, Some(first)) = (seed % 2 == 0, datagram.first_mut()) {
            *first = 0x90;
        }
        socket.send_to(&datagram, info.voice_udp).await.unwrap();
    }
    let mut discovery = vec![0, 1, 0, 70];
    discovery.extend(noise(1, 70));
    socket.send_to(&discovery, info.voice_udp).await.unwrap();
    counted(&standin, "udp_discovery_unknown_ssrc", 1).await;
    counted(&standin, "udp_garbage", 10).await;
    counted(&standin, "voice_unknown_ssrc", 10).await;
    bot.say(&[0x78, 1, 2]).await;
    eventually(&standin, |state| {
        (state.voice_of("bridge")?.frames_sent == 1).then_some(())
    })
    .await;
    standin.shutdown().await;
}

#[tokio::test]
async fn websocket_garbage_is_a_close_code() {
    let standin = standin().await;
    let info = standin.info().clone();
    for seed in 0..20 {
        let mut main = gateway(&info, "v=10").await;
        main.0.send(Message::binary(noise(seed, 200))).await.unwrap();
        assert_eq!(main.close_code().await, Some(4002));
        let mut voice = voice_gateway(&info, &info.voice_endpoint, 8).await;
        voice.0.send(Message::text(format!("{{\"op\":{seed}"))).await.unwrap();
        assert_eq!(voice.close_code().await, Some(4002));
    }
    let mut voice = voice_gateway(&info, &info.voice_endpoint, 4).await;
    voice.0.send(Message::binary(noise(3, 50))).await.unwrap();
    assert_eq!(voice.close_code().await, Some(4003));
    counted(&standin, "gateway_decode_errors", 20).await;
    counted(&standin, "voice_decode_errors", 20).await;
    log_in(&info, &info.token).await;
    standin.shutdown().await;
}

#[tokio::test]
async fn tcp_garbage_and_a_handshake_that_never_comes_hold_nobody_up() {
    let standin = standin().await;
    let info = standin.info().clone();
    let port = info.voice_endpoint.rsplit_once(':').unwrap().1;
    let mut idle = Vec::new();
    for seed in 0..10 {
        let address = format!("127.0.0.1:{port}");
        idle.push(TcpStream::connect(&address).await.unwrap());
        let mut stream = TcpStream::connect(&address).await.unwrap();
        stream.write_all(&noise(seed, 300)).await.unwrap();
        let mut rest = Vec::new();
        // The server hangs up; whether with an alert or a reset does not matter.
        let end = timeout(Duration::from_secs(5), stream.read_to_end(&mut rest)).await;
        assert!(end.is_ok(), "garbage is not listened to for ever");
    }
    Voice::connect(&info, &info.token, &info.bot_user_id, 8, MODES[1]).await;
    standin.shutdown().await;
}

#[tokio::test]
async fn control_garbage_is_an_error_with_a_reason() {
    let standin = standin().await;
    let control = standin.control();
    for name in ["", "a/b", &"x".repeat(33)] {
        assert!(control.create_person(name).await.is_err(), "{name:?}");
    }
    control.create_person("alice").await.unwrap();
    let again = control.create_person("alice").await.unwrap_err().to_string();
    assert!(again.contains("409") && again.contains("taken"), "{again}");
    let nobody = control.join("nobody", "1").await.unwrap_err().to_string();
    assert!(nobody.contains("404"), "{nobody}");
    let bot = control.leave("bridge").await.unwrap_err().to_string();
    assert!(bot.contains("acts by itself"), "{bot}");
    standin.shutdown().await;
}
