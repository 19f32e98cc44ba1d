//! The ports of a stack.

use anyhow::Result;
use std::net::{TcpListener, UdpSocket};

/// The ports of one bridge.
pub(super) struct BridgePorts {
    pub(super) appservice: u16,
    pub(super) telemetry: u16,
    pub(super) vdp: u16,
}

/// All ports of the stack, chosen anew for each start so that stacks do not meet.
pub(super) struct Ports {
    pub(super) homeserver: u16,
    pub(super) webrtc: u16,
    pub(super) voice: BridgePorts,
    pub(super) discord: BridgePorts,
}

impl Ports {
    pub(super) fn choose() -> Result<Self> {
        // All are held until the last one is chosen, so that no two are the same.
        let tcp = (0..5)
            .map(|_| TcpListener::bind("127.0.0.1:0"))
            .collect::<Result<Vec<_>, _>>()?;
        let udp = (0..3)
            .map(|_| UdpSocket::bind("127.0.0.1:0"))
            .collect::<Result<Vec<_>, _>>()?;
        let tcp = tcp
            .iter()
            .map(|socket| Ok(socket.local_addr()?.port()))
            .collect::<Result<Vec<_>>>()?;
        let udp = udp
            .iter()
            .map(|socket| Ok(socket.local_addr()?.port()))
            .collect::<Result<Vec<_>>>()?;
        Ok(Self {
            homeserver: tcp[0],
            webrtc: udp[0],
            voice: BridgePorts {
                appservice: tcp[1],
                telemetry: tcp[2],
                vdp: udp[1],
            },
            discord: BridgePorts {
                appservice: tcp[3],
                telemetry: tcp[4],
                vdp: udp[2],
            },
        })
    }
}
