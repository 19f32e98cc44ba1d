// Measures how loud a node of an audio graph is.

const METER_MS = 100;
/** Levels that are remembered: one second. */
const REMEMBERED = 10;

/** The level of what flows through an AnalyserNode. */
export class Meter {
    #analyser;
    #samples;
    #levels = [];
    #timer;

    constructor(analyser) {
        this.#analyser = analyser;
        this.#samples = new Float32Array(analyser.fftSize);
        this.#timer = setInterval(() => this.#measure(), METER_MS);
    }

    #measure() {
        this.#analyser.getFloatTimeDomainData(this.#samples);
        const energy = this.#samples.reduce((sum, sample) => sum + sample * sample, 0);
        this.#levels.push(Math.sqrt(energy / this.#samples.length));
        this.#levels = this.#levels.slice(-REMEMBERED);
    }

    level() {
        return { now: this.#levels.at(-1) ?? 0, peak: Math.max(0, ...this.#levels) };
    }

    stop() {
        clearInterval(this.#timer);
    }
}
