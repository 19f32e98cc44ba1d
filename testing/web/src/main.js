// The page: one path for a person who clicks and for a scenario whose driver does.
//
// It calls by VoIP v1, with `with=element-call` in its address by Element Call in a frame, or with `rtc=1` by MatrixRTC of
// its own; what does the one is not loaded for the others.
//
// Parameters of its address: `name` (who calls), `raw=1` (the microphone as it is, without echo cancellation, noise
// suppression and gain control), `record=1` (keep what is said and heard), `answer=1` (answer whoever calls), `invitee`
// (the user id of whom to call, in place of the one that the server names). For MatrixRTC also `sticky=1` (take part by a
// sticky event, not by a state event) and `focus` (where one's own voice goes, in place of where the homeserver says).

import * as server from "./server.js";
import { Sound } from "./sound.js";
import * as view from "./view.js";

const DRAW_MS = 100;
const STATUS_MS = 1000;

const parameters = new URLSearchParams(location.search);
const wants = (name) => parameters.get(name) === "1";
const ways = { "element-call": inElementCall, rtc: takingPart, voip: calling };
const way = parameters.get("with") === "element-call" ? "element-call" : wants("rtc") ? "rtc" : "voip";

const sound = new Sound();
const log = [];
let caller;
let user;
let error;
let muted = false;
let speakers = [];
const speakerChanges = [];
let status;
let statusProblem;
let connectedAt;
let secondsConnected = 0;

function tell(text) {
    const event = { at: new Date(), text };
    log.push(event);
    view.showEvent(event);
}

function fail(what, reason) {
    error = `${what}: ${reason.message ?? reason}`;
    tell(error);
    view.showError(error);
}

async function start() {
    const config = await server.config();
    const name = parameters.get("name") ?? config.people?.[0] ?? "";
    view.showPeople(config.people?.length > 0 ? config.people : [name], name, way);
    view.showWays(way, name, config.rtc_missing);
    view.showRoom(config.room_name ?? config.room_id);
    const session = await server.session(name);
    user = session.user_id;
    view.showRoom(config.room_name ?? config.room_id, user);
    if (way !== "voip" && config.rtc_missing) {
        tell(config.rtc_missing);
        return;
    }
    if (wants("answer")) {
        await startSound();
    }
    const place = { homeserver: config.homeserver_url, room: config.room_id, raw: wants("raw") };
    const started = await ways[way](session, place, config);
    started.addEventListener("state", ({ detail }) => follow(detail));
    started.addEventListener("stream", ({ detail }) => listen(detail));
    started.addEventListener("silence", ({ detail }) => silence(detail));
    started.addEventListener("speaking", ({ detail }) => showSpeakers(detail));
    started.addEventListener("note", ({ detail }) => tell(detail));
    caller = started;
    tell(`Signed in as ${session.display_name ?? user}`);
}

async function calling(session, place, config) {
    const { Caller } = await import("./call.js");
    const invitee = parameters.get("invitee") ?? config.invitee;
    return Caller.start(session, { ...place, invitee, answer: wants("answer") });
}

async function takingPart(session, place) {
    const { GroupCall } = await import("./rtc/call.js");
    return GroupCall.start(session, { ...place, focus: parameters.get("focus") ?? undefined, sticky: wants("sticky") });
}

async function inElementCall(session, place) {
    const { ElementCall } = await import("./element-call/host.js");
    const call = await ElementCall.start(session, { ...place, frame: view.frame() });
    call.addEventListener("closed", () => call.open());
    return call;
}

/** Who speaks on Discord now. */
function showSpeakers(now) {
    const names = now.map(({ name }) => name);
    if (names.join("\n") !== speakers.map(({ name }) => name).join("\n")) {
        speakerChanges.push({ at: Date.now(), names });
    }
    speakers = now;
    draw();
}

async function startSound() {
    await sound.start({ record: wants("record") });
    if (way !== "rtc") {
        sound.record("remote");
    }
}

function follow(state) {
    if (state === "connected") {
        connectedAt ??= Date.now();
        showMicrophones();
    }
    if (state === "ended" || state === "failed") {
        secondsConnected = seconds();
        connectedAt = undefined;
        muted = false;
        speakers = [];
        sound.forgetAll();
    }
    const reason = caller.endReason ? ` (${caller.endReason})` : "";
    const words = {
        calling: "Calling",
        connecting: "Answered, connecting",
        connected: "Connected",
        ended: `Call ended${reason}`,
        failed: `The call failed${reason}`,
    };
    tell(words[state]);
    draw();
}

function seconds() {
    return connectedAt === undefined ? secondsConnected : (Date.now() - connectedAt) / 1000;
}

