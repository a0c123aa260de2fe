// @ts-check
/** Needs you: everything that waits for one person, the dearest to wait first. Made of what other stores hold. */
import { computed, signal } from "../ui.js";
import { get, post } from "../api.js";
import { approvals, isSnoozed, settled } from "./approvals.js";
import { channels, isMine, otherParty, reads } from "./channels.js";
import { me } from "./session.js";

/** The same order as the server's (`RANKS`). */
const RANKS = /** @type {Record<string, number>} */ ({ permission: 0, login: 0, terminal: 0, question: 1, failure: 2, budget: 3, guard: 3, limit: 3, stall: 3, tool: 4, action: 4, spending: 4, agent: 4, state: 4, direct: 5, mention: 5 });
/** Kinds that are not decided, but mended. */
export const TROUBLES = new Set(["failure", "login", "stall", "limit", "terminal"]);

/** @typedef {{id: string, kind: string, who: string, since: string, row: any, channel: string, unread: number}} Need */

/** @param {any} row @returns {"now"|"others"|"snoozed"} */
function groupOf(row) {
  if (isSnoozed(row)) return "snoozed";
  const mine = me.value?.name;
  if (row.asker === mine) return "others";
  if (row.delegated_to) return row.delegated_to === mine ? "now" : "others";
  return me.value?.role === "chairman" || me.value?.role === "operator" ? "now" : "others";
}

/** What one was written and has not read. @returns {Need[]} */
function unread() {
  return [...reads.value.values()].flatMap((read) => {
    const channel = channels.get(read.channel);
    if (!channel || !isMine(read.channel)) return [];
    const kind = channel.type === "dm" ? "direct" : "mention";
    const count = kind === "direct" ? read.unread : read.mentions;
    const who = kind === "direct" ? otherParty(channel) : "";
    return count ? [{ id: `unread:${read.channel}`, kind, who, since: "", row: null, channel: read.channel, unread: count }] : [];
  });
}

/** @type {import("../vendor/signals-core.js").ReadonlySignal<Record<"now"|"others"|"snoozed", Need[]>>} */
export const needs = computed(() => {
  const groups = { now: unread(), others: /** @type {Need[]} */ ([]), snoozed: /** @type {Need[]} */ ([]) };
  for (const row of approvals.rows.value.values()) groups[groupOf(row)].push({ id: row.id, kind: row.kind, who: row.asker, since: row.created_at, row, channel: "", unread: 0 });
  for (const list of Object.values(groups)) list.sort((a, b) => (RANKS[a.kind] ?? 4) - (RANKS[b.kind] ?? 4) || a.since.localeCompare(b.since) || a.id.localeCompare(b.id));
  return groups;
});

/** How many things wait for the person who looks. */
export const waits = () => needs.value.now.length;

/** What was decided or came to an end, newest first: as read last, with what was settled since. */
export const done = signal(/** @type {{list: any[], state: "new"|"loading"|"ready"|"error", error: string}} */ ({ list: [], state: "new", error: "" }));

export async function loadDone() {
  if (done.value.state === "new") done.value = { ...done.value, state: "loading" };
  try {
    const page = await get("/api/needs-you?group=done&limit=50");
    done.value = { list: page.items.map((/** @type {any} */ item) => item.approval), state: "ready", error: "" };
  } catch (failure) {
    done.value = { ...done.value, state: "error", error: /** @type {any} */ (failure).sentence ?? String(failure) };
  }
}

export const doneRows = computed(() => {
  const fresh = settled.value.filter((row) => !done.value.list.some((known) => known.id === row.id));
  return [...fresh, ...done.value.list];
});

/** @param {any} row @param {number} seconds */
export const extend = (row, seconds) => post(`/api/approvals/${row.id}/extend`, { for_s: seconds });
/** @param {any} row */
export const dismiss = (row) => post(`/api/approvals/${row.id}/done`);
/** @param {any} row @param {string} name */
export const delegate = (row, name) => post(`/api/approvals/${row.id}/delegate`, { to: name });
