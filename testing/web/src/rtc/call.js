// A Matrix user who takes part in the MatrixRTC call of a room: matrix-js-sdk says who is in it, livekit-client carries voice.

import { MatrixRTCSessionEvent } from "matrix-js-sdk/lib/matrixrtc/index.js";
import { openClient, synchronise } from "../client.js";
import { Connection } from "./connection.js";
import { AS_DEVICE, AS_EITHER, AS_MEMBER, entrance, focusOfHomeserver, transport } from "./focus.js";

/** How long the homeserver may take to note that we have left. */
const LEAVE_MS = 5_000;
/** Between attempts to reach an SFU that is away. */
const RETRY_MS = 1_000;

/**
 * Emits "state" (of our part in the call), "stream" ({kind, stream}: there is sound from "microphone" or a member, by key),
 * "silence" (the key of a member who is heard no more), "speaking" (who speaks on Discord, [{id, name}]) and "note" (text).
 */
export class GroupCall extends EventTarget {
    #client;
    #roomId;
    #session;
    #options;
    #focus;
    #connections = new Map();
    #heard = new Map();
    #member;
    #silent = false;
    state = "idle";
    endReason;

    /** Logs in and waits until the room is known. `sticky` takes part by a sticky event, not by a state event. */
    static async start(session, { homeserver, room, focus, raw, sticky }) {
        const client = await openClient(session, homeserver);
        const call = new GroupCall(client, room, { raw, sticky });
        await synchronise(client, room, (text) => call.#emit("note", text));
        call.#focus = focus ?? (await focusOfHomeserver(client));
        call.#session = client.matrixRTC.getRoomSession(client.getRoom(room));
        call.#session.on(MatrixRTCSessionEvent.MembershipsChanged, () => call.#follow());
        call.#session.on(MatrixRTCSessionEvent.MembershipManagerError, (error) => call.#fail(error));
        return call;
    }

    constructor(client, roomId, options) {
        super();
        this.#client = client;
        this.#roomId = roomId;
        this.#options = options;
    }

    /** Joins the call, or begins it. */
    async call() {
        this.endReason = undefined;
        this.#silent = false;
        const [userId, deviceId] = [this.#client.getUserId(), this.#client.getDeviceId()];
        const memberId = this.#options.sticky ? crypto.randomUUID() : `${userId}:${deviceId}`;
        this.#member = { userId, deviceId, memberId };
        this.#move("connecting");
        // Whoever is announced can be heard.
        try {
            await this.#connect(this.#focus).opened;
        } catch (error) {
            this.#fail(error);
            throw error;
        }
        this.#session.joinRTCSession(this.#member, [], transport(this.#focus, this.#roomId), {
            callIntent: "audio",
            manageMediaKeys: false,
            unstableSendStickyEvents: this.#options.sticky,
            // By itself it gives the call up when the homeserver is away for ten tries.
            networkErrorRetryMs: 500,
            maximumNetworkErrorRetryCount: 600,
        });
        this.#follow();
    }

    /** Leaves the call; it goes on without us. */
    async hangUp() {
        if (this.#isIn()) {
            this.#end("user_hangup", "ended");
            await this.#session.leaveRoomSession(LEAVE_MS);
        }
    }

