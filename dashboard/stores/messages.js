// @ts-check
/** Messages by conversation, what is on its way, and receipts. */
import { signal } from "../ui.js";
import { ApiError, get, post, request } from "../api.js";

/**
 * @typedef {{list: any[], hasMore: boolean, hasNewer?: boolean, state: "loading"|"ready"|"error", error: string}} Conversation
 * @typedef {{client_id: string, channel: string, content: string, reply_to: string|null, files: string[], delivery?: string, state: "sending"|"failed", error: string}} Pending
 */

/** @type {import("../vendor/signals-core.js").Signal<ReadonlyMap<string, Conversation>>} */
export const conversations = signal(new Map());
/** @type {import("../vendor/signals-core.js").Signal<Pending[]>} */
export const pending = signal([]);
/** Message id → receipts by recipient. */
export const receipts = signal(/** @type {ReadonlyMap<string, any[]>} */ (new Map()));
/** Message id → what the answer to sending it said of its recipients. */
export const outlook = signal(/** @type {ReadonlyMap<string, any[]>} */ (new Map()));
/** The newest messages of all conversations, for the home screen. */
export const newest = signal(/** @type {any[]} */ ([]));
/** How many events the stream has told, and when each receipt was among them: a page that was asked for before is older. */
let told = 0;
const toldAt = /** @type {Map<string, number>} */ (new Map());
/** Message id → what the stream last told it has become, and when. */
const changedTo = /** @type {Map<string, {at: number, message: any}>} */ (new Map());

/** The message that is edited in place. */
export const editing = signal("");
const CHANGES = new Set(["message.updated", "message.deleted", "reaction.changed", "pin.changed"]);

/** @param {string} channel */
export async function open(channel) {
  if (conversations.value.get(channel)?.state === "ready") return;
  put(channel, { list: conversations.value.get(channel)?.list ?? [], hasMore: false, state: "loading", error: "" });
  const asked = told;
  try {
    const page = await get(`/api/history?channel=${encodeURIComponent(channel)}&limit=50`);
    takeReceipts(since(page.receipts, asked));
    put(channel, { list: withLater(channel, present(page.messages, asked)), hasMore: page.hasMore, state: "ready", error: "" });
  } catch (failure) {
    put(channel, { list: [], hasMore: false, state: "error", error: sentence(failure) });
  }
}

/**
 * Open a conversation where a message stands, unless it is there already.
 * @param {string} channel @param {string} id
 */
export async function openAround(channel, id) {
  if (conversations.value.get(channel)?.list.some((message) => message.id === id)) return;
  put(channel, { list: [], hasMore: false, state: "loading", error: "" });
  const asked = told;
  try {
    const path = `/api/history?channel=${encodeURIComponent(channel)}`;
    const [page, newestPage] = await Promise.all([get(`${path}&around=${id}&limit=50`), get(`${path}&limit=1`)]);
    takeReceipts(since(page.receipts, asked));
    const hasNewer = page.messages.at(-1)?.id !== newestPage.messages.at(-1)?.id;
    const list = present(page.messages, asked);
    put(channel, { list: hasNewer ? list : withLater(channel, list), hasMore: page.hasMore, hasNewer, state: "ready", error: "" });
  } catch (failure) {
    put(channel, { list: [], hasMore: false, state: "error", error: sentence(failure) });
  }
}

/** Leave the past and show the newest messages again. @param {string} channel */
export function openNewest(channel) {
  put(channel, { list: [], hasMore: false, state: "loading", error: "" });
  return open(channel);
}

/** @param {string} channel */
export async function loadOlder(channel) {
  const now = conversations.value.get(channel);
  if (!now?.hasMore || now.state !== "ready") return;
  put(channel, { ...now, state: "loading" });
  const asked = told;
  try {
    const page = await get(`/api/history?channel=${encodeURIComponent(channel)}&limit=50&before=${now.list[0].id}`);
    takeReceipts(since(page.receipts, asked));
    const current = conversations.value.get(channel) ?? now;
    put(channel, { ...current, list: [...present(page.messages, asked), ...current.list], hasMore: page.hasMore, state: "ready", error: "" });
  } catch (failure) {
    put(channel, { ...(conversations.value.get(channel) ?? now), state: "ready", error: sentence(failure) });
  }
}

/** Forget what was loaded: a reset means that the stream has a gap. */
export function forget() {
  toldAt.clear();
  changedTo.clear();
  conversations.value = new Map();
}

/** @param {Record<string, any>} event */
export function reduceMessages(event) {
  told += 1;
  if (event.kind === "message.created") {
    const { message } = event;
    const now = conversations.value.get(message.channel);
    if (now && !now.hasNewer) put(message.channel, { ...now, list: withMessage(now.list, message) });
    newest.value = withMessage(newest.value, message).slice(-8);
    if (message.client_id) pending.value = pending.value.filter((entry) => entry.client_id !== message.client_id);
  } else if (CHANGES.has(event.kind)) {
    const { message } = event;
    changedTo.set(message.id, { at: told, message });
    const now = conversations.value.get(message.channel);
    const known = (/** @type {any[]} */ list) => list.some((one) => one.id === message.id);
    if (now && known(now.list)) put(message.channel, { ...now, list: withMessage(now.list, message) });
    if (known(newest.value)) newest.value = withMessage(newest.value, message);
  } else if (event.kind === "message.delivery") {
    toldAt.set(event.receipt.id, told);
    takeReceipts([event.receipt]);
  } else if (event.kind === "messages.removed") {
    dropMessages(event.channel, new Set(event.ids));
  }
}

