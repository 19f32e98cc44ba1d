// A person's microphone as Opus packets of 20 ms.

const SAMPLE_RATE = 48000;
const ENCODING = {
    codec: "opus",
    sampleRate: SAMPLE_RATE,
    numberOfChannels: 1,
    bitrate: 64000,
    opus: { frameDuration: 20000, application: "voip" },
};
/** Packets that the encoder may be behind; more are given up. */
const MOST_WAITING = 10;

/** The microphone while it is open. */
export class Microphone {
    #stream;
    #encoder;
    #frames;
    #encoded = 0;
    /** Where its sound enters the audio graph. */
    source;

    /** Opens it. `raw` leaves out what browsers do to make speech clearer, `packet` takes each Opus packet. */
    static async open(context, { raw, packet, failed }) {
        const clear = !raw;
        const audio = { echoCancellation: clear, noiseSuppression: clear, autoGainControl: clear };
        const stream = await navigator.mediaDevices.getUserMedia({ audio });
        const microphone = new Microphone();
        microphone.#stream = stream;
        microphone.#encoder = new AudioEncoder({
            output(chunk) {
                const opus = new Uint8Array(chunk.byteLength);
                chunk.copyTo(opus);
                packet(opus);
            },
            error: failed,
        });
        microphone.#encoder.configure(ENCODING);
        microphone.source = context.createMediaStreamSource(stream);
        microphone.#frames = new AudioWorkletNode(context, "microphone", {
            numberOfOutputs: 1,
            channelCount: 1,
            channelCountMode: "explicit",
        });
        microphone.#frames.port.onmessage = ({ data }) => microphone.#encode(data);
        // Its output is silence; without a way to the destination nothing would pull it.
        microphone.source.connect(microphone.#frames).connect(context.destination);
        return microphone;
    }

    #encode(frame) {
        if (this.#encoder.state !== "configured" || this.#encoder.encodeQueueSize > MOST_WAITING) {
            return;
        }
        const sound = new AudioData({
            format: "f32-planar",
            sampleRate: SAMPLE_RATE,
            numberOfFrames: frame.length,
            numberOfChannels: 1,
            timestamp: this.#encoded,
            data: frame,
        });
        this.#encoded += (frame.length / SAMPLE_RATE) * 1e6;
        this.#encoder.encode(sound);
        sound.close();
    }

    close() {
        this.#stream.getTracks().forEach((track) => track.stop());
        this.source.disconnect();
        this.#frames.disconnect();
        if (this.#encoder.state !== "closed") {
            this.#encoder.close();
        }
    }
}
