// Draws the guild. Nothing here knows how it came about; what is clicked is handed to `actions`.

import { byId, element, fill, showMeter, text } from "./dom.js";

const SVG = "http://www.w3.org/2000/svg";
const EVENTS_KEPT = 100;
const NUMBER = new Intl.NumberFormat("en-GB");

function icon(name) {
    const made = document.createElementNS(SVG, "svg");
    const use = document.createElementNS(SVG, "use");
    made.setAttribute("aria-hidden", "true");
    use.setAttribute("href", `#icon-${name}`);
    made.append(use);
    return made;
}

function button(label, action, { className, description } = {}) {
    const made = element("button", { text: label, className });
    made.type = "button";
    if (description) made.setAttribute("aria-label", description);
    made.addEventListener("click", action);
    return made;
}

/**
 * Keeps one child for each item, so that what is open or has the focus stays so: `make` draws a new one, `change` brings
 * it up to date.
 */
function keep(parent, items, key, make, change) {
    const known = new Map([...parent.children].map((child) => [child.dataset.key, child]));
    const wanted = items.map((item) => {
        const child = known.get(key(item)) ?? make(item);
        child.dataset.key = key(item);
        change(child, item);
        return child;
    });
    if (wanted.some((child, index) => parent.children[index] !== child)) {
        parent.replaceChildren(...wanted);
    }
    while (parent.children.length > wanted.length) {
        parent.lastElementChild.remove();
    }
}

/** What went wrong last; nothing takes it away. */
export function showError(reason) {
    byId("error").hidden = !reason;
    text("error", reason ?? "");
}

/** The guild's name, and whether the stand-in still tells of it. */
export function showGuild(name, connected) {
    text("guild", connected ? name : `${name} · the stand-in does not answer`);
}

/** Who one is, where, and what one can do there. */
export function showYou({ connected, name, member, channel, open, talking }) {
    byId("you-card").dataset.you = member ? (talking ? "talking" : "listening") : name ? "outside" : "nobody";
    byId("you-card").classList.toggle("speaking", Boolean(member?.speaking));
    text("face", name ? name.slice(0, 1) : "?");
    text("place", place({ connected, name, channel }));
    text("explanation", explanation({ name, member, open, talking }));
    byId("enter").hidden = Boolean(name) || !connected;
    byId("controls").hidden = !member;
    byId("meters").hidden = !member;
    byId("listen").hidden = open;
    byId("talk").disabled = !open;
    text("talk-text", talking ? "Mute" : "Talk");
    byId("talk-icon").setAttribute("href", talking ? "#icon-muted" : "#icon-microphone");
    byId("deafen").setAttribute("aria-pressed", String(Boolean(member?.self_deaf)));
    byId("deafen-icon").setAttribute("href", member?.self_deaf ? "#icon-deaf" : "#icon-ears");
    text("deafen-text", member?.self_deaf ? "Undeafen" : "Deafen");
}

function place({ connected, name, channel }) {
    if (!connected) return "Connecting…";
    if (!name) return "Who are you?";
    return channel ? `${name} in ${channel.name}` : name;
}

function explanation({ name, member, open, talking }) {
    if (!name) return "Come in under a name of your choice";
    if (!member) return "Join a voice channel to hear it";
    if (!open) return "This page does not hear the channel";
    const hears = member.self_deaf || member.deaf ? "You hear nobody" : "You hear the others";
    const why = { suppress: "you are in the audience", mute: "the server muted you", self_mute: "you are muted" };
    const reason = Object.keys(why).find((flag) => member[flag]);
    if (reason) return `${hears}; ${why[reason]}`;
    return talking ? `${hears}, and they hear you` : `${hears}; your microphone is off`;
}

/** Both levels (RMS, 0 to 1). */
export function showLevels({ said, heard }) {
    showMeter("microphone-meter", said);
    showMeter("heard-meter", heard);
}

/** All channels with their members. `actions` are what can be clicked: join, and what a moderator does. */
export function showChannels(guild, me, actions) {
    const make = (channel) => drawChannel(channel, actions);
    const change = (item, channel) => changeChannel(item, channel, guild, me, actions);
    keep(byId("channels"), guild.channels, (channel) => channel.id, make, change);
}

function drawChannel({ id, kind }, actions) {
    const head = element("div", {
        className: "head",
        children: [icon(kind), element("h3"), element("span", { className: "badges" })],
    });
    if (kind !== "text") {
        head.append(button("Join", () => actions.join(id), { className: "small" }));
    }
    return element("li", { className: `channel ${kind}`, children: [head, element("ul", { className: "members" })] });
}