/** @param {string} channel @param {Set<string>} ids gone for good: they were kept long enough */
function dropMessages(channel, ids) {
  const now = conversations.value.get(channel);
  if (now) put(channel, { ...now, list: now.list.filter((message) => !ids.has(message.id)) });
  newest.value = newest.value.filter((message) => !ids.has(message.id));
  receipts.value = new Map([...receipts.value].filter(([id]) => !ids.has(id)));
}

/**
 * A page's messages, as the stream has told them since it was asked for.
 * @param {any[]} messages @param {number} asked
 */
function present(messages, asked) {
  return messages.map((message) => {
    const change = changedTo.get(message.id);
    return change && change.at > asked ? change.message : message;
  });
}

/** A page, and what came by the stream while it was on its way. @param {string} channel @param {any[]} page */
function withLater(channel, page) {
  const known = new Set(page.map((message) => message.id));
  const later = (conversations.value.get(channel)?.list ?? []).filter((message) => !known.has(message.id) && message.seq > (page.at(-1)?.seq ?? 0));
  return [...page, ...later];
}

/**
 * The receipts of a page that the stream has not told of since it was asked for.
 * @param {any[]} rows @param {number} asked
 */
function since(rows, asked) {
  return rows.filter((row) => (toldAt.get(row.id) ?? 0) <= asked);
}

/**
 * Pure: a list with a message put by its id, in the order of ids.
 * @param {any[]} list @param {any} message
 */
export function withMessage(list, message) {
  const at = list.findIndex((known) => known.id === message.id);
  if (at >= 0) return list.with(at, message);
  return [...list, message];
}

/** The last things that somebody said, as far as they are loaded, newest first. @param {string} name */
export function lastFrom(name) {
  const found = new Map();
  for (const list of [newest.value, ...[...conversations.value.values()].map((conversation) => conversation.list)]) {
    for (const message of list) if (message.from === name) found.set(message.id, message);
  }
  return [...found.values()].sort((a, b) => b.seq - a.seq).slice(0, 3);
}

/** @param {any[]} rows */
function takeReceipts(rows) {
  if (!rows.length) return;
  const next = new Map(receipts.value);
  for (const row of rows) {
    const others = (next.get(row.message_id) ?? []).filter((known) => known.recipient !== row.recipient);
    next.set(row.message_id, [...others, ...(row.state === "withdrawn" ? [] : [row])].sort((a, b) => a.recipient.localeCompare(b.recipient)));
  }
  receipts.value = next;
}

/**
 * Send a message. It shows as pending until its event comes; the same text sent again has no second effect.
 * @param {string} channel @param {string} content @param {string|null} replyTo @param {string[]} files
 * @param {string} [delivery] queue | next_step | interrupt
 */
export function send(channel, content, replyTo = null, files = [], delivery = "queue") {
  const entry = { client_id: crypto.randomUUID(), channel, content, reply_to: replyTo, files, delivery, state: /** @type {const} */ ("sending"), error: "" };
  pending.value = [...pending.value, entry];
  if (conversations.value.get(channel)?.hasNewer) void openNewest(channel);
  return deliver(entry);
}

/** @param {Pending} entry */
export async function deliver(entry) {
  change(entry.client_id, { state: "sending", error: "" });
  try {
    const { channel, content, reply_to, files, client_id, delivery = "queue" } = entry;
    const sent = await post("/api/send", { channel, content, client_id, delivery, ...(reply_to ? { reply_to } : {}), ...(files.length ? { files } : {}), long_text: "file" }, { key: client_id });
    outlook.value = new Map(outlook.value).set(sent.id, sent.recipients);
  } catch (failure) {
    const again = failure instanceof ApiError && failure.status === 0;
    change(entry.client_id, { state: "failed", error: again ? "The server was not reached." : sentence(failure) });
  }
}

/** What sending would do: whom it names, and how many it wakes. @param {string} channel @param {string} content */
export const previewSend = (channel, content) => post("/api/send/preview", { channel, content });
/** @param {string} id @param {string} content */
export const editMessage = (id, content) => request("PUT", `/api/messages/${id}`, { content });
/** @param {string} id */
export const deleteMessage = (id) => request("DELETE", `/api/messages/${id}`);
/** @param {string} id */
export const versionsOf = (id) => get(`/api/messages/${id}/versions`);
/** @param {string} id @param {string} emoji @param {boolean} on */
export const react = (id, emoji, on) => (on ? post(`/api/messages/${id}/reactions`, { emoji }) : request("DELETE", `/api/messages/${id}/reactions/${encodeURIComponent(emoji)}`));
/** @param {string} id @param {boolean} on */
export const pin = (id, on) => request(on ? "POST" : "DELETE", `/api/messages/${id}/pin`, on ? {} : undefined);
/** @param {string} id */
export const makeTask = (id) => post(`/api/messages/${id}/task`, {});

/** @param {string} clientId */
export function discard(clientId) {
  pending.value = pending.value.filter((entry) => entry.client_id !== clientId);
}

/** @param {string} clientId @param {Partial<Pending>} fields */
function change(clientId, fields) {
  pending.value = pending.value.map((entry) => (entry.client_id === clientId ? { ...entry, ...fields } : entry));
}

/** @param {string} channel @param {Conversation} conversation */
function put(channel, conversation) {
  conversations.value = new Map(conversations.value).set(channel, conversation);
}

/** @param {unknown} failure */
const sentence = (failure) => (failure instanceof ApiError ? failure.sentence : String(failure));
