"""A Discord client on discord.py, driven by a scenario: see docs/discord-standin.md. The library cannot receive."""

import asyncio
import json
import sys
import time
from pathlib import Path

import discord
import yarl

sys.path.append(str(Path(__file__).parent.parent))
from questions import packets, serve

WAIT = 15


class Speech(discord.AudioSource):
    """Opus packets, which the library's own thread takes one after the other just before it sends them."""

    def __init__(self, file):
        self.packets = packets(file)
        self.taken = 0
        self.started_at_ms = None

    def is_opus(self):
        return True

    def read(self):
        if self.taken == len(self.packets):
            return b""
        if self.started_at_ms is None:
            self.started_at_ms = time.time_ns() / 1e6
        self.taken += 1
        return self.packets[self.taken - 1]


class Speaker:
    def __init__(self, client, place):
        self.client, self.place = client, place
        self.voice = None
        self.played = []

    async def join(self):
        channel = await self.client.fetch_channel(int(self.place["channel_id"]))
        self.voice = await channel.connect(timeout=WAIT, reconnect=False)

    async def play(self, file):
        speech = Speech(file)
        self.played.append(speech)
        self.voice.play(speech)
        async with asyncio.timeout(WAIT):
            while speech.started_at_ms is None:
                await asyncio.sleep(0.01)
        return {"started_at_ms": speech.started_at_ms}

    async def stop(self):
        self.voice.stop()

    async def state(self):
        code = self.voice and self.voice.voice_privacy_code
        return {
            "sent": sum(speech.taken for speech in self.played),
            "received": 0,
            "decrypted": 0,
            "failed": 0,
            "dave_version": self.voice._connection.dave_protocol_version if self.voice else 0,
            "privacy_code": code,
        }

    async def leave(self):
        if self.voice:
            await self.voice.disconnect()
            self.voice = None

    def commands(self):
        names = ["join", "play", "stop", "state", "leave"]
        return {name: getattr(self, name) for name in names}


async def run(place):
    discord.http.Route.BASE = f"{place['api_base']}/api/v10"
    discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(place["gateway"])
    intents = discord.Intents(guilds=True, voice_states=True)
    async with discord.Client(intents=intents) as client:
        await client.login(place["token"])
        connection = asyncio.create_task(client.connect(reconnect=False))
        ready = asyncio.create_task(client.wait_until_ready())
        await asyncio.wait([connection, ready], timeout=WAIT, return_when=asyncio.FIRST_COMPLETED)
        if not client.is_ready():
            raise SystemExit("the gateway did not make the client ready")
        speaker = Speaker(client, place)
        await serve(speaker.commands())
        await speaker.leave()


asyncio.run(run(json.loads(sys.argv[1])))
