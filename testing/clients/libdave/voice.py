"""A voice connection: Discord's voice gateway (version 8) and RTP with transport encryption."""

import asyncio
import itertools
import struct
import time
from collections import Counter
from dataclasses import dataclass

import aiohttp
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from group import Group

IDENTIFY, SELECT_PROTOCOL, READY, HEARTBEAT, DESCRIPTION, SPEAKING, HELLO = 0, 1, 2, 3, 4, 5, 8
MODE = "aead_aes256_gcm_rtpsize"
OPUS = 120
SILENCE = b"\xf8\xff\xfe"
SILENCE_FRAMES = 5
FRAME_SAMPLES, FRAME_SECONDS = 960, 0.02
NONCE, TAG = 4, 16


@dataclass
class Frame:
    """An Opus frame as it was heard."""

    at_ms: float
    user_id: str
    ssrc: int
    sequence: int
    timestamp: int
    opus: str


class Voice(asyncio.DatagramProtocol):
    """A connection to one channel, from the websocket's opening to its end."""

    def __init__(self, websocket, user_id, channel_id):
        self.websocket = websocket
        self.group = Group(user_id, channel_id, self.send_later, self.send_binary_later)
        self.outgoing = asyncio.Queue()
        self.described = asyncio.get_running_loop().create_future()
        self.discovered = asyncio.get_running_loop().create_future()
        self.acknowledged = -1
        self.ssrc, self.cipher, self.transport = None, None, None
        self.users = {}
        self.heard = []
        self.counts = Counter()
        self.sequence, self.timestamp, self.nonce = 0, 0, itertools.count()
        self.tasks = []

    @classmethod
    async def connect(cls, http, server, guild_id, channel_id, user_id, dave_version):
        websocket = await http.ws_connect(f"wss://{server.endpoint}/?v=8")
        voice = cls(websocket, user_id, channel_id)
        voice.tasks = [asyncio.create_task(voice.receive()), asyncio.create_task(voice.write())]
        identity = {
            "server_id": guild_id,
            "channel_id": channel_id,
            "user_id": user_id,
            "session_id": server.session_id,
            "token": server.token,
            "max_dave_protocol_version": dave_version,
        }
        voice.send_later(IDENTIFY, identity)
        await voice.described
        return voice

    # The websocket.

    async def receive(self):
        async for message in self.websocket:
            if message.type is aiohttp.WSMsgType.BINARY:
                self.acknowledged, operation = struct.unpack_from(">HB", message.data)
                self.group.take_binary(operation, message.data[3:])
            else:
                content = message.json()
                self.acknowledged = content.get("seq", self.acknowledged)
                await self.take(content["op"], content["d"])
        if not self.described.done():
            reason = f"the voice gateway closed the connection ({self.websocket.close_code})"
            self.described.set_exception(ConnectionError(reason))

    async def take(self, operation, data):
        match operation:
            case 8:
                self.tasks.append(asyncio.create_task(self.beat(data["heartbeat_interval"] / 1000)))
            case 2:
                self.tasks.append(asyncio.create_task(self.open_udp(data)))
            case 4:
                self.cipher = AESGCM(bytes(data["secret_key"]))
                self.group.begin(data["dave_protocol_version"])
                self.described.set_result(None)
            case 5:
                self.users[data["ssrc"]] = data["user_id"]
            case _:
                self.group.take(operation, data)

    async def write(self):
        while True:
            message = await self.outgoing.get()
            if isinstance(message, bytes):
                await self.websocket.send_bytes(message)
            else:
                await self.websocket.send_json(message)

    def send_later(self, operation, data):
        self.outgoing.put_nowait({"op": operation, "d": data})

    def send_binary_later(self, operation, data):
        self.outgoing.put_nowait(bytes([operation]) + data)

    async def beat(self, interval):
        for count in itertools.count():
            self.send_later(HEARTBEAT, {"t": count, "seq_ack": self.acknowledged})
            await asyncio.sleep(interval)

    # UDP.

    async def open_udp(self, ready):
        self.ssrc = ready["ssrc"]
        self.group.assign(self.ssrc)
        loop = asyncio.get_running_loop()
        address = (ready["ip"], ready["port"])
        self.transport, _ = await loop.create_datagram_endpoint(lambda: self, remote_addr=address)
        self.transport.sendto(struct.pack(">HHI66x", 1, 70, self.ssrc))
        host, port = await self.discovered
        choice = {"address": host, "port": port, "mode": MODE}
        self.send_later(SELECT_PROTOCOL, {"protocol": "udp", "data": choice})

    def datagram_received(self, datagram, _address):
        at_ms = time.time_ns() / 1e6
        if not self.discovered.done():
            _, _, _, host, port = struct.unpack(">HHI64sH", datagram)
            self.discovered.set_result((host.rstrip(b"\0").decode(), port))
        elif self.cipher and len(datagram) > 12 and datagram[1] & 0x7F == OPUS:
            self.hear(at_ms, datagram)

    def error_received(self, _error):
        """A datagram that nobody took is a lost one."""

    def hear(self, at_ms, packet):
        first, sequence, timestamp, ssrc = struct.unpack_from(">BxHII", packet)
        self.counts["received"] += 1
        frame = self.open(first, packet)
        user = self.users.get(ssrc)
        opus = self.group.decrypt(user, frame) if frame and user else None
        if opus is None:
            self.counts["failed"] += 1
            return
        self.counts["decrypted"] += 1
        self.heard.append(Frame(at_ms, user, ssrc, sequence, timestamp, opus.hex()))

    def open(self, first, packet):
        """The frame in a packet, without header extension and padding; None if it is forged."""
        extended, padded = first & 0x10, first & 0x20
        clear = 12 + 4 * (first & 0x0F) + (4 if extended else 0)
        sealed, nonce = packet[clear:-NONCE], packet[-NONCE:]
        try:
            body = self.cipher.decrypt(nonce.ljust(12, b"\0"), sealed, packet[:clear])
        except InvalidTag:
            return None
        if padded:
            body = body[: -body[-1]]
        return body[4 * struct.unpack(">H", packet[clear - 2 : clear])[0] :] if extended else body

    # Speech.

    async def speak(self, packets, started):
        """Sends a packet each 20 ms by the clock; `started` takes the time of the first."""
        self.send_later(SPEAKING, {"speaking": 1, "delay": 0, "ssrc": self.ssrc})
        try:
            begin = time.monotonic()
            for number, packet in enumerate(packets + [SILENCE] * SILENCE_FRAMES):
                await asyncio.sleep(begin + number * FRAME_SECONDS - time.monotonic())
                if number == 0:
                    started.set_result(time.time_ns() / 1e6)
                left = self.send_frame(packet)
                self.counts["sent"] += left and packet != SILENCE
        finally:
            self.send_later(SPEAKING, {"speaking": 0, "delay": 0, "ssrc": self.ssrc})

    def send_frame(self, opus):
        """Sends a frame, unless there is no key for it yet: it is lost then, as time goes on."""
        frame = opus if opus == SILENCE else self.group.encrypt(self.ssrc, opus)
        sequence, timestamp = self.sequence, self.timestamp
        self.sequence = (sequence + 1) % 2**16
        self.timestamp = (timestamp + FRAME_SAMPLES) % 2**32
        if frame is None:
            return False
        header = struct.pack(">BBHII", 0x80, OPUS, sequence, timestamp, self.ssrc)
        nonce = struct.pack(">I", next(self.nonce) % 2**32)
        self.transport.sendto(header + self.cipher.encrypt(nonce.ljust(12, b"\0"), frame, header) + nonce)
        return True

    async def close(self):
        for task in self.tasks:
            task.cancel()
        if self.transport:
            self.transport.close()
        await self.websocket.close()
