// Small helpers to draw with.

export const byId = (id) => document.getElementById(id);

/** An element with text and children. */
export function element(name, { text, className, tone, children = [] } = {}) {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    if (className) made.className = className;
    if (tone) made.dataset.tone = tone;
    made.append(...children);
    return made;
}

/** Replaces the children only where they differ, so that nothing flickers and screen readers stay calm. */
export function fill(parent, children) {
    const wanted = children.map((child) => child.outerHTML).join("");
    if (parent.dataset.drawn !== wanted) {
        parent.dataset.drawn = wanted;
        parent.replaceChildren(...children);
    }
}

/** Sets the text of an element where it differs. */
export function text(id, wanted) {
    if (byId(id).textContent !== wanted) {
        byId(id).textContent = wanted;
    }
}

/** Speech is between about 0.003 and 0.3; people hear, and read a meter, by the logarithm. */
export const meterValue = (level) => Math.max(0, Math.min(1, 1 + Math.log10(Math.max(level, 1e-6) / 0.3) / 2.2));

/** Shows a level (RMS, 0 to 1). */
export function showMeter(id, level) {
    const value = meterValue(level);
    byId(id).style.setProperty("--level", value.toFixed(3));
    byId(id).setAttribute("aria-valuenow", value.toFixed(1));
}
