// What Element Call may do through the client around it: everything it asks for, in one room.

import { EventStatus, MatrixError } from "matrix-js-sdk";
import { OpenIDRequestState, WidgetDriver } from "matrix-widget-api";

export class Driver extends WidgetDriver {
    #client;
    #roomId;
    /** The delayed event by which Element Call leaves if it dies. */
    #leaveId;

    constructor(client, roomId) {
        super();
        this.#client = client;
        this.#roomId = roomId;
    }

    get #room() {
        return this.#client.getRoom(this.#roomId);
    }

    async validateCapabilities(requested) {
        return requested;
    }

    getKnownRooms() {
        return [this.#roomId];
    }

    async sendEvent(type, content, stateKey = null) {
        const sent = await (stateKey === null
            ? this.#client.sendEvent(this.#roomId, type, content)
            : this.#client.sendStateEvent(this.#roomId, type, content, stateKey));
        return { roomId: this.#roomId, eventId: sent.event_id };
    }

    async sendStickyEvent(duration, type, content) {
        const sent = await this.#client._unstable_sendStickyEvent(this.#roomId, duration, null, type, content);
        return { roomId: this.#roomId, eventId: sent.event_id };
    }

    async sendDelayedEvent(delay, type, content, stateKey = null) {
        const sent = await (stateKey === null
            ? this.#client._unstable_sendDelayedEvent(this.#roomId, { delay }, null, type, content)
            : this.#client._unstable_sendDelayedStateEvent(this.#roomId, { delay }, type, content, stateKey));
        this.#leaveId = sent.delay_id;
        return { roomId: this.#roomId, delayId: sent.delay_id };
    }

    async sendDelayedStickyEvent(delay, duration, type, content) {
        const how = [this.#roomId, duration, { delay }, null, type, content];
        const sent = await this.#client._unstable_sendStickyDelayedEvent(...how);
        this.#leaveId = sent.delay_id;
        return { roomId: this.#roomId, delayId: sent.delay_id };
    }

    async cancelScheduledDelayedEvent(delayId) {
        await this.#client._unstable_cancelScheduledDelayedEvent(delayId);
        this.#leaveId = undefined;
    }

    async restartScheduledDelayedEvent(delayId) {
        await this.#client._unstable_restartScheduledDelayedEvent(delayId);
    }

    async sendScheduledDelayedEvent(delayId) {
        await this.#client._unstable_sendScheduledDelayedEvent(delayId);
        this.#leaveId = undefined;
    }

    /** Has the homeserver send the delayed leave now. The request outlives the page. */
    leaveNow() {
        if (this.#leaveId) {
            this.#client._unstable_sendScheduledDelayedEvent(this.#leaveId, { keepAlive: true }).catch(() => {});
        }
    }

    async readRoomState(_roomId, type, stateKey) {
        const state = this.#room.currentState;
        const events = stateKey === undefined ? state.getStateEvents(type) : [state.getStateEvents(type, stateKey)];
        return events.filter(Boolean).map((event) => event.getEffectiveEvent());
    }

    async readStickyEvents() {
        return [...this.#room._unstable_getStickyEvents()].map((event) => event.getEffectiveEvent());
    }

    async readRoomTimeline(_roomId, type, _msgtype, stateKey, limit) {
        const events = this.#room.getLiveTimeline().getEvents();
        const wanted = events.filter((event) => event.status === null || event.status === EventStatus.SENT);
        const those = wanted.filter((event) => event.getType() === type && event.getStateKey() === stateKey);
        return those.slice(-limit).map((event) => event.getEffectiveEvent());
    }

    askOpenID(observer) {
        this.#client.getOpenIdToken().then(
            (token) => observer.update({ state: OpenIDRequestState.Allowed, token }),
            () => observer.update({ state: OpenIDRequestState.Blocked }),
        );
    }

    async getRtcTransports() {
        return { rtc_transports: await this.#client._unstable_getRTCTransports() };
    }

    /** An error of the homeserver reaches the widget with all that the homeserver said. */
    processError(error) {
        return error instanceof MatrixError ? { matrix_api_error: error.asWidgetApiErrorData() } : undefined;
    }
}
