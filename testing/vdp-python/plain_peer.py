"""An asking side that knows nothing but the plain form: it negotiates in the control room and talks, driven by a scenario.

Knows nothing of this project but docs/signalling.md and docs/vdp.md. Takes as its argument a JSON object of `homeserver`,
`token` and `control_room`, and answers questions (testing/clients/questions.py).
"""

import asyncio
import json
import sys
import time
import urllib.request
import uuid
from pathlib import Path
from urllib.parse import quote

import msgpack

sys.path.append(str(Path(__file__).parent.parent / "clients"))
from questions import packets, serve

FORMAT = "plain-opus"
SEED_TYPES = {"r": str, "d": bytes, "i": int}
FRAME = 0.02
SAMPLES = 960
KEEP_ALIVE = 2.0
ANSWER_WITHIN = 20
ELSEWHERE = "!elsewhere:localhost"


class ControlRoom:
    """The control room by Matrix's client-server API."""

    def __init__(self, homeserver, token, control_room):
        self.rooms = f"{homeserver}/_matrix/client/v3/rooms/{quote(control_room)}"
        self.token = token

    def call(self, method, path, content=None):
        request = urllib.request.Request(
            f"{self.rooms}/{path}",
            method=method,
            data=None if content is None else json.dumps(content).encode(),
            headers={"Authorization": f"Bearer {self.token}"},
        )
        with urllib.request.urlopen(request, timeout=10) as response:
            return json.load(response)

    async def send(self, kind, content):
        path = f"send/vdp.channel.{kind}/{uuid.uuid4()}"
        await asyncio.to_thread(self.call, "PUT", path, content)

    async def answer(self, transaction, kinds):
        """The other side's first event of these kinds in a transaction: its kind and content."""
        async with asyncio.timeout(ANSWER_WITHIN):
            while True:
                latest = await asyncio.to_thread(self.call, "GET", "messages?dir=b&limit=50")
                for event in reversed(latest["chunk"]):
                    kind = event["type"].removeprefix("vdp.channel.")
                    if kind in kinds and event["content"].get("transaction_id") == transaction:
                        return kind, event["content"]
                await asyncio.sleep(0.1)


class Link(asyncio.DatagramProtocol):
    """One room's packets, from and to one peer."""

    def __init__(self, room, peer):
        self.room, self.peer = room, peer
        self.index, self.sent_at = 0, 0.0
        self.heard, self.odd, self.strange = [], 0, 0

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, datagram, sender):
        packet = msgpack.unpackb(datagram)
        if sender != self.peer or packet.get("r") != self.room:
            self.strange += 1
        elif {key: type(value) for key, value in packet.items()} != SEED_TYPES:
            self.odd += 1
        else:
            self.heard.append((time.time_ns() / 1e6, packet["i"], packet["d"]))

    def send(self, voice, room=None):
        packet = {"r": room or self.room, "d": voice, "i": self.index}
        self.transport.sendto(msgpack.packb(packet), self.peer)
        if room is None:
            self.index += 1
            self.sent_at = time.monotonic()


class Peer:
    def __init__(self, control_room):
        self.control_room = control_room
        self.header, self.channel, self.link = None, None, None
        self.tasks = []

    async def call(self, room):
        """Asks for a channel. Gives the format that was chosen, or why there is none."""
        self.header = {"version": 1, "format": FORMAT, "room_id": room, "transaction_id": uuid.uuid4().hex}
        transaction = self.header["transaction_id"]
        await self.control_room.send("request", {**self.header, "formats": [FORMAT]})
        kind, content = await self.control_room.answer(transaction, ["offer", "reject"])
        if kind == "reject":
            return {"rejected": content["reason"]}
        peer = (content["address"], content["port"])
        loop = asyncio.get_running_loop()
        _, self.link = await loop.create_datagram_endpoint(lambda: Link(room, peer), local_addr=("127.0.0.1", 0))
        address, port = self.link.transport.get_extra_info("sockname")
        self.channel = {"channel_id": content["channel_id"], "epoch": content["epoch"]}
        await self.control_room.send("accept", {**self.header, **self.channel, "address": address, "port": port})
        self.tasks.append(asyncio.create_task(self.keep_alive()))
        return {"format": content["format"]}

    async def keep_alive(self):
        while True:
            if time.monotonic() - self.link.sent_at >= KEEP_ALIVE:
                self.link.send(b"")
            await asyncio.sleep(0.1)

    async def talk(self, file, elsewhere):
        """Says a file, and another one for a room that the channel does not carry; gives when the first packet left."""
        started = asyncio.get_running_loop().create_future()
        self.tasks.append(asyncio.create_task(self.say(packets(file), packets(elsewhere), started)))
        return {"started_at_ms": await started}

    async def say(self, voice, elsewhere, started):
        due = time.monotonic()
        for own, stray in zip(voice, elsewhere):
            await asyncio.sleep(due - time.monotonic())
            if not started.done():
                started.set_result(time.time_ns() / 1e6)
            self.link.send(stray, ELSEWHERE)
            self.link.send(own)
            due += FRAME

    async def recording(self, file):
        """Writes the voice that was heard as the other clients do; gives what was no such packet."""
        with open(file, "w") as lines:
            for at_ms, index, voice in self.link.heard:
                if voice:
                    line = {"at_ms": at_ms, "user_id": "0", "ssrc": 1, "sequence": index % 2**16}
                    print(json.dumps({**line, "timestamp": index * SAMPLES % 2**32, "opus": voice.hex()}), file=lines)
        return {"heard": len(self.link.heard), "odd": self.link.odd, "strange": self.link.strange}

    async def hang_up(self):
        for task in self.tasks:
            task.cancel()
        await self.control_room.send("close", {**self.header, **self.channel, "reason": "call_ended"})
        self.link.transport.close()

    def commands(self):
        return {name: getattr(self, name) for name in ["call", "talk", "recording", "hang_up"]}


asyncio.run(serve(Peer(ControlRoom(**json.loads(sys.argv[1]))).commands()))
