// The way to one SFU, by livekit-client.

import { Room, RoomEvent, setLogLevel, Track } from "livekit-client";
import { SPEAKING, speakersInText } from "../speaking.js";

setLogLevel("warn");

/** After these others are to be heard, or shown, differently. */
const CHANGES = [
    RoomEvent.Connected,
    RoomEvent.Reconnected,
    RoomEvent.ParticipantConnected,
    RoomEvent.ParticipantDisconnected,
    RoomEvent.TrackSubscribed,
    RoomEvent.TrackUnsubscribed,
    RoomEvent.TrackMuted,
    RoomEvent.TrackUnmuted,
    RoomEvent.LocalTrackPublished,
    RoomEvent.ActiveSpeakersChanged,
];

/** After these others may say differently who speaks on Discord. */
const SPEAKING_CHANGES = [
    RoomEvent.Connected,
    RoomEvent.Reconnected,
    RoomEvent.ParticipantConnected,
    RoomEvent.ParticipantDisconnected,
    RoomEvent.ParticipantAttributesChanged,
];

/** As Element Call publishes a microphone. */
const PUBLISH = { audioPreset: { maxBitrate: 48_000 }, dtx: true, red: false, forceStereo: false };

/** How long after a try to connect again the next begins: livekit-client's own policy waits up to 7 s, by chance. */
const RECONNECT_MS = 500;
/** So many, before a new token is asked for. */
const RECONNECTS = 60;

/** Emits "change" when somebody is heard or shown differently, "speaking" when others speak on Discord, and "closed" when it has ended by itself. */
export class Connection extends EventTarget {
    #room;
    #closing = false;
    /** What others said of who speaks, by their names on the SFU, where they could not set an attribute. */
    #told = new Map();

    constructor({ raw }) {
        super();
        const processed = !raw;
        this.#room = new Room({
            audioCaptureDefaults: {
                autoGainControl: processed,
                echoCancellation: processed,
                noiseSuppression: processed,
                voiceIsolation: processed,
            },
            publishDefaults: PUBLISH,
            reconnectPolicy: {
                nextRetryDelayInMs: ({ retryCount }) => (retryCount < RECONNECTS ? RECONNECT_MS : null),
            },
        });
        for (const event of CHANGES) {
            this.#room.on(event, () => this.dispatchEvent(new Event("change")));
        }
        for (const event of SPEAKING_CHANGES) {
            this.#room.on(event, () => this.dispatchEvent(new Event("speaking")));
        }
        this.#room.on(RoomEvent.DataReceived, (payload, from, _kind, topic) => {
            if (topic === SPEAKING && from) {
                this.#told.set(from.identity, speakersInText(new TextDecoder().decode(payload)));
                this.dispatchEvent(new Event("speaking"));
            }
        });
        this.#room.on(RoomEvent.Disconnected, () => !this.#closing && this.dispatchEvent(new Event("closed")));
    }

    /** Connects with what the service in front of the SFU gave. */
    async open({ url, jwt }) {
        await this.#room.connect(url, jwt);
        if (this.#closing) {
            await this.#room.disconnect();
        }
    }

    async close() {
        this.#closing = true;
        await this.#room.disconnect();
    }

    /** Publishes the microphone, or mutes what is published. */
    async speak(enabled) {
        await this.#room.localParticipant.setMicrophoneEnabled(enabled);
    }

    async useMicrophone(deviceId) {
        await this.#room.switchActiveDevice("audioinput", deviceId);
    }

    /** Our own microphone as others hear it. */
    get microphone() {
        return this.#room.localParticipant.getTrackPublication(Track.Source.Microphone)?.track?.mediaStreamTrack;
    }

    /** Who speaks on Discord, as those there tell. */
    get speakers() {
        const others = [...this.#room.remoteParticipants.values()];
        return others.flatMap(({ attributes, identity }) => {
            const attribute = attributes[SPEAKING];
            return attribute ? speakersInText(attribute) : (this.#told.get(identity) ?? []);
        });
    }

    /** Somebody by his name on the SFU: what is heard of him, and what is shown. */
    participant(identity) {
        const participant = this.#room.getParticipantByIdentity(identity);
        const [publication] = participant?.audioTrackPublications.values() ?? [];
        return {
            there: participant !== undefined,
            track: publication?.track?.mediaStreamTrack,
            muted: publication?.isMuted ?? true,
            speaking: participant?.isSpeaking ?? false,
        };
    }
}