    #isIn() {
        return this.state === "connecting" || this.state === "connected";
    }

    #fail(error) {
        if (this.#isIn()) {
            this.#emit("note", error.message);
            this.#end(error.name, "failed");
            this.#session.leaveRoomSession(LEAVE_MS).catch((reason) => this.#emit("note", reason.message));
        }
    }

    #end(reason, state) {
        this.endReason = reason;
        this.#move(state);
        for (const focus of this.#connections.keys()) {
            this.#disconnect(focus);
        }
        this.#listen();
    }

    /** Everybody in the call, oldest first, with what is known of him on his SFU. */
    get members() {
        const memberships = this.#session?.memberships ?? [];
        const names = (userId) => this.#client.getRoom(this.#roomId).getMember(userId)?.name ?? userId;
        return memberships.map((membership) => {
            const { userId, deviceId } = membership;
            const focus = membership.getTransport(memberships[0])?.livekit_service_url;
            const participant = this.#connections.get(focus)?.participant(membership.rtcBackendIdentity);
            const own = userId === this.#client.getUserId() && deviceId === this.#client.getDeviceId();
            return { key: `${userId}:${deviceId}`, userId, name: names(userId), focus, own, ...participant };
        });
    }

    /** Acts on who is in the call now. */
    #follow() {
        if (!this.#isIn()) {
            return;
        }
        const members = this.members;
        const wanted = new Set([this.#focus, ...members.map(({ focus }) => focus).filter(Boolean)]);
        for (const focus of wanted) {
            if (!this.#connections.has(focus)) {
                const { opened, lost } = this.#connect(focus);
                opened.catch(lost);
            }
        }
        for (const focus of this.#connections.keys()) {
            if (!wanted.has(focus)) {
                this.#disconnect(focus);
            }
        }
        if (members.some(({ own, there }) => own && there)) {
            this.#move("connected");
        }
        this.#listen();
    }

    #connect(focus) {
        const connection = new Connection(this.#options);
        this.#connections.set(focus, connection);
        const lost = (error) => this.#retry(focus, connection, error);
        connection.addEventListener("change", () => this.#follow());
        connection.addEventListener("speaking", () => this.#tellWhoSpeaks());
        connection.addEventListener("closed", () => lost(new Error(`the way to ${focus} is lost`)));
        return { opened: this.#open(focus, connection), lost };
    }

    #tellWhoSpeaks() {
        this.#emit("speaking", [...this.#connections.values()].flatMap((connection) => connection.speakers));
    }

    async #open(focus, connection) {
        const ours = focus === this.#focus;
        const endpoints = !ours ? AS_EITHER : this.#options.sticky ? AS_MEMBER : AS_DEVICE;
        const { slotDescription: slot } = this.#session;
        const way = { room: this.#roomId, slot, member: this.#member };
        await connection.open(await entrance(this.#client, focus, endpoints, way));
        if (ours) {
            await connection.speak(!this.#silent);
        }
        this.#follow();
    }

    #disconnect(focus) {
        const connection = this.#connections.get(focus);
        this.#connections.delete(focus);
        connection.close().catch((error) => this.#emit("note", error.message));
    }

    #retry(focus, connection, error) {
        if (this.#connections.get(focus) !== connection) {
            return;
        }
        this.#disconnect(focus);
        this.#listen();
        this.#emit("note", error.message);
        setTimeout(() => this.#follow(), RETRY_MS);
    }

    /** Tells whose voice comes and goes. */
    #listen() {
        const tracks = new Map();
        if (this.#isIn()) {
            for (const { key, own, track } of this.members) {
                if (!own && track) {
                    tracks.set(key, track);
                }
            }
            const { microphone } = this.#connections.get(this.#focus) ?? {};
            if (microphone) {
                tracks.set("microphone", microphone);
            }
        }
        for (const kind of this.#heard.keys()) {
            if (!tracks.has(kind)) {
                this.#heard.delete(kind);
                this.#emit("silence", kind);
            }
        }
        for (const [kind, track] of tracks) {
            if (this.#heard.get(kind) !== track) {
                this.#heard.set(kind, track);
                this.#emit("stream", { kind, stream: new MediaStream([track]) });
            }
        }
    }

    /** Switches the microphone; gives what it is then. */
    async setMuted(muted) {
        this.#silent = muted;
        await this.#connections.get(this.#focus)?.speak(!muted);
        return muted;
    }

    /** Takes another microphone, also in the middle of a call. */
    async useMicrophone(deviceId) {
        await this.#connections.get(this.#focus)?.useMicrophone(deviceId);
        this.#listen();
    }

    #move(state) {
        if (state !== this.state) {
            this.state = state;
            this.#emit("state", state);
        }
    }

    #emit(name, detail) {
        this.dispatchEvent(new CustomEvent(name, { detail }));
    }
}
