// The stand-in: what it tells of the guild, and what it is asked to do.

const RETRY_MS = 1000;

/** Calls `seen` with the guild whenever it has changed, and `lost` when nothing is told any more. */
export function watch(seen, lost) {
    const address = new URL("page/watch", location.href);
    address.protocol = "ws:";
    const socket = new WebSocket(address);
    socket.onmessage = ({ data }) => seen(JSON.parse(data));
    socket.onclose = () => {
        lost();
        setTimeout(watch, RETRY_MS, seen, lost);
    };
}

/** Why the stand-in did not do something. */
export class Refused extends Error {
    constructor(status, reason) {
        super(reason);
        this.status = status;
    }
}

/** Asks the control interface. */
export async function ask(method, path, body = {}, options = {}) {
    const response = await fetch(path, {
        method,
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(body),
        ...options,
    });
    const answer = await response.json().catch(() => ({}));
    if (!response.ok) {
        throw new Refused(response.status, answer.error ?? response.statusText);
    }
    return answer;
}

const about = (id, what) => `people/${encodeURIComponent(id)}/${what}`;

export const create = (name) => ask("POST", "people", { name });
export const join = (id, channel) => ask("POST", about(id, "join"), { channel_id: channel });
/** May be asked by a page that is just being closed. */
export const leave = (id) => ask("POST", about(id, "leave"), {}, { keepalive: true });
export const setVoice = (id, flags) => ask("POST", about(id, "voice_state"), flags);
export const move = (id, channel) => ask("POST", about(id, "move"), { channel_id: channel });
export const kick = (id) => ask("POST", about(id, "kick_voice"));
