// Element Call alone in a window of its own.
//
// Parameters of the address: `name` (who calls) and `record=1` (keep what is said and heard).

import * as server from "../server.js";
import { Sound } from "../sound.js";
import { ElementCall } from "./host.js";

const parameters = new URLSearchParams(location.search);
const sound = new Sound();
const log = [];
let error;
let call;

async function start() {
    const config = await server.config();
    const session = await server.session(parameters.get("name") ?? config.people[0]);
    await sound.start({ record: parameters.get("record") === "1" });
    sound.record("remote");
    const frame = document.getElementById("frame");
    const place = { homeserver: config.homeserver_url, room: config.room_id, frame, raw: true };
    const started = await ElementCall.start(session, place);
    started.addEventListener("state", ({ detail }) => log.push(detail));
    started.addEventListener("stream", ({ detail }) => sound.listen(detail.kind, detail.stream, "remote"));
    started.addEventListener("silence", ({ detail }) => sound.forget(detail));
    started.addEventListener("note", ({ detail }) => log.push(detail));
    call = started;
}

/** What a driver may ask. The shape of `state` is that of `e2e::browser::ElementCallPage`. */
window.page = {
    state: () => ({
        ready: call !== undefined,
        error,
        call: call?.state ?? "idle",
        microphoneLevel: sound.level("microphone").peak,
        remoteLevel: sound.levelOfOthers().peak,
        tiles: call?.tiles ?? [],
        log,
    }),
    recording: async (other = "remote") => {
        const recording = sound.recording(other);
        return { anchors: recording.anchors(), microphone: await recording.wav(0), remote: await recording.wav(1) };
    },
};

window.addEventListener("pagehide", () => call?.hangUp());
start().catch((reason) => {
    error = reason.message;
    log.push(error);
});
