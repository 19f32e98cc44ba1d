// Drives one Chromium with one page for a scenario: questions as JSON lines on standard input, answers on standard output.
//
// Question: {"id": 1, "command": "open", "arguments": {…}}; answer: {"id": 1, "value": …} or {"id": 1, "error": "…"}.
// When standard input is closed, because it is done with or because whoever asked has died, Chromium and this end.

import { writeFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const ACTION_MS = 10_000;
const START_MS = 45_000;
const CLOSE_MS = 5_000;

let browser;
let page;
const errors = [];

const commands = {
    async launch({ microphone, width, height }) {
        browser = await chromium.launch({
            executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
            chromiumSandbox: false,
            timeout: START_MS,
            args: [
                "--disable-gpu",
                "--disable-quic",
                "--autoplay-policy=no-user-gesture-required",
                "--use-fake-ui-for-media-stream",
                "--use-fake-device-for-media-stream",
                `--use-file-for-fake-audio-capture=${microphone}`,
                "--allow-loopback-in-peer-connection",
            ],
        });
        const context = await browser.newContext({ viewport: { width, height }, locale: "en-GB" });
        await context.addInitScript(keepSentAudio);
        page = await context.newPage();
        page.setDefaultTimeout(ACTION_MS);
        page.on("console", (message) => message.type() === "error" && errors.push(describe(message)));
        page.on("pageerror", (error) => errors.push(String(error)));
    },

    async open({ url }) {
        const response = await page.goto(url, { waitUntil: "load" });
        if (!response?.ok()) {
            throw new Error(`the server answered ${response?.status()}`);
        }
        if (!(await page.evaluate(() => "page" in window))) {
            throw new Error(`the page's program did not start: ${errors.join("; ")}`);
        }
    },

    click: ({ selector }) => page.click(selector),

    /** Clicks a link and waits for the page behind it. */
    async follow({ selector }) {
        await Promise.all([page.waitForEvent("load"), page.click(selector)]);
    },

    click_in_frame: ({ selector }) => page.frameLocator("iframe").locator(selector).click(),

    set_on_hold: ({ on_hold }) => page.evaluate((onHold) => window.page.setOnHold(onHold), on_hold),

    restart_ice: () => page.evaluate(() => window.page.restartIce()),

    state: () => page.evaluate(() => window.page.state()),

    async recordings({ folder, other }) {
        const recording = await page.evaluate((other) => window.page.recording(other), other ?? undefined);
        for (const track of ["microphone", "remote"]) {
            await writeFile(`${folder}/${track}.wav`, Buffer.from(recording[track], "base64"));
        }
        return { anchors: recording.anchors };
    },

    text: () => page.innerText("body"),

    screenshot: ({ path }) => page.screenshot({ path, fullPage: true }).then(() => null),

    console_errors: () => errors,
};

/** Keeps the audio that a page sends, also from a frame in it, so that the page can record what it was not handed itself. */
function keepSentAudio() {
    const keep = (track) => track?.kind === "audio" && (window.top.sentAudio ??= []).push(track);
    for (const [type, method] of [
        [RTCPeerConnection, "addTrack"],
        [RTCPeerConnection, "addTransceiver"],
        [RTCRtpSender, "replaceTrack"],
    ]) {
        const original = type.prototype[method];
        type.prototype[method] = function (track, ...others) {
            keep(track);
            return original.call(this, track, ...others);
        };
    }
}

function describe(message) {
    const { url } = message.location();
    return url ? `${message.text()} (${url})` : message.text();
}

function answer(content) {
    process.stdout.write(`${JSON.stringify(content)}\n`);
}

async function serve(line) {
    const { id, command, arguments: parameters } = JSON.parse(line);
    try {
        answer({ id, value: (await commands[command](parameters)) ?? null });
    } catch (error) {
        // The first line says what is wrong; Playwright adds a log of all it tried.
        const [reason] = String(error.message).split("\n");
        answer({ id, error: reason });
    }
}

async function end() {
    const limit = new Promise((resolve) => setTimeout(resolve, CLOSE_MS));
    await Promise.race([browser?.close().catch(() => {}), limit]);
    // Playwright ends what is left of Chromium when this process exits.
    process.exit(0);
}

const questions = createInterface({ input: process.stdin });
questions.on("line", serve);
questions.on("close", end);
