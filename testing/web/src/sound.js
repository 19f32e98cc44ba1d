// The page's sound: plays the other side, measures both levels and, if wanted, records both by one clock.

import { Meter } from "./shared/meter.js";
import { Recording } from "./shared/recording.js";

const SAMPLE_RATE = 48000;

/** One audio graph for both directions of a call. */
export class Sound {
    #context;
    #recorder;
    #inputs = {};
    /** What was recorded so far; undefined unless asked for. */
    recording;

    /** Starts the graph. Browsers let it run only after the person has clicked something. */
    async start({ record }) {
        if (this.#context) {
            return;
        }
        this.#context = new AudioContext({ sampleRate: SAMPLE_RATE });
        await this.#context.resume();
        if (record) {
            await this.#startRecorder();
        }
    }

    async #startRecorder() {
        await this.#context.audioWorklet.addModule("recorder-worklet.js");
        this.recording = new Recording();
        this.#recorder = new AudioWorkletNode(this.#context, "recorder", {
            numberOfInputs: 2,
            numberOfOutputs: 1,
            channelCount: 1,
            channelCountMode: "explicit",
        });
        this.#recorder.port.onmessage = ({ data }) => this.recording.add(data);
        // Its output is silence; without a way to the destination nothing would pull it.
        this.#recorder.connect(this.#context.destination);
    }

    /** Listens to a stream in place of the one before: "microphone" or "remote". */
    listen(kind, stream) {
        const [track] = stream.getAudioTracks();
        if (this.#inputs[kind]?.track === track) {
            return;
        }
        this.forget(kind);
        const source = this.#context.createMediaStreamSource(new MediaStream([track]));
        const analyser = this.#context.createAnalyser();
        analyser.fftSize = 8192;
        source.connect(analyser);
        if (this.#recorder) {
            source.connect(this.#recorder, 0, kind === "microphone" ? 0 : 1);
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

    /** The level now and the highest one of the last second (RMS, 0 to 1). */
    level(kind) {
        return this.#inputs[kind]?.meter.level() ?? { now: 0, peak: 0 };
    }
}
