//! One bridge process, as far as voice is concerned, without what makes it a Matrix or Discord bridge.
//!
//! Real in it are the UDP end of VDP with its sockets and tasks, the media threads, the engine of each room, and their
//! default configuration. One party of each room, the last, is the far end of the room's VDP channel, wired as both services
//! wire it. The others are the people on the bridge's own side. In the services a WebRTC stack or songbird brings their
//! packets; here another VDP endpoint does, which costs the bridge the same sockets, tasks and wake-ups, but no encryption,
//! as plain RTP costs Janus none.

use super::{Running, System, say_addresses, start_part, wait_for_the_end};
use crate::benches;
use crate::wire::room_id;
use anyhow::{Context as _, Result};
use bridge_kit::config::{Media, Vdp};
use bridge_kit::media::{
    Channels, InPacket, MediaPool, MediaSink, OutPacket, PacketSink, RoomMedia, SinkSpec, SourceSpec,
};
use bridge_kit::vdp::{Endpoint, Link, OpenChannel, Received};
use std::net::SocketAddr;
use tokio::sync::mpsc;

/// What the bench's command line calls it.
pub const PART: &str = "bridge";

/// How mixes are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mixes {
    /// Towards the far end in stereo at 64 kbit/s, as both services do.
    Shipped,
    /// Everywhere in mono at 48 kbit/s.
    Mono,
}

/// One bridge process.
#[derive(Debug, Clone, Copy)]
pub struct Bridge(pub Mixes);

impl System for Bridge {
    fn name(&self) -> String {
        match self.0 {
            Mixes::Shipped => "bridge".to_owned(),
            Mixes::Mono => "bridge, mono".to_owned(),
        }
    }

    fn start(&self, rooms: usize, parties: &[SocketAddr]) -> Result<Running> {
        let mut command = benches::part("rooms")?;
        let mixes = match self.0 {
            Mixes::Shipped => "shipped",
            Mixes::Mono => "mono",
        };
        command.args([PART, mixes, &rooms.to_string()]);
        command.args(parties.iter().map(ToString::to_string));
        let (child, line) = start_part(&mut command)?;
        Running::of(child, &line, rooms)
    }
}

/// The bridge's process.
pub fn run(arguments: &[String]) -> Result<()> {
    let [mixes, rooms, parties @ ..] = arguments else {
        anyhow::bail!("how to mix, how many rooms, and where their parties are");
    };
    let mixes = if mixes == "mono" { Mixes::Mono } else { Mixes::Shipped };
    let parties: Vec<SocketAddr> = parties.iter().map(|party| party.parse()).collect::<Result<_, _>>()?;
    // As the services have it.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let _entered = runtime.enter();
    let pool = MediaPool::configured(&Media::default())?;
    let endpoints: Vec<Endpoint> = parties.iter().map(|_| endpoint()).collect::<Result<_>>()?;
    let rooms: Vec<Room> = (0..rooms.parse()?)
        .map(|room| Room::open(&pool, &room_id(room), &endpoints, &parties, mixes))
        .collect::<Result<_>>()?;
    let own: Vec<SocketAddr> = endpoints.iter().map(Endpoint::address).collect();
    say_addresses(&own)?;
    wait_for_the_end()?;
    drop(rooms);
    Ok(())
}

fn endpoint() -> Result<Endpoint> {
    Ok(Endpoint::bind(&Vdp {
        plain_form: true,
        ..Vdp::loopback(0)
    })?)
}

/// What holds a room open.
struct Room {
    _people: Vec<Person>,
    _far_end: FarEnd,
}

/// What holds the VDP channel of a room open.
enum FarEnd {
    Channel { _open: OpenChannel },
    Person { _person: Person },
}

impl Room {
    fn open(pool: &MediaPool, id: &str, endpoints: &[Endpoint], parties: &[SocketAddr], mixes: Mixes) -> Result<Self> {
        let media = pool.room(id);
        let (far_end, own) = endpoints.split_last().context("a room has parties")?;
        let (&far_address, own_addresses) = parties.split_last().context("a room has parties")?;
        let people = own.iter().zip(own_addresses);
        let people = people.map(|(endpoint, &address)| Person::enter(&media, id, endpoint, address));
        let people = people.collect::<Result<_>>()?;
        let far_end = match mixes {
            Mixes::Shipped => {
                // Nobody acts upon what happens to the link.
                let (events, _) = mpsc::channel(8);
                let open = far_end.reserve(id)?.open(far_address, &media, events)?;
                FarEnd::Channel { _open: open }
            }
            Mixes::Mono => {
                let person = Person::enter(&media, id, far_end, far_address)?;
                FarEnd::Person { _person: person }
            }
        };
        Ok(Self {
            _people: people,
            _far_end: far_end,
        })
    }
}

/// Somebody on the bridge's own side, who is heard by everybody else and hears them in mono.
struct Person {
    _sink: MediaSink,
}

impl Person {
    fn enter(media: &RoomMedia, room: &str, endpoint: &Endpoint, address: SocketAddr) -> Result<Self> {
        // Discord's clients send while somebody speaks; browsers tell in each packet how loud it is.
        let source = media.add_source(SourceSpec::new("somebody").gated());
        let spec = SinkSpec::new("somebody").except(source.id()).channels(Channels::Mono);
        let receiver = move |packet: Received<'_>| {
            source.push(&InPacket {
                opus: packet.voice,
                sequence: packet.sequence,
                media_time: None,
                level: None,
                marks: None,
                received: packet.at,
            });
        };
        let (events, _) = mpsc::channel(8);
        let link = endpoint.reserve(room)?.connect(address, Box::new(receiver), events)?;
        let sink = media.add_sink(spec, Box::new(Ear(link)));
        Ok(Self { _sink: sink })
    }
}

struct Ear(Link);

impl PacketSink for Ear {
    fn send(&mut self, packet: &OutPacket<'_>) {
        self.0.send(packet.opus, packet.lost_before);
    }
}
