"""The far end of VDP in another language: sends an Ogg Opus file and reports what it hears.

Knows nothing of this project but docs/vdp.md, so that the wire is the specification's and not one program's.
Prints one JSON object a line: first {"listening": [host, port]}, then {"i": index, "d": voice in hexadecimal} for each
packet that it hears from the peer for the room, at last {"sent": packets, "ignored": datagrams}.

Begins to send with the first packet that it hears, one packet each --pace seconds, and ends when it has sent all and
heard --expect voice packets, or after --patience seconds.
"""

import argparse
import json
import socket
import time

import msgpack

MAX_DATAGRAM = 1200
KEEP_ALIVE = 2.0


def ogg_packets(data):
    """The packets of an Ogg stream (RFC 3533): segments of a page, put together until one is shorter than 255 bytes."""
    at, packet = 0, b""
    while at < len(data):
        if data[at : at + 4] != b"OggS":
            raise ValueError(f"no Ogg page at byte {at}")
        count = data[at + 26]
        lacing = data[at + 27 : at + 27 + count]
        at += 27 + count
        for length in lacing:
            packet += data[at : at + length]
            at += length
            if length < 255:
                yield packet
                packet = b""


def opus_packets(path):
    """The voice of an Ogg Opus file (RFC 7845), without its two headers."""
    with open(path, "rb") as file:
        head, _tags, *voice = ogg_packets(file.read())
    if not head.startswith(b"OpusHead"):
        raise ValueError(f"{path} is no Ogg Opus file")
    return voice


class Channel:
    """One room's packets, from and to one peer."""

    def __init__(self, room, peer, bind):
        self.room, self.peer, self.index, self.ignored = room, peer, 0, 0
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(bind)

    def send(self, voice):
        packet = msgpack.packb({"r": self.room, "d": voice, "i": self.index})
        self.index += 1
        self.socket.sendto(packet, self.peer)

    def receive(self, until):
        """The next packet for the room, as (index, voice), or None when `until` has come."""
        while (left := until - time.monotonic()) > 0:
            self.socket.settimeout(left)
            try:
                datagram, sender = self.socket.recvfrom(MAX_DATAGRAM + 1)
            except TimeoutError:
                return None
            except ConnectionError:
                continue
            packet = self.read(datagram) if sender == self.peer else None
            if packet is not None:
                return packet
            self.ignored += 1
        return None

    def read(self, datagram):
        try:
            packet = msgpack.unpackb(datagram)
            room, voice, index = packet["r"], packet["d"], packet["i"]
        except (ValueError, KeyError, TypeError, msgpack.UnpackException):
            return None
        return (index, voice) if room == self.room and isinstance(voice, bytes) else None


def address(text):
    host, _, port = text.rpartition(":")
    return host, int(port)


def say(**what):
    print(json.dumps(what), flush=True)


def run(options):
    channel = Channel(options.room, options.peer, options.bind)
    say(listening=channel.socket.getsockname())
    voice = opus_packets(options.file)
    end = time.monotonic() + options.patience
    heard, sent, next_voice, next_keep_alive = 0, 0, None, None
    while time.monotonic() < end and (sent < len(voice) or heard < options.expect):
        due = [moment for moment in (end, next_voice, next_keep_alive) if moment is not None]
        packet = channel.receive(min(due))
        now = time.monotonic()
        if packet is not None:
            index, payload = packet
            heard += len(payload) > 0
            say(i=index, d=payload.hex())
            if next_keep_alive is None:
                channel.send(b"")
                next_voice, next_keep_alive = now, now + KEEP_ALIVE
        if next_voice is not None and now >= next_voice:
            channel.send(voice[sent])
            sent += 1
            next_voice = next_voice + options.pace if sent < len(voice) else None
            next_keep_alive = now + KEEP_ALIVE
        if next_keep_alive is not None and now >= next_keep_alive:
            channel.send(b"")
            next_keep_alive = now + KEEP_ALIVE
    say(sent=sent, ignored=channel.ignored)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--room", required=True, help="room id")
    parser.add_argument("--peer", required=True, type=address, help="address:port to send to and to hear")
    parser.add_argument("--bind", default=("127.0.0.1", 0), type=address, help="own address:port")
    parser.add_argument("--file", required=True, help="Ogg Opus file to send")
    parser.add_argument("--expect", type=int, default=0, help="voice packets to wait for")
    parser.add_argument("--pace", type=float, default=0.02, help="seconds between two packets")
    parser.add_argument("--patience", type=float, default=30, help="seconds after which it ends in any case")
    run(parser.parse_args())


if __name__ == "__main__":
    main()
