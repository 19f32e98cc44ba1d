// A Discord client on discord.js and @discordjs/voice, driven by a scenario: see docs/discord-standin.md.

import { readFile, writeFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { Readable } from "node:stream";
import {
    AudioPlayerStatus,
    StreamType,
    VoiceConnectionStatus,
    createAudioPlayer,
    createAudioResource,
    entersState,
    joinVoiceChannel,
} from "@discordjs/voice";
import { Client, GatewayIntentBits } from "discord.js";

const WAIT_MS = 15_000;
const SILENCE = Buffer.from([0xf8, 0xff, 0xfe]);

const place = JSON.parse(process.argv[2]);
const client = new Client({
    intents: [GatewayIntentBits.Guilds, GatewayIntentBits.GuildVoiceStates],
    rest: { api: `${place.api_base}/api` },
});
const player = createAudioPlayer();
const heard = [];
const counts = { sent: 0, received: 0, decrypted: 0, failed: 0 };
let connection;
let firstFrameLeft = () => {};

const now = () => performance.timeOrigin + performance.now();
const group = () => connection?.state.networking?.state.dave;

async function within(what, promise) {
    let timer;
    const late = new Promise((_, reject) => {
        timer = setTimeout(() => reject(new Error(`waited ${WAIT_MS} ms for ${what}`)), WAIT_MS);
    });
    return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

const commands = {
    async join() {
        const guild = await client.guilds.fetch(place.guild_id);
        connection = joinVoiceChannel({
            guildId: guild.id,
            channelId: place.channel_id,
            adapterCreator: guild.voiceAdapterCreator,
            selfDeaf: false,
        });
        const closed = new Promise((_, reject) => {
            connection.on(VoiceConnectionStatus.Disconnected, (_, { closeCode }) =>
                reject(new Error(`the voice gateway closed the connection (${closeCode ?? "no code"})`)),
            );
        });
        closed.catch(() => {});
        countFramesSent(connection);
        noteFramesHeard(connection.receiver);
        await Promise.race([closed, within("voice", entersState(connection, VoiceConnectionStatus.Ready, WAIT_MS))]);
        connection.subscribe(player);
    },

    async play({ file }) {
        const lines = (await readFile(file, "utf8")).split("\n").filter(Boolean);
        const packets = lines.map((line) => Buffer.from(line, "hex"));
        const started = new Promise((resolve) => {
            firstFrameLeft = resolve;
        });
        player.play(createAudioResource(Readable.from(packets), { inputType: StreamType.Opus }));
        return { started_at_ms: await within("the first frame to leave", started) };
    },

    async stop() {
        player.stop();
        await entersState(player, AudioPlayerStatus.Idle, WAIT_MS);
    },

    state: () => ({
        ...counts,
        dave_version: group()?.protocolVersion ?? 0,
        privacy_code: connection?.voicePrivacyCode ?? null,
    }),

    recording: ({ file }) => writeFile(file, heard.map((frame) => `${JSON.stringify(frame)}\n`).join("")),

    async leave() {
        connection?.destroy();
        connection = undefined;
    },
};

/** Counts the frames of speech as they leave; silence is not part of what is played. */
function countFramesSent(connection) {
    const prepare = connection.prepareAudioPacket.bind(connection);
    const dispatch = connection.dispatchAudio.bind(connection);
    let next;
    connection.prepareAudioPacket = (packet) => {
        next = packet;
        return prepare(packet);
    };
    connection.dispatchAudio = () => {
        const left = dispatch();
        if (left && !SILENCE.equals(next)) {
            counts.sent += 1;
            firstFrameLeft(now());
        }
        return left;
    };
}

/** Subscribes to everyone who speaks. A stream gives Opus only, so the RTP header is read where it is opened. */
function noteFramesHeard(receiver) {
    const subscribe = ({ userId }) => {
        const stream = receiver.subscribe(userId);
        stream.on("error", () => {});
        // A stream ends with a frame that cannot be opened; who speaks on is heard on.
        stream.once("close", () => connection?.receiver === receiver && setImmediate(subscribe, { userId }));
        stream.resume();
    };
    receiver.ssrcMap.on("create", subscribe);
    const parse = receiver.parsePacket.bind(receiver);
    receiver.parsePacket = (packet, mode, nonce, key, userId) => {
        const at_ms = now();
        // Until its group is ready the library hands encrypted frames on as they are.
        const ready = !group()?.protocolVersion || group().session?.ready;
        counts.received += 1;
        let opus = null;
        try {
            opus = parse(packet, mode, nonce, key, userId);
            return opus;
        } finally {
            if (opus && (ready || SILENCE.equals(opus))) {
                counts.decrypted += 1;
                heard.push({
                    at_ms,
                    user_id: userId,
                    ssrc: packet.readUInt32BE(8),
                    sequence: packet.readUInt16BE(2),
                    timestamp: packet.readUInt32BE(4),
                    opus: opus.toString("hex"),
                });
            } else {
                counts.failed += 1;
            }
        }
    };
}

function answer(content) {
    process.stdout.write(`${JSON.stringify(content)}\n`);
}

async function serve(line) {
    const { id, command, arguments: parameters } = JSON.parse(line);
    try {
        answer({ id, value: (await commands[command](parameters)) ?? null });
    } catch (error) {
        answer({ id, error: error.message });
    }
}

async function end() {
    await commands.leave();
    await client.destroy();
    process.exit(0);
}

const ready = new Promise((resolve) => client.once("clientReady", resolve));
await within("the gateway", Promise.all([ready, client.login(place.token)]));
const questions = createInterface({ input: process.stdin });
questions.on("line", serve);
questions.on("close", end);
