// Element Call itself: it runs in a frame, as in Element Web, and this page is the Matrix client around it.
//
// Parameters of the address: `name` (who calls) and `record=1` (keep what is said and heard).

import { ClientEvent, RoomStateEvent } from "matrix-js-sdk";
import { ClientWidgetApi, MatrixWidgetType, Widget } from "matrix-widget-api";
import { openClient, synchronise } from "../client.js";
import * as server from "../server.js";
import { Sound } from "../sound.js";
import { Driver } from "./driver.js";

const LISTEN_MS = 100;
const WIDGET = "element-call";

const parameters = new URLSearchParams(location.search);
const frame = document.getElementById("frame");
const sound = new Sound();
const log = [];
/** What is heard of the call at the moment. */
const heard = new Map();
let error;
let call = "idle";

async function start() {
    const config = await server.config();
    const session = await server.session(parameters.get("name") ?? config.people[0]);
    const client = await openClient(session, config.homeserver_url);
    await synchronise(client, config.room_id, (text) => log.push(text));
    await sound.start({ record: parameters.get("record") === "1" });
    sound.record("remote");
    const url = address(client, config.room_id);
    const creatorUserId = client.getUserId();
    const widget = new Widget({ id: WIDGET, creatorUserId, type: MatrixWidgetType.Custom, url, waitForIframeLoad: false });
    const api = new ClientWidgetApi(widget, frame, new Driver(client, config.room_id));
    api.setViewedRoomId(config.room_id);
    feed(client, config.room_id, api);
    follow(api);
    frame.src = url;
    setInterval(listen, LISTEN_MS);
}

function address(client, roomId) {
    const url = new URL("element-call/index.html", location.href);
    const how = new URLSearchParams({
        widgetId: WIDGET,
        parentUrl: location.href,
        roomId,
        userId: client.getUserId(),
        deviceId: client.getDeviceId(),
        baseUrl: client.baseUrl,
        intent: "join_existing_voice",
        perParticipantE2EE: "false",
        echoCancellation: "false",
        noiseSuppression: "false",
        lang: "en",
        theme: "light",
        background: "solid",
    });
    url.hash = `?${how}`;
    return url.href;
}

/** Hands on what happens in the room. */
function feed(client, roomId, api) {
    const problem = (reason) => log.push(`Element Call did not take an event: ${reason.message}`);
    client.on(ClientEvent.Event, (event) => {
        if (event.getRoomId() === roomId) {
            api.feedEvent(event.getEffectiveEvent()).catch(problem);
        }
    });
    client.on(RoomStateEvent.Events, (event) => {
        if (event.getRoomId() === roomId) {
            api.feedStateUpdate(event.getEffectiveEvent()).catch(problem);
        }
    });
}

/** Answers what Element Call tells of itself. */
function follow(api) {
    const on = (action, state) =>
        api.on(`action:${action}`, (event) => {
            event.preventDefault();
            api.transport.reply(event.detail, {});
            call = state ?? call;
            log.push(action);
        });
    on("io.element.join", "connected");
    on("im.vector.hangup", "ended");
    on("io.element.close", "ended");
    on("io.element.device_mute");
    on("set_always_on_screen");
}

/** Takes part in what Element Call plays, and in what it sends (the driver keeps that in `sentAudio`). */
function listen() {
    const live = (track) => track.readyState === "live";
    const microphone = (window.sentAudio ?? []).findLast(live);
    if (microphone) {
        sound.listen("microphone", new MediaStream([microphone]));
    }
    const players = [...(frame.contentDocument?.querySelectorAll("audio") ?? [])];
    const streams = players.map(({ srcObject }) => srcObject).filter((stream) => stream?.getAudioTracks().some(live));
    for (const stream of streams) {
        heard.set(stream.id, stream);
        sound.listen(stream.id, stream, "remote");
    }
    for (const id of heard.keys()) {
        if (!streams.some((stream) => stream.id === id)) {
            heard.delete(id);
            sound.forget(id);
        }
    }
}

/** Everybody whom Element Call shows. */
function tiles() {
    const shown = frame.contentDocument?.querySelectorAll('[data-testid="videoTile"]') ?? [];
    return [...shown].map((tile) => ({
        name: tile.querySelector('[data-testid="name_tag"]')?.textContent ?? "",
        speaking: tile.closest('[class*="_speaking_"]') !== null,
    }));
}

/** What a driver may ask. The shape of `state` is that of `e2e::browser::ElementCallPage`. */
window.page = {
    state: () => ({
        ready: frame.contentDocument?.querySelector('[data-testid="lobby_joinCall"]') != null,
        error,
        call,
        microphoneLevel: sound.level("microphone").peak,
        remoteLevel: sound.levelOfOthers().peak,
        tiles: tiles(),
        log,
    }),
    recording: async (other = "remote") => {
        const recording = sound.recording(other);
        return { anchors: recording.anchors(), microphone: await recording.wav(0), remote: await recording.wav(1) };
    },
};

start().catch((reason) => {
    error = reason.message;
    log.push(error);
});
