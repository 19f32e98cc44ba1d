"""A Discord client on libdave and a thin voice connection of its own, driven by a scenario: see docs/discord-standin.md.

With "dave": false it announces no DAVE, as old clients do.
"""

import asyncio
import json
import sys
from dataclasses import asdict
from pathlib import Path

import aiohttp
import dave
from gateway import Gateway
from voice import Voice

sys.path.append(str(Path(__file__).parent.parent))
from questions import packets, serve

WAIT = 15


class Client:
    def __init__(self, http, gateway, place):
        self.http, self.gateway, self.place = http, gateway, place
        self.voice = None
        self.speech = None

    async def join(self):
        guild, channel = self.place["guild_id"], self.place["channel_id"]
        version = dave.get_max_supported_protocol_version() if self.place["dave"] else 0
        async with asyncio.timeout(WAIT):
            server = await self.gateway.join(guild, channel)
            user = self.gateway.user_id
            self.voice = await Voice.connect(self.http, server, guild, channel, user, version)

    async def play(self, file):
        started = asyncio.get_running_loop().create_future()
        self.speech = asyncio.create_task(self.voice.speak(packets(file), started))
        async with asyncio.timeout(WAIT):
            return {"started_at_ms": await started}

    async def stop(self):
        if self.speech:
            self.speech.cancel()
            await asyncio.wait([self.speech])

    async def state(self):
        counts = {name: self.voice.counts[name] for name in ["sent", "received", "decrypted", "failed"]}
        group = self.voice.group
        return counts | {"dave_version": group.version, "privacy_code": group.privacy_code()}

    async def recording(self, file):
        with open(file, "w") as lines:
            lines.writelines(f"{json.dumps(asdict(frame))}\n" for frame in self.voice.heard)

    async def leave(self):
        await self.stop()
        if self.voice:
            await self.gateway.set_channel(self.place["guild_id"], None)
            await self.voice.close()
            self.voice = None

    def commands(self):
        names = ["join", "play", "stop", "state", "recording", "leave"]
        return {name: getattr(self, name) for name in names}


async def run(place):
    async with aiohttp.ClientSession() as http:
        async with asyncio.timeout(WAIT):
            gateway = await Gateway.connect(http, place["gateway"], place["token"])
        client = Client(http, gateway, place)
        await serve(client.commands())
        await client.leave()
        await gateway.close()


asyncio.run(run(json.loads(sys.argv[1])))
