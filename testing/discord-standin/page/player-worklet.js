// Plays decoded voice: a small jitter buffer for each speaker, all of them added up.
//
// Every block comes with its place in the speaker's own media time (samples, 32 bits that wrap), so that a frame that is
// missing stays a gap of its length.

/** How long a speaker's first block waits, in samples: 80 ms. */
const DELAY = 3840;
/** What a speaker may be ahead of what is played, in samples: 400 ms. Beyond that the delay is set anew. */
const MOST = 19200;
/** Blocks after which it is looked whether they all came earlier than needed: 1 s. */
const WINDOW = 50;
/** By how much, in samples, before the delay is taken back: 40 ms. */
const SLACK = 1920;
/** Samples kept of a speaker. */
const SIZE = 32768;
/** A speaker who has been silent for so many samples is forgotten: 10 s. */
const FORGET = 480000;

class Speaker {
    planes = [new Float32Array(SIZE), new Float32Array(SIZE)];
    /** Media time of the sample that is played next. */
    next = 0;
    /** Samples from there to the end of what has come; none while the speaker is silent. */
    ahead = 0;
    idle = 0;
    /** The least that a block was ahead in this window, and how many there were. */
    #least = Infinity;
    #blocks = 0;

    /** Takes a block of sound whose first sample belongs at media time `at`. */
    add(at, planes) {
        let offset = (at - this.next) | 0;
        if (this.ahead === 0 || offset > MOST) {
            this.planes.forEach((plane) => plane.fill(0));
            this.next = (at - DELAY) >>> 0;
            offset = DELAY;
            this.ahead = 0;
        }
        if (offset < 0) {
            return;
        }
        const length = planes[0].length;
        this.planes.forEach((plane, channel) => {
            for (let i = 0; i < length; i++) {
                plane[(this.next + offset + i) % SIZE] = planes[channel][i];
            }
        });
        this.ahead = Math.max(this.ahead, offset + length);
        this.idle = 0;
        this.#watch(offset);
    }

    /** A stall of the browser or the network makes the delay longer. Once it is over, the delay is taken back. */
    #watch(offset) {
        this.#least = Math.min(this.#least, offset);
        this.#blocks += 1;
        if (this.#blocks < WINDOW) {
            return;
        }
        const excess = this.#least - DELAY;
        if (excess > SLACK) {
            this.#skip(excess);
        }
        this.#least = Infinity;
        this.#blocks = 0;
    }

    #skip(samples) {
        for (let i = 0; i < samples; i++) {
            this.planes.forEach((plane) => (plane[(this.next + i) % SIZE] = 0));
        }
        this.next = (this.next + samples) >>> 0;
        this.ahead -= samples;
    }

    /** Adds what is due to the output. */
    play(outputs) {
        const length = outputs[0].length;
        if (this.ahead === 0) {
            this.idle += length;
            return;
        }
        outputs.forEach((output, channel) => {
            const plane = this.planes[channel % this.planes.length];
            for (let i = 0; i < length; i++) {
                const at = (this.next + i) % SIZE;
                output[i] += plane[at];
                plane[at] = 0;
            }
        });
        this.next = (this.next + length) >>> 0;
        this.ahead = Math.max(0, this.ahead - length);
    }
}

class Player extends AudioWorkletProcessor {
    speakers = new Map();

    constructor() {
        super();
        this.port.onmessage = ({ data: { speaker, at, planes } }) => {
            if (!this.speakers.has(speaker)) {
                this.speakers.set(speaker, new Speaker());
            }
            this.speakers.get(speaker).add(at, planes);
        };
    }

    process(_inputs, [outputs]) {
        for (const [id, speaker] of this.speakers) {
            speaker.play(outputs);
            if (speaker.idle > FORGET) {
                this.speakers.delete(id);
            }
        }
        return true;
    }
}

registerProcessor("player", Player);
