// Keeps what the recorder hands over, and gives it as WAV files with the wall clock.

const SAMPLE_RATE = 48000;
/** Blocks in which one anchor is taken: about a second. */
const BLOCKS_AN_ANCHOR = 10;

/** What one AudioContext heard on two inputs. */
export class Recording {
    #tracks = [[], []];
    #anchors = [];
    #samples = 0;
    #offsets = [];
    #start;

    /** Takes a block of the recorder (see recorder-worklet.js). */
    add({ end, offset, tracks }) {
        tracks.forEach((track, index) => this.#tracks[index].push(track));
        const length = tracks[0].length;
        if (this.#offsets.length === 0) {
            this.#start = { sample: this.#samples, contextMs: ((end - length) / SAMPLE_RATE) * 1000 };
        }
        this.#offsets.push(offset);
        this.#samples += length;
        if (this.#offsets.length === BLOCKS_AN_ANCHOR) {
            this.#anchor();
        }
    }

    #anchor() {
        const { sample, contextMs } = this.#start;
        this.#anchors.push({ sample, unix_ms: contextMs + Math.min(...this.#offsets) });
        this.#offsets = [];
    }

    /** The anchors of the clock: UNIX milliseconds of samples. */
    anchors() {
        if (this.#anchors.length === 0 && this.#offsets.length > 0) {
            this.#anchor();
        }
        return this.#anchors;
    }

    /** A track as a WAV file, base64. */
    async wav(track) {
        const blob = new Blob([header(this.#samples), ...this.#tracks[track].map(sixteenBit)]);
        const url = await new Promise((resolve, reject) => {
            const reader = new FileReader();
            reader.onload = () => resolve(reader.result);
            reader.onerror = () => reject(reader.error);
            reader.readAsDataURL(blob);
        });
        return url.slice(url.indexOf(",") + 1);
    }
}

function sixteenBit(block) {
    return Int16Array.from(block, (sample) => Math.max(-32768, Math.min(32767, Math.round(sample * 32768))));
}

/** RIFF header of 16-bit mono. */
function header(samples) {
    const view = new DataView(new ArrayBuffer(44));
    const text = (at, letters) => [...letters].forEach((letter, i) => view.setUint8(at + i, letter.charCodeAt(0)));
    text(0, "RIFF");
    view.setUint32(4, 36 + samples * 2, true);
    text(8, "WAVEfmt ");
    view.setUint32(16, 16, true);
    view.setUint16(20, 1, true);
    view.setUint16(22, 1, true);
    view.setUint32(24, SAMPLE_RATE, true);
    view.setUint32(28, SAMPLE_RATE * 2, true);
    view.setUint16(32, 2, true);
    view.setUint16(34, 16, true);
    text(36, "data");
    view.setUint32(40, samples * 2, true);
    return view.buffer;
}
