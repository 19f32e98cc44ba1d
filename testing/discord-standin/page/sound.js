// A person's ears and mouth: one socket that carries Opus both ways, one audio graph behind it.

import { Meter } from "./meter.js";
import { Microphone } from "./microphone.js";
import { Recording } from "./recording.js";

const SAMPLE_RATE = 48000;
/** Bytes before a heard frame: who speaks (8), sequence (2), timestamp (4). */
const HEADER = 14;
/** Speakers who are decoded at once; who spoke longest ago makes room. */
const MOST_SPEAKERS = 50;
/** Packets that a decoder may be behind before it is given up. */
const MOST_WAITING = 50;
/** Bytes that may wait for the network before frames are given up: a second of speech. */
const MOST_BUFFERED = 8000;
const SILENCE = [new Float32Array(960), new Float32Array(960)];

/** Tells "opened", "closed" (with a reason) and "failed" (with what went wrong). */
export class Sound extends EventTarget {
    #context;
    #player;
    #recorder;
    #heard;
    #said;
    #socket;
    #decoders = new Map();
    #microphone;
    /** Frames that were no Opus. */
    undecoded = 0;
    /** What was recorded so far; undefined unless asked for. */
    recording;

    /** Whether the person is heard here. */
    get open() {
        return this.#socket?.readyState === WebSocket.OPEN;
    }

    get talking() {
        return this.#microphone !== undefined;
    }

    /** Starts the graph. Browsers let it run only after the person has clicked something. */
    async start({ record }) {
        if (!this.#context) {
            const context = new AudioContext({ sampleRate: SAMPLE_RATE });
            for (const module of ["player-worklet.js", "microphone-worklet.js", "recorder-worklet.js"]) {
                await context.audioWorklet.addModule(`page/${module}`);
            }
            this.#player = new AudioWorkletNode(context, "player", { numberOfInputs: 0, outputChannelCount: [2] });
            this.#player.connect(context.destination);
            this.#heard = meter(context, this.#player);
            this.#context = context;
            if (record) {
                this.#record();
            }
        }
        await this.#context.resume();
    }

    #record() {
        this.recording = new Recording();
        this.#recorder = new AudioWorkletNode(this.#context, "recorder", {
            numberOfInputs: 2,
            channelCount: 1,
            channelCountMode: "explicit",
        });
        this.#recorder.port.onmessage = ({ data }) => this.recording.add(data);
        this.#player.connect(this.#recorder, 0, 1);
        // Its output is silence; without a way to the destination nothing would pull it.
        this.#recorder.connect(this.#context.destination);
    }

    /** Hears with the ears of a person, and lends him a mouth. */
    connect(person) {
        this.disconnect();
        const address = new URL(`page/sound?who=${encodeURIComponent(person)}`, location.href);
        address.protocol = "ws:";
        const socket = new WebSocket(address);
        socket.binaryType = "arraybuffer";
        socket.onopen = () => this.#tell("opened");
        socket.onmessage = ({ data }) => this.#hear(data);
        socket.onclose = ({ reason }) => {
            if (this.#socket === socket) {
                this.disconnect();
                this.#tell("closed", reason || "the connection was lost");
            }
        };
        this.#socket = socket;
    }

    disconnect() {
        const socket = this.#socket;
        this.#socket = undefined;
        socket?.close();
        this.silence();
        this.#decoders.forEach((decoder) => decoder.close());
        this.#decoders.clear();
    }

    #hear(message) {
        if (message.byteLength <= HEADER) {
            return;
        }
        const header = new DataView(message, 0, HEADER);
        const speaker = header.getBigUint64(0).toString();
        const timestamp = header.getUint32(10);
        const opus = new Uint8Array(message, HEADER);
        if (opus.length === 1) {
            // Nothing but the TOC: the sender had no frame for this tick.
            this.#play(speaker, timestamp, SILENCE);
        } else {
            this.#decoder(speaker).decode(timestamp, opus);
        }
    }

    #decoder(speaker) {
        let decoder = this.#decoders.get(speaker);
        this.#decoders.delete(speaker);
        if (!decoder?.usable) {
            decoder?.close();
            const play = (at, planes) => this.#play(speaker, at, planes);
            decoder = new Decoder(play, () => (this.undecoded += 1));
        }
        this.#decoders.set(speaker, decoder);
        if (this.#decoders.size > MOST_SPEAKERS) {
            const [oldest, unused] = this.#decoders.entries().next().value;
            unused.close();
            this.#decoders.delete(oldest);
        }
        return decoder;
    }

    #play(speaker, at, planes) {
        this.#player.port.postMessage({ speaker, at, planes });
    }

    /** Opens the microphone. */
    async talk({ raw }) {
        this.silence();
        const microphone = await Microphone.open(this.#context, {
            raw,
            packet: (opus) => this.#say(opus),
            failed: (reason) => this.#tell("failed", reason),
        });
        this.silence();
        this.#said = meter(this.#context, microphone.source);
        if (this.#recorder) {
            microphone.source.connect(this.#recorder, 0, 0);
        }
        this.#microphone = microphone;
    }

    #say(opus) {
        if (this.open && this.#socket.bufferedAmount < MOST_BUFFERED) {
            this.#socket.send(opus);
        }
    }

    /** Closes the microphone. */
    silence() {
        this.#microphone?.close();
        this.#microphone = undefined;
        this.#said?.stop();
        this.#said = undefined;
    }

    /** Levels of the last moment and the highest of the last second (RMS, 0 to 1): "heard" or "said". */
    level(which) {
        const meters = { heard: this.#heard, said: this.#said };
        return meters[which]?.level() ?? { now: 0, peak: 0 };
    }

    #tell(type, detail) {
        this.dispatchEvent(new CustomEvent(type, { detail }));
    }
}

function meter(context, source) {
    const analyser = context.createAnalyser();
    analyser.fftSize = 8192;
    source.connect(analyser);
    return new Meter(analyser);
}

/** Decodes one speaker. */
class Decoder {
    #decoder;
    /** Media time of the last packet, in samples: RTP timestamps wrap at 32 bits, this does not. */
    #position = 0;

    constructor(play, failed) {
        this.#decoder = new AudioDecoder({
            output: (sound) => {
                play(Math.round((sound.timestamp * SAMPLE_RATE) / 1e6), copy(sound));
                sound.close();
            },
            // It closes itself then; the next packet gets a new one.
            error: failed,
        });
        this.#decoder.configure({ codec: "opus", sampleRate: SAMPLE_RATE, numberOfChannels: 2 });
    }

    get usable() {
        return this.#decoder.state === "configured" && this.#decoder.decodeQueueSize < MOST_WAITING;
    }

    decode(rtpTimestamp, opus) {
        this.#position += (rtpTimestamp - this.#position) | 0;
        const timestamp = Math.round((this.#position * 1e6) / SAMPLE_RATE);
        this.#decoder.decode(new EncodedAudioChunk({ type: "key", timestamp, data: opus }));
    }

    close() {
        if (this.#decoder.state !== "closed") {
            this.#decoder.close();
        }
    }
}

/** Left and right; one channel is both. */
function copy(sound) {
    return [0, 1].map((channel) => {
        const plane = new Float32Array(sound.numberOfFrames);
        const planeIndex = Math.min(channel, sound.numberOfChannels - 1);
        sound.copyTo(plane, { planeIndex, format: "f32-planar" });
        return plane;
    });
}
