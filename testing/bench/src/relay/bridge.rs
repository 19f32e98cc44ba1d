//! The process that is measured: two endpoints as the services have them, and links that send on what others hear.
//!
//! Between a link that hears and the one that sends on is nothing, neither an engine nor another thread: what is measured is
//! the UDP end of VDP alone.

use super::form::Form;
use super::{NAME, ROOMS};
use crate::benches;
use crate::systems::{Running, System, say_addresses, start_part, wait_for_the_end};
use crate::wire::room_id;
use anyhow::{Context as _, Result, bail};
use bridge_kit::config::Vdp;
use bridge_kit::vdp::{Endpoint, Link, Peer, Receive, Received};
use std::net::SocketAddr;
use tokio::sync::mpsc;
use vdp_proto::sealed::Role;

/// Two real UDP ends.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bridge(pub(super) Form);

impl System for Bridge {
    fn name(&self) -> String {
        "bridge".to_owned()
    }

    fn start(&self, rooms: usize, parties: &[SocketAddr]) -> Result<Running> {
        let mut command = benches::part(NAME)?;
        command.arg(self.0.name()).args(parties.iter().map(ToString::to_string));
        let (child, line) = start_part(&mut command)?;
        Running::of(child, &line, rooms)
    }
}

/// The process: what the form is, where the speaker is and where the listener.
pub(super) fn run(arguments: &[String]) -> Result<()> {
    let [form, speaker, listener] = arguments else {
        bail!("a form, a speaker and a listener are wanted");
    };
    let form = Form::ALL.into_iter().find(|known| known.name() == form);
    let form = form.context("there is no such form")?;
    let (speaker, listener) = (speaker.parse()?, listener.parse()?);
    // As the services have it.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let _entered = runtime.enter();
    let config = Vdp {
        plain_form: true,
        ..Vdp::loopback(0)
    };
    let [near, far] = [Endpoint::bind(&config)?, Endpoint::bind(&config)?];
    let links: Vec<Link> = (0..ROOMS)
        .map(|room| {
            let (id, number) = (room_id(room), room as u64);
            let onward = form.peer(Role::Asking, number + ROOMS as u64, listener)?;
            let onward = connect(&far, &id, onward, |_: Received<'_>| {})?;
            let hear = move |packet: Received<'_>| {
                if !packet.voice.is_empty() {
                    onward.send(packet.voice, 0);
                }
            };
            connect(&near, &id, form.peer(Role::Answering, number, speaker)?, hear)
        })
        .collect::<Result<_>>()?;
    say_addresses(&[near.address(), far.address()])?;
    wait_for_the_end()?;
    drop(links);
    Ok(())
}

fn connect(endpoint: &Endpoint, room: &str, peer: Peer, hear: impl Receive + 'static) -> Result<Link> {
    let reservation = match &peer {
        Peer::Plain(_) => endpoint.reserve(room)?,
        Peer::Sealed(_) => endpoint.reserve_sealed(room)?,
    };
    // Nobody acts upon what happens to the link.
    let (events, _) = mpsc::channel(8);
    Ok(reservation.connect(peer, Box::new(hear), events)?)
}
