//! Who may send for which room.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use thiserror::Error;

/// The way that packets take: from a peer's address to a local port. A plain packet is heard only on the way that
/// was negotiated for its room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Route {
    local_port: u16,
    peer: SocketAddr,
}

impl Route {
    /// The way from `peer` to `local_port`. An IPv4 address that a dual-stack socket reports as IPv6 counts as the
    /// IPv4 address that it is.
    pub fn new(local_port: u16, peer: SocketAddr) -> Self {
        Self {
            local_port,
            peer: SocketAddr::new(peer.ip().to_canonical(), peer.port()),
        }
    }

    /// The local port.
    pub const fn local_port(&self) -> u16 {
        self.local_port
    }

    /// The peer's address.
    pub const fn peer(&self) -> SocketAddr {
        self.peer
    }
}

/// Why a packet finds no channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Refusal {
    /// Nobody at this address was negotiated for this port.
    #[error("the sender is unknown at this port")]
    UnknownSender,
    /// The sender is known, but not for this room.
    #[error("the sender may not send for this room")]
    WrongRoom,
}

/// A channel of this room is already open on this route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the room already has a channel on this route")]
pub struct Taken;

/// The open channels by route and room: one route carries one or more rooms, which the packets' `r` tells apart
/// (requirement S3).
#[derive(Debug, Clone)]
pub struct ChannelTable<T> {
    routes: BTreeMap<Route, BTreeMap<Box<str>, T>>,
}

impl<T> Default for ChannelTable<T> {
    fn default() -> Self {
        Self {
            routes: BTreeMap::new(),
        }
    }
}

impl<T> ChannelTable<T> {
    /// An empty table.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets `route` carry `room`.
    pub fn open(&mut self, route: Route, room: &str, channel: T) -> Result<(), Taken> {
        let rooms = self.routes.entry(route).or_default();
        if rooms.contains_key(room) {
            return Err(Taken);
        }
        rooms.insert(room.into(), channel);
        Ok(())
    }

    /// The channel that a packet for `room` on `route` belongs to. Allocates nothing.
    pub fn find(&self, route: Route, room: &str) -> Result<&T, Refusal> {
        let rooms = self.routes.get(&route).ok_or(Refusal::UnknownSender)?;
        rooms.get(room).ok_or(Refusal::WrongRoom)
    }

    /// No longer lets `route` carry `room`; gives back the channel if there was one.
    pub fn close(&mut self, route: Route, room: &str) -> Option<T> {
        let rooms = self.routes.get_mut(&route)?;
        let channel = rooms.remove(room);
        if rooms.is_empty() {
            self.routes.remove(&route);
        }
        channel
    }

    /// The channels whose packets come from `peer`, whatever the local port and the room.
    pub fn of_peer(&self, peer: SocketAddr) -> impl Iterator<Item = &T> {
        let peer = Route::new(0, peer).peer;
        self.routes
            .iter()
            .filter(move |(route, _)| route.peer == peer)
            .flat_map(|(_, rooms)| rooms.values())
    }

    /// How many channels are open.
    pub fn len(&self) -> usize {
        self.routes.values().map(BTreeMap::len).sum()
    }

    /// Whether no channel is open.
    pub fn is_empty(&self) -> bool {
        self.routes.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(local_port: u16, peer: &str) -> Route {
        Route::new(local_port, peer.parse().expect("an address"))
    }

    #[test]
    fn one_route_carries_many_rooms_told_apart_by_room() {
        let mut table = ChannelTable::new();
        let route = route(29_400, "192.0.2.1:29401");
        table.open(route, "!a:x", 'a').expect("free");
        table.open(route, "!b:x", 'b').expect("free");
        assert_eq!(table.find(route, "!a:x"), Ok(&'a'));
        assert_eq!(table.find(route, "!b:x"), Ok(&'b'));
        assert_eq!(table.find(route, "!c:x"), Err(Refusal::WrongRoom));
        assert_eq!(table.len(), 2);
    }

    #[test]
    fn only_the_negotiated_address_at_the_negotiated_port_is_known() {
        let mut table = ChannelTable::new();
        table.open(route(29_400, "192.0.2.1:29401"), "!a:x", ()).expect("free");
        for other in [
            route(29_400, "192.0.2.1:29402"),
            route(29_400, "192.0.2.2:29401"),
            route(29_402, "192.0.2.1:29401"),
        ] {
            assert_eq!(table.find(other, "!a:x"), Err(Refusal::UnknownSender), "{other:?}");
        }
    }

    #[test]
    fn two_epochs_of_a_room_live_side_by_side_until_the_older_is_closed() {
        let mut table = ChannelTable::new();
        let (old, new) = (route(29_400, "192.0.2.1:29401"), route(29_402, "192.0.2.1:29403"));
        table.open(old, "!a:x", 0).expect("free");
        table.open(new, "!a:x", 1).expect("free");
        assert_eq!(table.open(new, "!a:x", 2), Err(Taken));
        assert_eq!(table.close(old, "!a:x"), Some(0));
        assert_eq!(table.close(old, "!a:x"), None);
        assert_eq!(table.find(old, "!a:x"), Err(Refusal::UnknownSender));
        assert_eq!(table.find(new, "!a:x"), Ok(&1));
    }

    #[test]
    fn closing_the_last_room_forgets_the_sender() {
        let mut table = ChannelTable::new();
        let route = route(1, "[2001:db8::1]:2");
        table.open(route, "!a:x", ()).expect("free");
        table.close(route, "!a:x");
        assert!(table.is_empty());
    }

    #[test]
    fn an_ipv4_address_reported_as_ipv6_is_the_same_sender() {
        let mut table = ChannelTable::new();
        table.open(route(1, "192.0.2.1:2"), "!a:x", ()).expect("free");
        assert_eq!(table.find(route(1, "[::ffff:192.0.2.1]:2"), "!a:x"), Ok(&()));
        assert_eq!(
            table
                .of_peer("[::ffff:192.0.2.1]:2".parse().expect("an address"))
                .count(),
            1
        );
        assert_eq!(table.of_peer("192.0.2.1:3".parse().expect("an address")).count(), 0);
    }
}
