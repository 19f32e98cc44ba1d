//! A way to a server that can be shut: what stands behind it is then as good as dead.

use anyhow::{Context as _, Result};
use std::net::SocketAddr;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// An address that leads to a server while it is open, and to nothing while it is shut.
#[derive(Debug)]
pub struct Gate {
    address: SocketAddr,
    server: String,
    /// Ends with the gate, and all that goes through it too.
    traffic: JoinSet<()>,
}

impl Gate {
    /// A gate to the server at `host:port`, shut at first.
    pub async fn shut(server: &str) -> Result<Self> {
        // Nobody else is given the port while it is free: the system goes round the others first.
        let address = TcpListener::bind("127.0.0.1:0").await?.local_addr()?;
        Ok(Self {
            address,
            server: server.to_owned(),
            traffic: JoinSet::new(),
        })
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Lets everybody through.
    pub async fn open(&mut self) -> Result<()> {
        let listener = TcpListener::bind(self.address)
            .await
            .context("the gate's port is taken")?;
        self.traffic.spawn(pass(listener, self.server.clone()));
        Ok(())
    }
}

async fn pass(listener: TcpListener, server: String) {
    let mut connections = JoinSet::new();
    while let Ok((mut near, _)) = listener.accept().await {
        let server = server.clone();
        connections.spawn(async move {
            if let Ok(mut far) = TcpStream::connect(server).await {
                // Either end may break the connection off.
                let _ = copy_bidirectional(&mut near, &mut far).await;
            }
        });
        while connections.try_join_next().is_some() {}
    }
}
