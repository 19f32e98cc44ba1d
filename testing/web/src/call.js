// A Matrix user who can call: matrix-js-sdk does the work, this tells the page how far it is.

import { CallEvent, CallFeedEvent, ClientEvent, createNewMatrixCall } from "matrix-js-sdk";
import { CallErrorCode, CallState } from "matrix-js-sdk/lib/webrtc/call.js";
import { CallEventHandlerEvent } from "matrix-js-sdk/lib/webrtc/callEventHandler.js";
import { openClient, synchronise } from "./client.js";
import { SPEAKING, speakersIn } from "./speaking.js";

/** The states of the SDK, in the fewer words of the page. */
const STATES = {
    [CallState.Fledgling]: "calling",
    [CallState.WaitLocalMedia]: "calling",
    [CallState.CreateOffer]: "calling",
    [CallState.InviteSent]: "calling",
    [CallState.Ringing]: "calling",
    [CallState.CreateAnswer]: "connecting",
    [CallState.Connecting]: "connecting",
    [CallState.Connected]: "connected",
};

/** Reasons with which calls end that work. */
const GOOD_ENDS = [CallErrorCode.UserHangup, CallErrorCode.Replaced, CallErrorCode.AnsweredElsewhere];

/**
 * Emits "state" (of the call), "stream" ({kind, stream}: there is sound from "microphone" or "remote"), "speaking" (who speaks
 * on Discord, [{id, name}]) and "note" (text).
 */
export class Caller extends EventTarget {
    #client;
    #roomId;
    #invitee;
    #call;
    #feeds = new WeakSet();
    #error;
    state = "idle";
    endReason;
    callId;

    /** Logs in and waits until the room is known. */
    static async start(session, { homeserver, room, invitee, raw, answer }) {
        const client = await openClient(session, homeserver);
        // The SDK asks every homeserver for its LiveKit servers, which these calls do not use; one without them would leave
        // an error in the browser's console.
        client._unstable_getRTCTransports = async () => [];
        if (raw) {
            const off = { autoGainControl: false, echoCancellation: false, noiseSuppression: false };
            await client.getMediaHandler().setAudioSettings(off);
        }
        const caller = new Caller(client, room, invitee);
        await synchronise(client, room, (text) => caller.#emit("note", text));
        client.on(ClientEvent.ReceivedToDeviceMessage, ({ message }) => caller.#hearWhoSpeaks(message));
        if (answer) {
            client.on(CallEventHandlerEvent.Incoming, (call) => caller.#answer(call));
        }
        return caller;
    }

    constructor(client, roomId, invitee) {
        super();
        this.#client = client;
        this.#roomId = roomId;
        this.#invitee = invitee;
    }

    /** Places a voice call in the room. */
    async call() {
        const call = createNewMatrixCall(this.#client, this.#roomId, { invitee: this.#invitee });
        if (!call) {
            throw new Error("this browser cannot make calls");
        }
        this.#take(call);
        await call.placeVoiceCall();
    }

    async #answer(call) {
        if (this.#call) {
            return;
        }
        this.#take(call);
        await call.answer(true, false);
    }

    #take(call) {
        this.#call = call;
        this.#error = undefined;
        this.endReason = undefined;
        this.callId = call.callId;
        call.on(CallEvent.State, (state) => this.#follow(call, state));
        call.on(CallEvent.Hangup, () => this.#follow(call, CallState.Ended));
        call.on(CallEvent.Error, (error) => this.#fail(error));
        call.on(CallEvent.FeedsChanged, (feeds) => feeds.forEach((feed) => this.#listen(feed)));
        this.#move("calling");
    }

    /** Anybody can send us such an event: only what a member of the room says of this call counts. */
    #hearWhoSpeaks({ type, sender, content }) {
        const { room_id: room, call_id: call, speakers } = content;
        const ours = type === SPEAKING && room === this.#roomId && call === this.#call?.callId;
        if (ours && this.#client.getRoom(room)?.getMember(sender)?.membership === "join") {
            this.#emit("speaking", speakersIn(speakers));
        }
    }

    #fail(error) {
        this.#error = error;
        this.#emit("note", error.message);
    }

    #listen(feed) {
        const kind = feed.isLocal() ? "microphone" : "remote";
        const tell = () => feed.stream.getAudioTracks().length > 0 && this.#emit("stream", { kind, stream: feed.stream });
        if (!this.#feeds.has(feed)) {
            this.#feeds.add(feed);
            feed.on(CallFeedEvent.NewStream, tell);
            if (kind === "remote") {
                const words = (muted) => (muted ? "The other side is muted" : "The other side is not muted any more");
                feed.on(CallFeedEvent.MuteStateChanged, (muted) => this.#emit("note", words(muted)));
            }
        }
        tell();
    }

    #follow(call, state) {
        if (call !== this.#call) {
            return;
        }
        if (state !== CallState.Ended) {
            this.#move(STATES[state] ?? this.state);
            return;
        }
        this.#call = undefined;
        this.endReason = this.#error?.code ?? call.hangupReason ?? CallErrorCode.UserHangup;
        this.#move(GOOD_ENDS.includes(this.endReason) ? "ended" : "failed");
    }

    #move(state) {
        if (state !== this.state) {
            this.state = state;
            this.#emit("state", state);
        }
    }

    /** Ends the call. */
    hangUp() {
        this.#call?.hangup(CallErrorCode.UserHangup, false);
    }

    /** Switches the microphone; gives what it is then. */
    async setMuted(muted) {
        return this.#call ? this.#call.setMicrophoneMuted(muted) : false;
    }

    /** Puts the other side on hold, or goes on: neither is heard meanwhile. */
    setOnHold(onHold) {
        this.#call.setRemoteOnHold(onHold);
    }

    /** Looks for another way to the other side; the voice goes on meanwhile. */
    restartIce() {
        this.#call.peerConn.restartIce();
    }

    /** What both sides have agreed on last; nothing while they negotiate, or without a call. */
    get agreed() {
        const connection = this.#call?.peerConn;
        if (connection?.signalingState !== "stable" || !connection.remoteDescription) {
            return undefined;
        }
        const [transceiver] = connection.getTransceivers();
        const [, iceUser] = connection.remoteDescription.sdp.match(/^a=ice-ufrag:(\S+)/m) ?? [];
        return { direction: transceiver?.currentDirection, iceUser, iceState: connection.iceConnectionState };
    }

    /** Takes another microphone, also in the middle of a call. */
    async useMicrophone(deviceId) {
        await this.#client.getMediaHandler().setAudioInput(deviceId);
        // The SDK puts the new track into the same stream and tells nobody.
        if (this.#call?.localUsermediaFeed) {
            this.#listen(this.#call.localUsermediaFeed);
        }
    }

    #emit(name, detail) {
        this.dispatchEvent(new CustomEvent(name, { detail }));
    }
}
