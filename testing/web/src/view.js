// Draws the page's state. Nothing here knows how it came about.

import { byId, element, fill, meterValue, showMeter, text } from "./shared/dom.js";

const TONES = {
    open: "good",
    running: "good",
    connected: "good",
    requested: "busy",
    starting: "busy",
    calling: "busy",
    connecting: "busy",
    broken: "bad",
    failed: "bad",
    stopped: "bad",
};

const HEADLINES = {
    calling: "Calling…",
    connecting: "Connecting…",
    ended: "Call ended",
    failed: "The call failed",
};

/** Who is played, and by what. */
const voices = new Map();

/** How long, as minutes and seconds. */
function duration(seconds) {
    const whole = Math.floor(seconds);
    return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

/** Who may call from here, the one who does marked. */
export function showPeople(people, current, way) {
    const links = people.map((name) => {
        const link = element("a", { text: name });
        link.href = address(name, way);
        if (name === current) link.setAttribute("aria-current", "page");
        return link;
    });
    byId("people").replaceChildren(...links);
    byId("avatar").textContent = current.slice(0, 1);
}

/** How one may call from here, the way that is taken marked. `missing` says why there is no MatrixRTC. */
export function showWays(current, name, missing) {
    for (const link of document.querySelectorAll("[data-way]")) {
        const { way } = link.dataset;
        link.href = address(name, way);
        if (way === current) link.setAttribute("aria-current", "page");
    }
    if (missing) {
        for (const note of document.querySelectorAll("[data-needs-livekit]")) {
            note.textContent = "Needs LiveKit, which is not on this machine";
        }
        text("missing", missing);
    }
    const framed = current === "element-call";
    const cannot = current !== "voip" && Boolean(missing);
    document.querySelector("main").dataset.way = current;
    byId("call-card").hidden = framed || cannot;
    byId("stage-card").hidden = !framed || cannot;
    byId("missing-card").hidden = !cannot;
}

/** The page of somebody who calls in this way. */
function address(name, way) {
    const how = way === "element-call" ? { with: way } : way === "rtc" ? { rtc: "1" } : {};
    return `?${new URLSearchParams({ name, ...how })}`;
}

/** Where Element Call is shown. */
export const frame = () => byId("frame");

/** The room, and as whom one is in it. */
export function showRoom(room, user) {
    byId("room").textContent = [room, user].filter(Boolean).join(" · ");
}

/** What went wrong; nothing takes it away again. */
export function showError(text) {
    byId("error").textContent = text ?? "";
    byId("error").hidden = !text;
}

/** How far the call is, with the buttons that fit. */
export function showCall({ ready, call, muted, seconds, endReason, error, discord }) {
    const active = ["calling", "connecting", "connected"].includes(call);
    byId("call-card").dataset.call = call;
    const idle = error && !ready ? "Cannot call" : ready ? "Ready to call" : "Signing in…";
    const headline = call === "connected" ? `In call · ${duration(seconds)}` : (HEADLINES[call] ?? idle);
    text("state", headline);
    text("explanation", explanation({ call, muted, endReason, seconds, channel: discord?.channel, ready }));
    byId("call").hidden = active;
    byId("call").disabled = !ready;
    byId("mute").hidden = call !== "connected";
    byId("hang-up").hidden = !active;
    byId("mute").setAttribute("aria-pressed", String(muted));
    text("mute-text", muted ? "Unmute" : "Mute");
}

function explanation({ call, muted, endReason, seconds, channel, ready }) {
    const there = place(channel);
    switch (call) {
        case "calling":
            return `Waiting for ${there} to answer`;
        case "connecting":
            return "Answered; finding a way for the sound";
        case "connected":
            return muted ? "Your microphone is muted" : `You and ${there} hear each other`;
        case "ended":
            return `It lasted ${duration(seconds)}`;
        case "failed":
            return `Reason: ${endReason}`;
        default:
            return ready ? `Talk with ${there}` : "\u00a0";
    }
}

/** What Element Call does not tell by itself: how it is with Discord. */
export function showStage({ ready, call, error, hears, discord }) {
    const there = place(discord?.channel);
    const bridged = hears && discord?.people?.some((person) => person.bot);
    const connected = bridged ? `You and ${there} hear each other` : `Waiting for ${there} to join`;
    const idle = ready ? `Join, and ${there} joins too` : error ? "Cannot call" : "Signing in…";
    text("stage-state", { connected, ended: "You have left the call; join again if you like" }[call] ?? idle);
    byId("stage-state").dataset.tone = call !== "connected" ? "" : bridged ? "good" : "busy";
}

const place = (channel) => (channel ? `#${channel} on Discord` : "Discord");

/** Both levels (RMS, 0 to 1). */
export function showLevels({ microphone, remote }) {
    showMeter("microphone-meter", microphone);
    showMeter("remote-meter", remote);
    const voice = Math.max(meterValue(microphone), meterValue(remote));
    document.querySelector(".orb").style.setProperty("--voice", voice.toFixed(2));
}

/** The stops between the browser and the voice channel. */
export function showRoute(call, status, problem) {
    const bridge = (name) => status?.bridges?.find((one) => one.name === name) ?? { name, state: "unknown" };
    const [voice, discord] = [bridge("voice-bridge"), bridge("discord-bridge")];
    const channel = status?.channel ?? { state: "none" };
    const botIsThere = status?.discord?.people?.some((person) => person.bot) ?? false;
    const open = channel.state === "open";
    const there = status?.discord?.channel;
    fill(byId("route"), [
        stop("Your browser", call, call === "connected"),
        stop(voice.name, voice.state, open, voice.detail),
        stop("VDP channel", channel.state, open, channel.detail),
        stop(discord.name, discord.state, open && botIsThere, discord.detail),
        stop(there ? `#${there}` : "Discord", botIsThere ? "connected" : "idle", false),
    ]);
    byId("status-error").hidden = !problem;
    byId("status-error").textContent = problem ? `The state of the bridges is not known: ${problem}` : "";
}

function stop(name, state, flows, detail) {
    const children = [element("span", { text: name }), element("span", { text: state, className: "badge" })];
    if (detail) children.push(element("small", { text: detail }));
    return element("li", { tone: TONES[state], className: flows ? "flows" : "", children });
}

/** Who is in the voice channel; `speakers` is what the bridge tells, which comes sooner. */
export function showDiscord(discord, speakers) {
    const people = discord?.people ?? [];
    const told = new Set(speakers.map(({ name }) => name));
    text("discord-title", discord?.channel ? `On Discord · #${discord.channel}` : "On Discord");
    fill(
        byId("discord"),
        people.map(({ name, muted, bot, speaking }) => {
            const remark = muted ? "muted" : bot ? "bot" : undefined;
            return face({ name, remark, speaking: speaking || told.has(name) });
        }),
    );
    byId("discord-empty").hidden = people.length > 0;
}

/** Who speaks on Discord, by name. */
export function showSpeakers(speakers) {
    const names = new Intl.ListFormat("en-GB").format(speakers.map(({ name }) => name));
    text("speakers", names ? `${names} ${speakers.length > 1 ? "speak" : "speaks"} on Discord` : "\u00a0");
}

/** Who is in the call, where that can be known. */
export function showMembers(members) {
    byId("members-card").hidden = members === undefined;
    fill(
        byId("members"),
        (members ?? []).map(({ name, own, there, muted, speaking }) => {
            const remark = there ? (muted ? "muted" : own ? "you" : undefined) : "not heard yet";
            return face({ name, remark, speaking });
        }),
    );
    byId("members-empty").hidden = members?.length > 0;
}

function face({ name, remark, speaking }) {
    const children = [element("b", { text: name.slice(0, 1), className: "face" }), element("span", { text: name })];
    if (remark) children.push(element("small", { text: remark }));
    return element("li", { className: speaking ? "speaking" : "", children });
}

/** Adds a line to the log. */
export function showEvent({ at, text }) {
    const time = element("time", { text: at.toLocaleTimeString("en-GB") });
    byId("log").prepend(element("li", { children: [time, element("span", { text })] }));
}

/** The microphones to choose from. Browsers tell their names only once one of them was allowed. */
export function showMicrophones(devices, chosen) {
    const options = devices.map((device, index) => {
        const option = element("option", { text: device.label || `Microphone ${index + 1}` });
        option.value = device.deviceId;
        option.selected = device.deviceId === chosen;
        return option;
    });
    const fallback = element("option", { text: "The browser's choice" });
    fallback.value = "";
    byId("microphone").replaceChildren(...(options.length > 0 ? options : [fallback]));
}

/** Connects the buttons. */
export function onClick({ call, mute, hangUp, microphone }) {
    byId("call").addEventListener("click", call);
    byId("mute").addEventListener("click", mute);
    byId("hang-up").addEventListener("click", hangUp);
    byId("microphone").addEventListener("change", ({ target }) => microphone(target.value));
}

/** Plays one of the others. */
export function play(kind, stream) {
    const audio = voices.get(kind) ?? byId("voices").appendChild(new Audio());
    voices.set(kind, audio);
    audio.srcObject = stream;
    return audio.play();
}

/** Plays him no longer. */
export function stopPlaying(kind) {
    voices.get(kind)?.remove();
    voices.delete(kind);
}
