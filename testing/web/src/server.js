// What the server that serves the page tells it. The shapes are those of `e2e::browser::page`.

async function ask(path) {
    const response = await fetch(path, { cache: "no-store" });
    if (!response.ok) {
        throw new Error(`${path}: ${response.status} ${await response.text()}`);
    }
    return response.json();
}

/** Where the page is: homeserver, room, who may call. */
export const config = () => ask("/api/config");

/** Who the page is. */
export const session = (name) => ask(`/api/session?name=${encodeURIComponent(name)}`);

/** How the bridges are. */
export const status = () => ask("/api/status");