function changeChannel(item, channel, guild, me, actions) {
    const members = guild.voice.filter((member) => member.channel === channel.id);
    const [heading] = item.getElementsByTagName("h3");
    if (heading.textContent !== channel.name) heading.textContent = channel.name;
    fill(item.querySelector(".badges"), badges(channel, members));
    const join = item.querySelector(".head button");
    if (join) {
        const here = members.some((member) => member.id === me?.id);
        join.hidden = !me || here;
        join.setAttribute("aria-label", `Join ${channel.name}`);
    }
    const names = new Map(guild.accounts.map((account) => [account.id, account]));
    const make = (member) => drawMember(member, names.get(member.id), actions);
    const change = (child, member) => changeMember(child, member, channel, guild);
    keep(item.querySelector(".members"), members, (member) => member.id, make, change);
}

function badges(channel, members) {
    const made = [];
    if (channel.user_limit > 0) {
        made.push(element("span", { text: `${members.length} of ${channel.user_limit}`, className: "badge" }));
    }
    return channel.kind === "text" ? made : [...made, ...encryption(channel)];
}

/** How voice is encrypted end to end: what the channel asks for, and how far its members are. */
function encryption({ dave, call }) {
    const badge = (words, tone) => element("span", { text: words, className: "badge", tone });
    const policy = { required: "DAVE required", optional: "DAVE optional", off: "no DAVE" }[dave];
    const made = [badge(policy)];
    if (!call) return made;
    const { protocol_version: version, epoch, pending, transition } = call;
    if (version > 0) made.push(badge(`version ${version}, epoch ${epoch}`, "good"));
    else if (dave !== "off") made.push(badge("not encrypted", "busy"));
    if (pending.length > 0) made.push(badge(`${pending.length} not in the group`, "busy"));
    if (transition) {
        const { protocol_version: next, waiting_for: waiting } = transition;
        made.push(badge(`going to version ${next}, ${waiting.length} not ready`, "busy"));
    }
    return made;
}

function drawMember(member, account, actions) {
    const face = element("b", { text: account.name.slice(0, 1), className: "face" });
    face.setAttribute("aria-hidden", "true");
    const name = element("span", { text: account.name, className: "name" });
    if (account.kind === "bot") {
        name.append(" ", element("span", { text: "bot", className: "badge" }));
    }
    const marks = element("span", { className: "marks" });
    const menu = element("div", { className: "menu" });
    menu.hidden = true;
    const more = button("⋯", () => toggle(more, menu), { className: "more", description: `Moderate ${account.name}` });
    more.setAttribute("aria-expanded", "false");
    const flag = (which) => {
        const made = button("", () => actions.moderate(member.id, { [which]: made.dataset.wanted === "true" }), {
            className: "small",
        });
        made.dataset.flag = which;
        return made;
    };
    menu.append(
        ...["mute", "deaf", "suppress"].map(flag),
        button("Disconnect", () => actions.kick(member.id), { className: "small" }),
        element("span", { className: "moves" }),
    );
    menu.addEventListener("click", ({ target }) => {
        if (target.dataset.channel) actions.move(member.id, target.dataset.channel);
    });
    return element("li", { className: "member", children: [face, name, marks, more, menu] });
}

function toggle(more, menu) {
    menu.hidden = !menu.hidden;
    more.setAttribute("aria-expanded", String(!menu.hidden));
}

/** The words and icons for a voice state, the server's before the person's own. */
function marks(member) {
    const made = [];
    const mark = (name, words, tone) => {
        const shown = element("span", { className: "mark-icon", tone, children: [icon(name)] });
        shown.setAttribute("role", "img");
        shown.setAttribute("aria-label", words);
        shown.title = words;
        made.push(shown);
    };
    if (member.suppress) made.push(element("span", { text: "audience", className: "badge" }));
    if (member.mute) mark("muted", "muted by the server", "bad");
    else if (member.self_mute) mark("muted", "muted");
    if (member.deaf) mark("deaf", "deafened by the server", "bad");
    else if (member.self_deaf) mark("deaf", "deafened");
    return made;
}

const ORDERS = {
    mute: ["Server mute", "Server unmute"],
    deaf: ["Server deafen", "Server undeafen"],
    suppress: ["To the audience", "Let speak"],
};

