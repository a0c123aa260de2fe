// @ts-check
/** Channels, and how far one has read each. */
import { computed, signal } from "../ui.js";
import { patch, post, request } from "../api.js";
import { collection } from "./collection.js";
import { me } from "./session.js";

export const channels = collection("id", { "channel.created": "channel", "channel.changed": "channel" });
/** @type {import("../vendor/signals-core.js").Signal<ReadonlyMap<string, {channel: string, last_read: string|null, unread: number, mentions: number}>>} */
export const reads = signal(new Map());

/** @param {any[]} list */
export function loadReads(list) {
  reads.value = new Map(list.map((read) => [read.channel, read]));
}

/** @param {Record<string, any>} event */
export function reduceReads(event) {
  reads.value = nextReads(reads.value, event, me.value?.name ?? "");
}

/** Counts stop here: it means that many, or more. */
const COUNTED_AT_MOST = 1000;
/** @param {number} count */
export const shownCount = (count) => (count >= COUNTED_AT_MOST ? `${COUNTED_AT_MOST - 1}+` : String(count));

/**
 * Pure: unread and mention counts after an event.
 * @param {ReadonlyMap<string, any>} before @param {Record<string, any>} event @param {string} mine
 * @returns {ReadonlyMap<string, any>}
 */
export function nextReads(before, event, mine) {
  if (event.kind === "read.updated") return new Map(before).set(event.read.channel, event.read);
  if (event.kind === "message.deleted") return withoutDeleted(before, event.message, mine);
  if (event.kind !== "message.created" || event.message.from === mine) return before;
  const { channel, mentions } = event.message;
  const read = before.get(channel) ?? { channel, last_read: null, unread: 0, mentions: 0 };
  const named = mentions.includes(mine) ? 1 : 0;
  return new Map(before).set(channel, { ...read, unread: Math.min(read.unread + 1, COUNTED_AT_MOST), mentions: Math.min(read.mentions + named, COUNTED_AT_MOST) });
}

/**
 * Pure: a message that is deleted before it was read is not unread any more.
 * @param {ReadonlyMap<string, any>} before @param {any} message @param {string} mine
 */
function withoutDeleted(before, message, mine) {
  const read = before.get(message.channel);
  const number = (/** @type {string|null} */ id) => (id ? Number(id.slice(4)) : 0);
  if (!read || message.from === mine || number(message.id) <= number(read.last_read)) return before;
  const named = message.mentions.includes(mine) ? 1 : 0;
  return new Map(before).set(message.channel, { ...read, unread: Math.max(0, read.unread - 1), mentions: Math.max(0, read.mentions - named) });
}

/** @param {Record<string, any>} event */
export function reduceChannels(event) {
  channels.reduce(event);
  if (event.kind === "channel.left") {
    const rest = new Map(channels.rows.value);
    if (rest.get(event.channel)?.type !== "group") rest.delete(event.channel);
    channels.rows.value = rest;
  }
}

/** @param {string} id */
export const isMine = (id) => channels.get(id)?.members.includes(me.value?.name);
/** What one wants to be told of a channel: all | mentions | none. @param {string} id */
export const levelOf = (id) => reads.value.get(id)?.level ?? "all";
/** @param {string} id */
export const unreadOf = (id) => {
  const read = isMine(id) || id.startsWith("dm:") ? reads.value.get(id) : null;
  if (!read || read.level === "none") return 0;
  return read.level === "mentions" ? read.mentions : read.unread;
};
/** @param {string} id */
export const mentionsOf = (id) => (isMine(id) && levelOf(id) !== "none" ? reads.value.get(id)?.mentions ?? 0 : 0);
/** Mentions first, then what is unread, then the rest. @param {any} channel */
const rank = (channel) => (mentionsOf(channel.id) ? 0 : unreadOf(channel.id) ? 1 : 2);
/** @param {any} a @param {any} b */
const byNews = (a, b) => rank(a) - rank(b) || a.id.localeCompare(b.id);
export const places = computed(() => [...channels.rows.value.values()].filter((row) => row.type !== "dm" && !row.archived).sort(byNews));
export const directs = computed(() => [...channels.rows.value.values()].filter((row) => row.type === "dm" && row.members.includes(me.value?.name)).sort(byNews));

/** @param {any} channel */
export const otherParty = (channel) => channel.members.find((/** @type {string} */ name) => name !== me.value?.name) ?? channel.members[0];

/** @param {string} channel @param {string} message */
export const acknowledge = (channel, message) => post("/api/inbox/ack", { items: [{ channel, ack_id: message }] });
/** @param {{id: string, type: string, description: string}} fields */
export const createChannel = (fields) => post("/api/channels", fields);
/** @param {string} id */
const pathOf = (id) => `/api/channels/${encodeURIComponent(id)}`;
/** @param {string} id @param {{name?: string, description?: string}} fields */
export const changeChannel = (id, fields) => patch(pathOf(id), fields);
/** @param {string} id @param {"archive"|"unarchive"|"join"|"leave"} what */
export const askOfChannel = (id, what) => post(`${pathOf(id)}/${what}`);
/** @param {string} id @param {string} level */
export const setLevel = (id, level) => request("PUT", `${pathOf(id)}/level`, { level });
/** @param {string} id @param {string} name */
export const addMember = (id, name) => post(`${pathOf(id)}/members`, { agent_name: name });
/** @param {string} id @param {string} name */
export const removeMember = (id, name) => request("DELETE", `${pathOf(id)}/members/${name}`);
/** Whether one may rename, describe and archive it. @param {any} channel */
export const mayKeep = (channel) => channel?.created_by === me.value?.name || ["chairman", "operator"].includes(me.value?.role ?? "");
export const archived = computed(() => [...channels.rows.value.values()].filter((row) => row.archived).sort((a, b) => a.id.localeCompare(b.id)));
