// @ts-check
/** Who is there and who is typing: told as it happens, kept nowhere. */
import { effect, signal } from "../ui.js";
import { get, post } from "../api.js";
import { connection } from "../live.js";
import { me } from "./session.js";

const TYPING_MS = 5000;
const TELL_EVERY_MS = 3000;

/** @type {import("../vendor/signals-core.js").Signal<ReadonlyMap<string, {member: string, state: string, evidence: string[], since: string|null}>>} */
export const presence = signal(new Map());
/** Channel → who types there. */
export const typists = signal(/** @type {ReadonlyMap<string, string[]>} */ (new Map()));

/** @type {Map<string, ReturnType<typeof setTimeout>>} */
const fading = new Map();
let toldAt = 0;

/** What is told while the stream is broken is lost, so it is asked for whenever the stream is there again. */
effect(() => { if (connection.value.state === "live") void loadPresence(); });

async function loadPresence() {
  const answer = await get("/api/presence").catch(() => null);
  if (answer) presence.value = new Map(answer.presence.map((/** @type {any} */ row) => [row.member, row]));
}

/** @param {Record<string, any>} event */
export function reducePresence(event) {
  if (event.kind === "presence") {
    presence.value = new Map([...presence.value, ...event.presence.map((/** @type {any} */ row) => [row.member, row])]);
  } else if (event.kind === "typing" && event.member !== me.value?.name) {
    show(event.channel, event.member);
  } else if (event.kind === "message.created") {
    hide(event.message.channel, event.message.from);
  }
}

/** @param {string} name */
export const isThere = (name) => presence.value.get(name)?.state === "online";

/** Tell the others that one is typing, now and then. @param {string} channel */
export function tellTyping(channel) {
  if (Date.now() - toldAt < TELL_EVERY_MS) return;
  toldAt = Date.now();
  post("/api/typing", { channel }).catch(() => undefined);
}

/** @param {string} channel @param {string} member */
function show(channel, member) {
  const key = `${channel} ${member}`;
  clearTimeout(fading.get(key));
  fading.set(key, setTimeout(() => hide(channel, member), TYPING_MS));
  const names = typists.value.get(channel) ?? [];
  if (!names.includes(member)) typists.value = new Map(typists.value).set(channel, [...names, member]);
}

/** @param {string} channel @param {string} member */
function hide(channel, member) {
  const names = typists.value.get(channel);
  if (names?.includes(member)) typists.value = new Map(typists.value).set(channel, names.filter((name) => name !== member));
}