function changeMember(item, member, channel, guild) {
    item.classList.toggle("speaking", member.speaking);
    fill(item.querySelector(".marks"), marks(member));
    for (const order of item.querySelectorAll("[data-flag]")) {
        const { flag } = order.dataset;
        const words = ORDERS[flag][Number(member[flag])];
        if (order.textContent !== words) order.textContent = words;
        order.dataset.wanted = String(!member[flag]);
        order.hidden = flag === "suppress" && channel.kind !== "stage" && !member.suppress;
    }
    const others = guild.channels.filter(({ id, kind }) => kind !== "text" && id !== channel.id);
    const moves = others.map((other) => {
        const made = element("button", { text: `Move to ${other.name}`, className: "small" });
        made.type = "button";
        made.dataset.channel = other.id;
        return made;
    });
    fill(item.querySelector(".moves"), moves);
}

const HEARING = "Frames that reached each listener (row) from each speaker (column) since both are there.";

/** For each channel a table: a row for each who hears, a column for each who speaks. */
export function showHearing(guild) {
    const names = new Map(guild.accounts.map((account) => [account.id, account.name]));
    const tables = guild.channels
        .map((channel) => ({ channel, members: guild.voice.filter((member) => member.channel === channel.id) }))
        .filter(({ members }) => members.length > 1)
        .map(({ channel, members }) => hearingTable(channel, members, names));
    fill(byId("hearing"), tables);
    text("hearing-help", tables.length > 0 ? HEARING : "Two have to be in a channel first.");
}

function hearingTable(channel, members, names) {
    const heading = (member, scope, words) => {
        const made = element("th", { text: words, className: scope === "col" && member.speaking ? "speaks" : "" });
        made.scope = scope;
        return made;
    };
    const columns = members.map((speaker) => heading(speaker, "col", names.get(speaker.id)));
    const head = element("tr", { children: [element("td", { text: "Listener" }), ...columns] });
    const rows = members.map((listener) => {
        const cells = members.map((speaker) => hearingCell(listener, speaker));
        return element("tr", { children: [heading(listener, "row", names.get(listener.id)), ...cells] });
    });
    const table = element("table", {
        children: [
            element("caption", { text: channel.name }),
            element("thead", { children: [head] }),
            element("tbody", { children: rows }),
        ],
    });
    const frame = element("div", { className: "scroll", children: [table] });
    frame.tabIndex = 0;
    frame.setAttribute("role", "region");
    frame.setAttribute("aria-label", `Who hears whom in ${channel.name}`);
    return frame;
}

function hearingCell(listener, speaker) {
    if (listener.id === speaker.id) {
        return element("td", { text: "–", className: "self" });
    }
    const heard = listener.heard.find((one) => one.speaker === speaker.id) ?? { frames: 0, lost: 0, undecrypted: 0 };
    const deaf = listener.deaf || listener.self_deaf;
    const flows = speaker.speaking && !deaf && heard.frames > 0;
    const children = [document.createTextNode(NUMBER.format(heard.frames))];
    if (heard.lost > 0) children.push(element("small", { text: `${NUMBER.format(heard.lost)} lost` }));
    if (heard.undecrypted > 0) {
        children.push(element("small", { text: `${NUMBER.format(heard.undecrypted)} not decrypted` }));
    }
    return element("td", { className: deaf ? "deaf" : flows ? "flows" : "", children });
}

/** Adds a line to the log. */
export function showEvent(words) {
    const time = element("time", { text: new Date().toLocaleTimeString("en-GB") });
    byId("log-empty").hidden = true;
    byId("log").prepend(element("li", { children: [time, element("span", { text: words })] }));
    while (byId("log").children.length > EVENTS_KEPT) {
        byId("log").lastElementChild.remove();
    }
}

/** What is to be seen of the members, read from the page. */
export function shown() {
    return [...document.querySelectorAll(".member")].map((item) => ({
        name: item.querySelector(".name").firstChild.textContent,
        channel: item.closest(".channel").querySelector("h3").textContent,
        speaking: item.classList.contains("speaking"),
        encryption: [...item.closest(".channel").querySelectorAll(".badges .badge")].map((badge) => badge.textContent),
        marks: [...item.querySelectorAll(".marks > *")].map((mark) => mark.getAttribute("aria-label") ?? mark.textContent),
    }));
}

/** Connects the controls of the person. */
export function onClick({ enter, talk, deafen, listen, leave }) {
    byId("enter").addEventListener("submit", (event) => {
        event.preventDefault();
        enter(byId("name").value.trim());
    });
    byId("talk").addEventListener("click", talk);
    byId("deafen").addEventListener("click", deafen);
    byId("listen").addEventListener("click", listen);
    byId("leave").addEventListener("click", leave);
}
