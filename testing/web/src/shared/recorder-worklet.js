// Records two inputs of one audio graph, sample by sample together, and notes the wall clock.

/** What the graph renders at a time, in samples. */
const QUANTUM = 128;
/** What is handed over at a time: about a tenth of a second. */
const BLOCK = 38 * QUANTUM;

class Recorder extends AudioWorkletProcessor {
    constructor() {
        super();
        this.begin();
    }

    begin() {
        this.filled = 0;
        this.tracks = [new Float32Array(BLOCK), new Float32Array(BLOCK)];
        // Samples are rendered in bursts and sometimes late, never early: of all differences between the wall clock and
        // the samples' own time the least is the true one.
        this.offset = Infinity;
    }

    process(inputs) {
        this.offset = Math.min(this.offset, Date.now() - (currentFrame / sampleRate) * 1000);
        this.tracks.forEach((track, index) => {
            const samples = inputs[index]?.[0];
            if (samples) {
                track.set(samples, this.filled);
            }
        });
        this.filled += QUANTUM;
        if (this.filled === BLOCK) {
            this.deliver();
        }
        return true;
    }

    deliver() {
        const block = { end: currentFrame + QUANTUM, offset: this.offset, tracks: this.tracks };
        this.port.postMessage(block, this.tracks.map((track) => track.buffer));
        this.begin();
    }
}

registerProcessor("recorder", Recorder);
