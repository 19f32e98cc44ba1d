// Cuts the microphone into frames of 20 ms, and leaves those out in which nobody speaks.

const FRAME = 960;
/** Frames that are quieter (RMS) hold no speech. */
const QUIET = 0.003;
/** Frames that still go out after the last loud one: 400 ms. */
const HOLD = 20;

class Microphone extends AudioWorkletProcessor {
    #frame = new Float32Array(FRAME);
    #filled = 0;
    #held = 0;

    process([input]) {
        const samples = input[0];
        if (samples) {
            this.#take(samples);
        }
        return true;
    }

    #take(samples) {
        const fits = samples.subarray(0, FRAME - this.#filled);
        this.#frame.set(fits, this.#filled);
        this.#filled += fits.length;
        if (this.#filled === FRAME) {
            this.#deliver();
            this.#frame.set(samples.subarray(fits.length));
            this.#filled = samples.length - fits.length;
        }
    }

    #deliver() {
        const energy = this.#frame.reduce((sum, sample) => sum + sample * sample, 0);
        const loud = Math.sqrt(energy / FRAME) > QUIET;
        this.#held = loud ? HOLD : Math.max(0, this.#held - 1);
        if (this.#held > 0) {
            this.port.postMessage(this.#frame, [this.#frame.buffer]);
            this.#frame = new Float32Array(FRAME);
        }
    }
}

registerProcessor("microphone", Microphone);
