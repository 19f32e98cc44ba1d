// The page's sound: measures everybody's level and, if wanted, records oneself beside each of the others by one clock.

import { Meter } from "./shared/meter.js";
import { Recording } from "./shared/recording.js";

const SAMPLE_RATE = 48000;

/** One audio graph for a call. Its inputs are "microphone" and the others, each by a name of the caller's. */
export class Sound {
    #started;
    #context;
    #records;
    #inputs = {};
    #recorders = {};

    /** Starts the graph. Browsers let it run only after the person has clicked something. */
    start({ record }) {
        this.#started ??= this.#start(record);
        return this.#started;
    }

    async #start(record) {
        this.#context = new AudioContext({ sampleRate: SAMPLE_RATE });
        await this.#context.resume();
        if (record) {
            await this.#context.audioWorklet.addModule("recorder-worklet.js");
            this.#records = true;
        }
    }

    /** Records the microphone and this one of the others from now on, if recording was asked for. */
    record(other) {
        if (!this.#records || this.#recorders[other]) {
            return;
        }
        const recording = new Recording();
        const node = new AudioWorkletNode(this.#context, "recorder", {
            numberOfInputs: 2,
            numberOfOutputs: 1,
            channelCount: 1,
            channelCountMode: "explicit",
        });
        node.port.onmessage = ({ data }) => recording.add(data);
        // Its output is silence; without a way to the destination nothing would pull it.
        node.connect(this.#context.destination);
        this.#inputs.microphone?.source.connect(node, 0, 0);
        this.#recorders[other] = { node, recording };
    }

    /** What was recorded of the microphone and of this one so far. */
    recording(other) {
        const { recording } = this.#recorders[other] ?? {};
        if (!recording) {
            throw new Error(`nothing was recorded of ${other}`);
        }
        return recording;
    }

    /** Listens to a stream in place of the one before; `into` says with whom it is recorded. */
    listen(kind, stream, into = kind) {
        const [track] = stream.getAudioTracks();
        if (this.#inputs[kind]?.track === track) {
            return;
        }
        this.forget(kind);
        const source = this.#context.createMediaStreamSource(new MediaStream([track]));
        const analyser = this.#context.createAnalyser();
        analyser.fftSize = 8192;
        source.connect(analyser);
        if (kind === "microphone") {
            Object.values(this.#recorders).forEach(({ node }) => source.connect(node, 0, 0));
        } else {
            this.record(into);
            if (this.#records) {
                source.connect(this.#recorders[into].node, 0, 1);
            }
        }
        const meter = new Meter(analyser);
        this.#inputs[kind] = { track, source, meter };
    }

    /** Listens no longer. */
    forget(kind) {
        const input = this.#inputs[kind];
        if (input) {
            input.source.disconnect();
            input.meter.stop();
            delete this.#inputs[kind];
        }
    }

    /** Listens to nobody any longer. */
    forgetAll() {
        Object.keys(this.#inputs).forEach((kind) => this.forget(kind));
    }

    /** The level now and the highest one of the last second (RMS, 0 to 1). */
    level(kind) {
        return this.#inputs[kind]?.meter.level() ?? { now: 0, peak: 0 };
    }

    /** The same for the loudest of the others. */
    levelOfOthers() {
        const others = Object.keys(this.#inputs).filter((kind) => kind !== "microphone");
        const levels = others.map((kind) => this.level(kind));
        const highest = (which) => Math.max(0, ...levels.map((level) => level[which]));
        return { now: highest("now"), peak: highest("peak") };
    }
}
