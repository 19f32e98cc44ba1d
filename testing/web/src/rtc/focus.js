// Where a call of MatrixRTC is, and how one gets in.

import { computeSlotId } from "matrix-js-sdk/lib/matrixrtc/utils.js";

/** The address that the homeserver gives to its people for their calls. */
export async function focusOfHomeserver(client) {
    const transports = await client._unstable_getRTCTransports();
    const transport = transports?.find(({ type }) => type === "livekit");
    if (!transport) {
        throw new Error("the homeserver names no LiveKit for calls");
    }
    return transport.livekit_service_url;
}

/** What memberships say of a focus. */
export const transport = (focus, roomId) => ({
    type: "livekit",
    livekit_service_url: focus,
    livekit_alias: roomId,
});

/** By which endpoints one gets in, tried in turn. */
export const AS_DEVICE = ["sfu/get"];
export const AS_MEMBER = ["get_token"];
export const AS_EITHER = ["get_token", "sfu/get"];

/** The address of the SFU and a token for it. */
export async function entrance(client, focus, endpoints, { room, slot, member }) {
    for (const endpoint of endpoints) {
        const openIdToken = await client.getOpenIdToken();
        const question = {
            "sfu/get": { room, openid_token: openIdToken, device_id: member.deviceId },
            get_token: {
                room_id: room,
                slot_id: computeSlotId(slot),
                openid_token: openIdToken,
                member: { id: member.memberId, claimed_user_id: member.userId, claimed_device_id: member.deviceId },
            },
        }[endpoint];
        const headers = { "Content-Type": "application/json" };
        const answer = await fetch(`${focus}/${endpoint}`, { method: "POST", headers, body: JSON.stringify(question) });
        if (answer.ok) {
            return answer.json();
        }
        if (answer.status !== 404) {
            throw new Error(`${focus}/${endpoint}: ${answer.status} ${await answer.text()}`);
        }
    }
    throw new Error(`${focus} knows none of ${endpoints.join(", ")}`);
}
