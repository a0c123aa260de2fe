// @ts-check
/** What is told to the outside: targets, the queue, the chat bridge. Loaded when first looked at, live from then on. */
import { computed, signal } from "../ui.js";
import { get, post } from "../api.js";
import { collection } from "./collection.js";

const queue = collection("id", { "notification.changed": "notification" });
/** new | loading | ready | error */
export const state = signal({ word: "new", error: "" });
export const targets = signal(/** @type {{targets: any[], quiet_hours: string, digest: string}} */ ({ targets: [], quiet_hours: "", digest: "" }));
export const bridge = signal(/** @type {any} */ (null));
let refreshing = 0;

export async function loadNotifications() {
  state.value = { word: state.value.word === "ready" ? "ready" : "loading", error: "" };
  try {
    const [page, found, status] = await Promise.all([get("/api/notifications?limit=100"), get("/api/notifications/targets"), get("/api/wechat/status")]);
    queue.load(page.notifications);
    targets.value = found;
    bridge.value = status;
    state.value = { word: "ready", error: "" };
  } catch (failure) {
    state.value = { word: "error", error: /** @type {any} */ (failure).sentence ?? String(failure) };
  }
}

/** @param {Record<string, any>} event */
export function reduceNotifications(event) {
  if (state.value.word !== "ready") return;
  if (event.kind.startsWith("chat_bridge.")) void loadBridge();
  if (event.kind !== "notification.changed" && event.kind !== "notification_target.changed") return;
  queue.reduce(event);
  clearTimeout(refreshing); // counts and last errors are the server's to know; a burst of changes is one question
  refreshing = window.setTimeout(() => void get("/api/notifications/targets").then((found) => { targets.value = found; }, () => {}), 150);
}

export async function loadBridge() {
  bridge.value = await get("/api/wechat/status");
}

/** Newest first; what goes with another is shown there. */
export const queued = computed(() => [...queue.rows.value.values()].sort((a, b) => Number(b.id.slice(4)) - Number(a.id.slice(4))));
/** @param {string} id */
export const notificationOf = (id) => queue.get(id);
/** @param {string} id How many more it tells of. */
export const mergedInto = (id) => queued.value.filter((row) => row.merged_into === id).length;
/** @param {string} name @returns {Promise<any>} */
export const sendTest = (name) => post(`/api/notifications/targets/${name}/test`, {}, { key: crypto.randomUUID() });
/** @param {string} id */
export const retry = (id) => post(`/api/notifications/${id}/retry`, {}, { key: crypto.randomUUID() });
export async function signInBridge() {
  bridge.value = { configured: true, ...(await post("/api/wechat/login")) };
}
export async function signOutBridge() {
  bridge.value = { configured: true, ...(await post("/api/wechat/disconnect")) };
}
