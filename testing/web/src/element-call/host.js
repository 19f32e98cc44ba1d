// Element Call itself: it runs in a frame, as in Element Web, and this is the Matrix client around it.

import { ClientEvent, RoomStateEvent } from "matrix-js-sdk";
import { ClientWidgetApi, MatrixWidgetType, Widget } from "matrix-widget-api";
import { openClient, synchronise } from "../client.js";
import { Driver } from "./driver.js";

const LISTEN_MS = 100;
/** How long Element Call may take to be drawn. */
const LOBBY_MS = 25_000;
const WIDGET = "element-call";

/** Whether the person wants dark pages; Element Call is told, since it does not ask the browser. */
const dark = matchMedia("(prefers-color-scheme: dark)");

/**
 * Emits "state" (of our part in the call), "stream" ({kind, stream}: there is sound from "microphone" or from one of the
 * others, which Element Call plays), "silence" (the kind that is heard no more), "closed" (nothing is in the frame any more)
 * and "note" (text).
 */
export class ElementCall extends EventTarget {
    #client;
    #roomId;
    #frame;
    #raw;
    #driver;
    #api;
    #heard = new Map();
    state = "idle";

    /** Logs in, opens Element Call in the frame and waits for its lobby. `raw` leaves the microphone as it is. */
    static async start(session, { homeserver, room, frame, raw }) {
        const client = await openClient(session, homeserver);
        const call = new ElementCall(client, room, frame, raw);
        await synchronise(client, room, (text) => call.#note(text));
        call.#feed();
        call.open();
        await call.#lobby();
        setInterval(() => call.#listen(), LISTEN_MS);
        return call;
    }

    constructor(client, roomId, frame, raw) {
        super();
        this.#client = client;
        this.#roomId = roomId;
        this.#frame = frame;
        this.#raw = raw;
        this.#driver = new Driver(client, roomId);
    }

    /** Shows the lobby. */
    open() {
        const url = this.#address();
        const creatorUserId = this.#client.getUserId();
        const what = { id: WIDGET, creatorUserId, type: MatrixWidgetType.Custom, url, waitForIframeLoad: false };
        this.#api?.stop();
        this.#api = new ClientWidgetApi(new Widget(what), this.#frame, this.#driver);
        this.#api.setViewedRoomId(this.#roomId);
        this.#follow(this.#api);
        if (this.#frame.src === url) {
            this.#frame.contentWindow.location.reload();
        } else {
            this.#frame.src = url;
        }
    }

    #address() {
        const url = new URL("element-call/index.html", location.href);
        const how = new URLSearchParams({
            widgetId: WIDGET,
            parentUrl: location.href,
            roomId: this.#roomId,
            userId: this.#client.getUserId(),
            deviceId: this.#client.getDeviceId(),
            baseUrl: this.#client.baseUrl,
            intent: "join_existing_voice",
            perParticipantE2EE: "false",
            echoCancellation: String(!this.#raw),
            noiseSuppression: String(!this.#raw),
            lang: "en",
            theme: dark.matches ? "dark" : "light",
            background: "solid",
        });
        url.hash = `?${how}`;
        return url.href;
    }

    /** Hands on what happens in the room. */
    #feed() {
        const problem = (reason) => this.#note(`Element Call did not take an event: ${reason.message}`);
        const handOn = (emitted, feed) =>
            this.#client.on(emitted, (event) => {
                if (event.getRoomId() === this.#roomId) {
                    feed(event.getEffectiveEvent()).catch(problem);
                }
            });
        handOn(ClientEvent.Event, (event) => this.#api.feedEvent(event));
        handOn(RoomStateEvent.Events, (event) => this.#api.feedStateUpdate(event));
    }

    /** Answers what Element Call tells of itself. */
    #follow(api) {
        const on = (action, act = () => {}) =>
            api.on(`action:${action}`, (event) => {
                event.preventDefault();
                api.transport.reply(event.detail, {});
                act();
            });
        on("io.element.join", () => this.#move("connected"));
        on("im.vector.hangup", () => this.#move("ended"));
        on("io.element.close", () => {
            this.#move("ended");
            this.#emit("closed");
        });
        on("io.element.device_mute");
        on("set_always_on_screen");
    }

    async #lobby() {
        const until = Date.now() + LOBBY_MS;
        while (!this.#find('[data-testid="lobby_joinCall"]').length) {
            if (Date.now() > until) {
                throw new Error("Element Call does not show its lobby");
            }
            await new Promise((resolve) => setTimeout(resolve, LISTEN_MS));
        }
    }

    #find(selector) {
        return [...(this.#frame.contentDocument?.querySelectorAll(selector) ?? [])];
    }

    /** Everybody whom Element Call shows. */
    get tiles() {
        return this.#find('[data-testid="videoTile"]').map((tile) => ({
            name: tile.querySelector('[data-testid="name_tag"]')?.textContent ?? "",
            speaking: tile.closest('[class*="_speaking_"]') !== null,
        }));
    }

    /** Whether it plays somebody. */
    get hears() {
        return [...this.#heard.keys()].some((kind) => kind !== "microphone");
    }

    /** Leaves the call at once, for a page that is about to go: only one request is sure to be sent then. */
    hangUp() {
        this.#driver.leaveNow();
    }

    /** Tells whose voice comes and goes: what Element Call plays, and what it sends, which a driver of the page keeps. */
    #listen() {
        const tracks = this.state === "connected" ? this.#tracks() : new Map();
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

    #tracks() {
        const live = (track) => track.readyState === "live";
        const tracks = new Map();
        for (const { srcObject } of this.#find("audio")) {
            const track = srcObject?.getAudioTracks().find(live);
            if (track) {
                tracks.set(track.id, track);
            }
        }
        const microphone = (window.sentAudio ?? []).findLast(live);
        if (microphone) {
            tracks.set("microphone", microphone);
        }
        return tracks;
    }

    #move(state) {
        if (state !== this.state) {
            this.state = state;
            this.#emit("state", state);
        }
    }

    #note(text) {
        this.#emit("note", text);
    }

    #emit(name, detail) {
        this.dispatchEvent(new CustomEvent(name, { detail }));
    }
}
