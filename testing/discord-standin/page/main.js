// The page: one person of the guild, who looks, listens and talks.
//
// Parameters of its address: `name` (who one is), `raw=1` (the microphone as it is, without echo cancellation, noise
// suppression and gain control), `record=1` (keep what is said and heard).

import * as draw from "./draw.js";
import * as guild from "./guild.js";
import { Sound } from "./sound.js";

const DRAW_MS = 100;

const parameters = new URLSearchParams(location.search);
const wants = (name) => parameters.get(name) === "1";

const sound = new Sound();
let seen = { guild: "Local Discord", channels: [], accounts: [], voice: [] };
let connected = false;
let me;
let error;
/** Whether it was this page that put the person into a channel; then it takes him out when it is closed. */
let joined = false;

const member = () => seen.voice.find(({ id }) => id === me?.id);
const channelOf = (one) => seen.channels.find(({ id }) => id === one?.channel);
const nameOf = (id) => seen.accounts.find((account) => account.id === id)?.name ?? "Somebody";

function fail(what, reason) {
    error = `${what}: ${reason.message ?? reason}`;
    draw.showError(error);
    draw.showEvent(error);
}

/** Runs something that was asked for; what goes wrong is shown, and an older error taken away. */
const guarded = (what, action) => async (...values) => {
    try {
        await action(...values);
        error = undefined;
        draw.showError();
    } catch (reason) {
        fail(what, reason);
    }
    redraw();
};

/** Becomes somebody: a new person, or one of the guild's. */
async function enter(name) {
    const known = seen.accounts.find((account) => account.name === name && account.kind === "person");
    me = known ?? (await guild.create(name));
    parameters.set("name", name);
    history.replaceState(null, "", `?${parameters}`);
}

async function join(channel) {
    const first = !member();
    const before = sound.start({ record: wants("record") });
    await guild.join(me.id, channel);
    if (first) {
        // Whoever comes in listens, until he wants to talk.
        await guild.setVoice(me.id, { self_mute: true });
        joined = true;
    }
    await before;
    if (!sound.open) {
        sound.connect(me.id);
    }
}

async function listen() {
    await sound.start({ record: wants("record") });
    sound.connect(me.id);
}

async function talk() {
    if (sound.talking) {
        sound.silence();
        await guild.setVoice(me.id, { self_mute: true });
    } else {
        await sound.talk({ raw: wants("raw") });
        await guild.setVoice(me.id, { self_mute: false });
    }
}

const deafen = () => guild.setVoice(me.id, { self_deaf: !member().self_deaf });

async function leave() {
    joined = false;
    sound.disconnect();
    await guild.leave(me.id);
}

/** What differs between two looks at the guild, in words. */
function* changes(before, now) {
    const places = (view) => new Map(view.voice.map((one) => [one.id, one.channel]));
    const [was, is] = [places(before), places(now)];
    const names = new Map([...before.accounts, ...now.accounts].map(({ id, name }) => [id, name]));
    const channels = new Map([...before.channels, ...now.channels].map(({ id, name }) => [id, name]));
    for (const [id, channel] of is) {
        if (!was.has(id)) yield `${names.get(id)} joined ${channels.get(channel)}`;
        else if (was.get(id) !== channel) yield `${names.get(id)} moved to ${channels.get(channel)}`;
    }
    for (const id of was.keys()) {
        if (!is.has(id)) yield `${names.get(id)} left voice`;
    }
}

function see(now) {
    if (connected) {
        [...changes(seen, now)].forEach(draw.showEvent);
    }
    const first = !connected;
    seen = now;
    connected = true;
    if (me && !seen.accounts.some(({ id }) => id === me.id)) {
        sound.disconnect();
        me = undefined;
    }
    if (me && !member() && (sound.open || sound.talking)) {
        // A moderator took him out.
        sound.disconnect();
    }
    redraw();
    if (first && !me && parameters.get("name")) {
        guarded("You could not come in", enter)(parameters.get("name"));
    }
}

function redraw() {
    const here = member();
    draw.showGuild(seen.guild, connected);
    draw.showYou({
        connected,
        name: me?.name,
        member: here,
        channel: channelOf(here),
        open: sound.open,
        talking: sound.talking,
    });
    draw.showChannels(seen, me, actions);
    draw.showHearing(seen);
}

const actions = {
    join: guarded("You could not join", join),
    moderate: guarded("The voice state could not be changed", guild.setVoice),
    kick: guarded("The member could not be disconnected", guild.kick),
    move: guarded("The member could not be moved", guild.move),
};

draw.onClick({
    enter: guarded("You could not come in", enter),
    talk: guarded("The microphone could not be switched", talk),
    deafen: guarded("You could not be deafened", deafen),
    listen: guarded("The channel cannot be heard", listen),
    leave: guarded("You could not leave", leave),
});
sound.addEventListener("opened", redraw);
sound.addEventListener("closed", ({ detail }) => member() && fail("This page hears the channel no more", detail));
sound.addEventListener("failed", ({ detail }) => fail("The microphone cannot be encoded", detail));
setInterval(() => draw.showLevels({ said: sound.level("said").now, heard: sound.level("heard").now }), DRAW_MS);
// A tab that is closed should not leave a person behind who neither hears nor speaks.
window.addEventListener("pagehide", () => joined && guild.leave(me.id));
guild.watch(see, () => {
    connected = false;
    redraw();
});

/** What a driver may ask. The shape of `state` is that of `e2e::browser::StandinPage`. */
window.page = {
    state: () => ({
        ready: connected && Boolean(me || !parameters.get("name")),
        error,
        name: me?.name,
        channel: channelOf(member())?.name,
        listening: sound.open,
        talking: sound.talking,
        microphoneLevel: sound.level("said").peak,
        heardLevel: sound.level("heard").peak,
        undecoded: sound.undecoded,
        members: draw.shown(),
    }),
    recording: async () => ({
        anchors: sound.recording.anchors(),
        microphone: await sound.recording.wav(0),
        remote: await sound.recording.wav(1),
    }),
};
