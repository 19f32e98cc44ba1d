"""As much of Discord's gateway (version 10) as joining a voice channel needs."""

import asyncio
import contextlib
from dataclasses import dataclass

import aiohttp

DISPATCH, HEARTBEAT, IDENTIFY, VOICE_STATE, HELLO, HEARTBEAT_ACK = 0, 1, 2, 4, 10, 11
INTENTS = 1 << 0 | 1 << 7  # Guilds and voice states.


@dataclass
class VoiceServer:
    """Where a voice session is to connect to, and with what."""

    session_id: str
    token: str
    endpoint: str


class Gateway:
    """One session, which is not resumed when it breaks."""

    def __init__(self, websocket):
        self.websocket = websocket
        self.sequence = None
        self.user_id = None
        self.dispatches = asyncio.Queue()
        self.tasks = []

    @classmethod
    async def connect(cls, http, url, token):
        gateway = cls(await http.ws_connect(f"{url}?v=10&encoding=json"))
        hello = await gateway.websocket.receive_json()
        interval = hello["d"]["heartbeat_interval"] / 1000
        gateway.tasks = [asyncio.create_task(gateway.receive()), asyncio.create_task(gateway.beat(interval))]
        properties = {"os": "linux", "browser": "vdp-testing", "device": "vdp-testing"}
        await gateway.send(IDENTIFY, {"token": token, "intents": INTENTS, "properties": properties})
        ready = await gateway.wait_for("READY")
        gateway.user_id = ready["user"]["id"]
        return gateway

    async def join(self, guild_id, channel_id):
        await self.set_channel(guild_id, channel_id)
        state = server = None
        while state is None or server is None:
            name, data = await self.dispatches.get()
            if name == "VOICE_STATE_UPDATE" and data["user_id"] == self.user_id and data["channel_id"]:
                state = data
            elif name == "VOICE_SERVER_UPDATE" and data["guild_id"] == guild_id:
                server = data
        return VoiceServer(state["session_id"], server["token"], server["endpoint"])

    async def set_channel(self, guild_id, channel_id):
        place = {"guild_id": guild_id, "channel_id": channel_id, "self_mute": False, "self_deaf": False}
        await self.send(VOICE_STATE, place)

    async def wait_for(self, wanted):
        while True:
            name, data = await self.dispatches.get()
            if name == wanted:
                return data

    async def receive(self):
        async for message in self.websocket:
            content = message.json()
            if content["op"] == DISPATCH:
                self.sequence = content["s"]
                self.dispatches.put_nowait((content["t"], content["d"]))
            elif content["op"] == HEARTBEAT:
                await self.send(HEARTBEAT, self.sequence)

    async def beat(self, interval):
        while True:
            await asyncio.sleep(interval)
            await self.send(HEARTBEAT, self.sequence)

    async def send(self, operation, data):
        await self.websocket.send_json({"op": operation, "d": data})

    async def close(self):
        for task in self.tasks:
            task.cancel()
        with contextlib.suppress(aiohttp.ClientError):
            await self.websocket.close()
