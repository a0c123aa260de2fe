// @ts-check
/** What is pinned in each channel that was opened, the last pinned first. */
import { signal } from "../ui.js";
import { get } from "../api.js";

/** @type {import("../vendor/signals-core.js").Signal<ReadonlyMap<string, any[]>>} */
export const pins = signal(new Map());

/** @param {string} channel */
export async function loadPins(channel) {
  const found = await get(`/api/channels/${encodeURIComponent(channel)}/pins`).catch(() => null);
  if (found) pins.value = new Map(pins.value).set(channel, found.pins);
}

/** @param {Record<string, any>} event */
export function reducePins(event) {
  pins.value = nextPins(pins.value, event);
}

/**
 * Pure: pins after an event.
 * @param {ReadonlyMap<string, any[]>} before @param {Record<string, any>} event
 * @returns {ReadonlyMap<string, any[]>}
 */
export function nextPins(before, event) {
  const { message } = event;
  const list = message && before.get(message.channel);
  if (!list) return before;
  const is = (/** @type {any} */ pin) => pin.message_id === message.id;
  const others = list.filter((pin) => !is(pin));
  if (event.kind === "pin.changed" && message.pinned) {
    return new Map(before).set(message.channel, [{ message_id: message.id, pinned_by: event.member, pinned_at: event.at, message }, ...others]);
  }
  if (!list.some(is)) return before;
  if (!message.pinned) return new Map(before).set(message.channel, others);
  return new Map(before).set(message.channel, list.map((pin) => (is(pin) ? { ...pin, message } : pin)));
}
