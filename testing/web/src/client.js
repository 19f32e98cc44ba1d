// A Matrix user who has signed in and is in the page's room.

import { ClientEvent, createClient, MsgType, RoomEvent, SyncState } from "matrix-js-sdk";

/** The client of somebody with a token, or with a password. */
export async function openClient(session, baseUrl) {
    const credentials = session.access_token ? session : await logIn(session, baseUrl);
    return createClient({
        baseUrl,
        userId: credentials.user_id,
        accessToken: credentials.access_token,
        deviceId: credentials.device_id,
    });
}

async function logIn(session, baseUrl) {
    return createClient({ baseUrl }).loginRequest({
        type: "m.login.password",
        identifier: { type: "m.id.user", user: session.user_id },
        password: session.password,
        initial_device_display_name: "VDP page",
    });
}

/** Starts the client and waits until the room is known. What a person should know from then on goes to `tell`. */
export async function synchronise(client, roomId, tell) {
    const synchronised = new Promise((resolve, reject) => {
        client.on(ClientEvent.Sync, (state, before, data) => {
            if (state === SyncState.Prepared) {
                resolve();
            } else if (state === SyncState.Error) {
                reject(new Error(`synchronisation with the homeserver failed: ${data?.error?.message}`));
            }
            tellConnection(state, before, tell);
        });
    });
    // Members of a call count only if they are known to be in the room, also those who joined it before this page came.
    await client.startClient({ initialSyncLimit: 1, lazyLoadMembers: false, disablePresence: true });
    await synchronised;
    if (client.getRoom(roomId)?.getMyMembership() !== "join") {
        throw new Error(`${client.getUserId()} is not in the room ${roomId}`);
    }
    client.on(RoomEvent.Timeline, (event, _room, _toStart, _removed, { liveEvent }) => {
        if (liveEvent && event.getRoomId() === roomId) {
            tellNotice(event, tell);
        }
    });
}

function tellConnection(state, before, tell) {
    const lost = [SyncState.Reconnecting, SyncState.Error];
    if (lost.includes(state) && !lost.includes(before)) {
        tell("The homeserver does not answer");
    } else if (lost.includes(before) && !lost.includes(state)) {
        tell("The homeserver answers again");
    }
}

/** Bridges say in notices why a call cannot be. */
function tellNotice(event, tell) {
    const { msgtype, body } = event.getContent();
    if (msgtype === MsgType.Notice) {
        tell(`${event.sender?.name ?? event.getSender()}: ${body}`);
    }
}
