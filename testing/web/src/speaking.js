// Who speaks on Discord, as the bridge tells it: docs/voip.md and docs/matrixrtc.md.

/** The type of the to-device event, and the name of the attribute of a participant. */
export const SPEAKING = "vdp.speaking";

/** What is shown of each in a list that came from elsewhere; nobody in one that makes no sense. */
export function speakersIn(list) {
    const named = (speaker) => typeof speaker?.id === "string";
    return Array.isArray(list) ? list.filter(named).map(({ id, name }) => ({ id, name: String(name ?? id) })) : [];
}

/** The same for the text of an attribute. */
export function speakersInText(text) {
    try {
        return speakersIn(JSON.parse(text ?? "[]"));
    } catch {
        return [];
    }
}
