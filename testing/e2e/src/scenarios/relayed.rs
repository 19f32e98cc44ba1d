//! The bridges with a relay between them, through which a test reaches what they send each other.

use crate::stack::{Bridge, Relay, Stack, Stand};
use anyhow::Result;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Where the voice bridge says that it is, and where the Discord bridge does.
const ADVERTISED: [Ipv4Addr; 2] = [Ipv4Addr::new(127, 0, 0, 3), Ipv4Addr::new(127, 0, 0, 2)];

/// Puts a relay between the bridges, each of which is told to say that it is where the relay stands for it. The voice
/// bridge is its first end.
pub(super) async fn begin(stack: &Stack) -> Result<Relay> {
    let [voice, discord] = ADVERTISED.map(|address| address.to_string());
    let stand = |bridge: &Bridge, at: Ipv4Addr| Stand {
        bridge: bridge.vdp,
        advertised: SocketAddr::new(IpAddr::V4(at), bridge.vdp.port()),
    };
    let relay = Relay::between(
        stand(&stack.voice_bridge, ADVERTISED[0]),
        stand(&stack.discord_bridge, ADVERTISED[1]),
    )
    .await?;
    let voice = [("VOICE_BRIDGE_VDP__ADVERTISE", voice.as_str())];
    let discord = [("DISCORD_BRIDGE_VDP__ADVERTISE", discord.as_str())];
    stack.voice_bridge.restart_with(&voice).await?;
    stack.discord_bridge.restart_with(&discord).await?;
    Ok(relay)
}

/// Lets them find each other without one again.
pub(super) async fn end(stack: &Stack) -> Result<()> {
    for bridge in [&stack.voice_bridge, &stack.discord_bridge] {
        bridge.restart_with(&[]).await?;
    }
    Ok(())
}
