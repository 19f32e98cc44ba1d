//! Opening a guild's voice servers, and sending its members from one to the next.

use std::{
    io,
    net::{SocketAddr, TcpListener, UdpSocket},
    sync::Arc,
};

use axum::{Router, routing::get};
use serde_json::json;

use crate::{
    config::Config,
    control::types::AccountKind,
    server::Server,
    snowflake::Snowflake,
    voice::{
        gateway::{self, Gateway},
        server::VoiceServer,
        tls::TlsListener,
        udp,
    },
    world::World,
};

/// The sockets of a voice server that is about to open.
#[derive(Debug)]
pub(crate) struct Sockets {
    pub(crate) gateway: TcpListener,
    pub(crate) udp: UdpSocket,
}

impl Sockets {
    /// Sockets where the voice servers after the first are: on its addresses, but any ports.
    pub(crate) fn on_any_ports(config: &Config) -> io::Result<Self> {
        let anywhere = |address: SocketAddr| SocketAddr::new(address.ip(), 0);
        Ok(Self {
            gateway: TcpListener::bind(anywhere(config.voice))?,
            udp: UdpSocket::bind(anywhere(config.udp))?,
        })
    }

    /// Host and port of the gateway, as `VOICE_SERVER_UPDATE` tells it: those that it listens on.
    pub(crate) fn endpoint(&self) -> io::Result<String> {
        let address = self.gateway.local_addr()?;
        if address.ip().is_loopback() {
            return Ok(format!("localhost:{}", address.port()));
        }
        Ok(address.to_string())
    }

    /// A voice server on these sockets; nobody listens yet.
    pub(crate) fn server(&self) -> io::Result<Arc<VoiceServer>> {
        VoiceServer::new(self.endpoint()?, self.udp.try_clone()?).map(Arc::new)
    }
}

impl Server {
    /// Listens for a voice server.
    pub(crate) fn open_voice_server(
        self: &Arc<Self>,
        voice_server: &Arc<VoiceServer>,
        listener: TcpListener,
    ) -> io::Result<()> {
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let tls = TlsListener::new(
            listener,
            self.discord.identity.acceptor(),
            Arc::clone(voice_server),
            &self.discord.tasks,
            self.discord.cancel.clone(),
        )?;
        let router = Router::new().route("/", get(gateway::upgrade)).with_state(Gateway {
            server: Arc::clone(self),
            voice_server: Arc::clone(voice_server),
        });
        self.discord.serve(tls, router, voice_server.retired().clone());
        let threads = &self.discord.threads;
        threads.keep(udp::spawn(
            Arc::clone(&self.voice),
            Arc::clone(voice_server),
            threads.stop(),
        )?);
        Ok(())
    }

    /// Opens another voice server and sends everybody there.
    pub(crate) fn move_voice_server(self: &Arc<Self>) -> io::Result<Arc<VoiceServer>> {
        let sockets = Sockets::on_any_ports(&self.discord.config)?;
        let opened = sockets.server()?;
        self.open_voice_server(&opened, sockets.gateway)?;
        let mut world = self.world.lock();
        self.voice.replace_server(Arc::clone(&opened)).retire();
        self.reallocate(&mut world);
        Ok(opened)
    }

    /// Takes the voice server away; there is none until [`Server::move_voice_server`] opens another.
    pub(crate) fn withdraw_voice_server(&self) {
        let mut world = self.world.lock();
        self.voice.server().retire();
        self.reallocate(&mut world);
    }

    /// Gives every bot in voice a new place, which ends the session that it has.
    fn reallocate(&self, world: &mut World) {
        let is_bot = |user: &Snowflake| {
            let account = world.guild.accounts.get(user);
            account.is_some_and(|account| account.kind == AccountKind::Bot)
        };
        let bots: Vec<_> = world
            .guild
            .voice
            .iter()
            .filter(|(user, _)| is_bot(user))
            .map(|(user, state)| (*user, state.clone()))
            .collect();
        for (user, state) in bots {
            let token = self
                .voice
                .place(user, false, &state, world.guild.dave_policy(state.channel));
            self.tell_voice_server(world, &state.session_id, &token);
        }
    }

    /// Tells a bot where its voice is and what to identify with there.
    pub(crate) fn tell_voice_server(&self, world: &mut World, session_id: &str, token: &str) {
        let data = json!({
            "token": token, "guild_id": world.guild.id(), "endpoint": self.voice.server().endpoint(),
        });
        if let Some(session) = world.sessions.lock().get_mut(session_id) {
            session.dispatch("VOICE_SERVER_UPDATE", &data);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(address: &str) -> String {
        let sockets = Sockets {
            gateway: TcpListener::bind(address).unwrap(),
            udp: UdpSocket::bind("127.0.0.1:0").unwrap(),
        };
        sockets.endpoint().unwrap()
    }

    #[test]
    fn a_gateway_is_told_by_where_it_listens() {
        assert!(endpoint("127.0.0.1:0").starts_with("localhost:"));
        assert!(endpoint("0.0.0.0:0").starts_with("0.0.0.0:"));
    }
}