async function listen({ kind, stream }) {
    if (way === "element-call") {
        await startSound();
        sound.listen(kind, stream, "remote");
        return;
    }
    sound.listen(kind, stream);
    if (kind !== "microphone") {
        view.play(kind, stream).catch((reason) => fail("The other side cannot be played", reason));
    }
}

function silence(kind) {
    sound.forget(kind);
    view.stopPlaying(kind);
}

async function call() {
    secondsConnected = 0;
    await startSound();
    await caller.call();
}

async function mute() {
    muted = await caller.setMuted(!muted);
    tell(muted ? "You muted yourself" : "You unmuted yourself");
    draw();
}

async function showMicrophones(chosen) {
    const devices = await navigator.mediaDevices.enumerateDevices();
    const microphones = devices.filter((device) => device.kind === "audioinput" && device.deviceId);
    view.showMicrophones(microphones, chosen);
}

/** Runs something that a click asked for; what goes wrong is shown. */
const guarded = (what, action) => async (argument) => {
    try {
        await action(argument);
    } catch (reason) {
        fail(what, reason);
    }
};

async function pollStatus() {
    try {
        const now = await server.status();
        tellChanges(status, now);
        status = now;
        statusProblem = undefined;
    } catch (reason) {
        statusProblem = reason.message;
    }
    setTimeout(pollStatus, STATUS_MS);
}

function tellChanges(before, now) {
    if (!before) {
        return;
    }
    if (before.channel?.state !== now.channel?.state) {
        tell(`VDP channel: ${now.channel?.state ?? "none"}`);
    }
    for (const bridge of now.bridges ?? []) {
        if (before.bridges?.find((one) => one.name === bridge.name)?.state !== bridge.state) {
            tell(`${bridge.name}: ${bridge.state}`);
        }
    }
    const names = (status) => (status.discord?.people ?? []).map((person) => person.name);
    const missingIn = (some, others) => some.filter((name) => !others.includes(name));
    missingIn(names(now), names(before)).forEach((name) => tell(`${name} joined on Discord`));
    missingIn(names(before), names(now)).forEach((name) => tell(`${name} left on Discord`));
}

function draw() {
    const state = caller?.state ?? "idle";
    view.showCall({
        ready: caller !== undefined,
        call: state,
        muted,
        seconds: seconds(),
        endReason: caller?.endReason,
        error,
        discord: status?.discord,
    });
    const { discord } = status ?? {};
    view.showStage({ ready: caller !== undefined, call: state, error, hears: caller?.hears, discord });
    view.showLevels({ microphone: sound.level("microphone").now, remote: sound.levelOfOthers().now });
    view.showRoute(state, status, statusProblem);
    view.showDiscord(status?.discord, speakers);
    view.showSpeakers(speakers);
    view.showMembers(caller?.members);
}

/** Everybody in the call, as a driver is told of him. */
function members() {
    return (caller?.members ?? []).map(({ key, userId, name, focus, there, muted, speaking }) => {
        return { key, userId, name, focus, there: there ?? false, muted, speaking, level: sound.level(key).peak };
    });
}

/** What a driver may ask. The shape of `state` is that of `e2e::browser::PageState`, and of `ElementCallPage`. */
window.page = {
    state: () => ({
        ready: caller !== undefined,
        error,
        user,
        call: caller?.state ?? "idle",
        muted,
        microphoneLevel: sound.level("microphone").peak,
        remoteLevel: sound.levelOfOthers().peak,
        callId: caller?.callId,
        endReason: caller?.endReason,
        secondsConnected: seconds(),
        connectedAt,
        channel: status?.channel?.state,
        log: log.map(({ text }) => text),
        agreed: caller?.agreed,
        members: members(),
        tiles: caller?.tiles ?? [],
        speakerChanges,
    }),
    setOnHold: (onHold) => caller.setOnHold(onHold),
    restartIce: () => caller.restartIce(),
    recording: async (other = "remote") => {
        const recording = sound.recording(other);
        return { anchors: recording.anchors(), microphone: await recording.wav(0), remote: await recording.wav(1) };
    },
};

view.onClick({
    call: guarded("The call could not be placed", call),
    mute: guarded("The microphone could not be switched", mute),
    hangUp: guarded("The call could not be ended", () => caller.hangUp()),
    microphone: guarded("The microphone could not be changed", (id) => caller.useMicrophone(id)),
});
setInterval(draw, DRAW_MS);
// A tab that is closed should not leave the others waiting for the connection to time out.
window.addEventListener("pagehide", () => caller?.hangUp());
navigator.mediaDevices?.addEventListener("devicechange", () => showMicrophones());
guarded("The microphones could not be listed", showMicrophones)();
guarded("This page cannot call", start)().finally(draw);
pollStatus();
