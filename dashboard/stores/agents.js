// @ts-check
/** Agents: their process, what they do, and how that is known. */
import { computed, signal } from "../ui.js";
import { post } from "../api.js";
import { collection } from "./collection.js";

export const agents = collection("name", { "agent.created": "agent", "agent.status": "agent" });

/** Actions asked for and not answered yet, or refused: agent → {action, error}. */
export const asked = signal(/** @type {Record<string, {action: string, error: string}>} */ ({}));

/** @param {string} name @param {"start"|"stop"|"restart"|"pause"|"resume"} action */
export async function ask(name, action) {
  asked.value = { ...asked.value, [name]: { action, error: "" } };
  try {
    await post(`/api/agents/${name}/${action}`);
    const { [name]: _, ...rest } = asked.value;
    asked.value = rest;
  } catch (failure) {
    asked.value = { ...asked.value, [name]: { action, error: /** @type {any} */ (failure).sentence ?? String(failure) } };
  }
}

const FAILED = new Set(["fatal", "backoff"]);
const BY_STATE = { starting: "starting", stopping: "starting", backoff: "backoff", fatal: "failed", degraded: "stalled", blocked: "needs", unknown: "unknown", stopped: "stopped", exited: "done" };
const BY_ACTIVITY = { working: "working", idle: "idle", needs_you: "needs", limited: "limited", stalled: "stalled", unknown: "unknown" };
const WORDS = { starting: "Starting", stopping: "Stopping", backoff: "Waits to start again", fatal: "Failed", degraded: "Degraded", blocked: "Blocked", unknown: "Unknown", stopped: "Stopped", exited: "Ended", working: "Working", idle: "Idle", needs_you: "Needs you", limited: "Limited", stalled: "Stalled" };

/**
 * What to show of an agent: the glyph's state, a word, why, since when, and how it is known.
 * @param {any} agent
 */
export function condition(agent) {
  if (agent.kind === "external") {
    return { look: agent.connected ? "working" : "unknown", word: agent.connected ? "Connected" : "Not connected", why: "connects by itself", since: agent.since, source: "its own connection" };
  }
  if (agent.paused_at && (agent.state === "ready" || agent.state === "degraded")) {
    return { look: "paused", word: "Paused", why: agent.paused_reason, since: agent.paused_at, source: `by ${agent.paused_by}` };
  }
  if (agent.state === "ready" && agent.activity !== "unknown") {
    const word = WORDS[/** @type {keyof WORDS} */ (agent.activity)];
    return { look: BY_ACTIVITY[/** @type {keyof BY_ACTIVITY} */ (agent.activity)], word, why: agent.activity_reason, since: agent.activity_since, source: agent.activity_source };
  }
  if (agent.state === "ready") return { look: "working", word: "Running", why: "this kind tells nothing of itself", since: agent.since, source: "process" };
  const word = WORDS[/** @type {keyof WORDS} */ (agent.state)] ?? agent.state;
  return { look: BY_STATE[/** @type {keyof BY_STATE} */ (agent.state)] ?? "unknown", word, why: agent.reason, since: agent.since, source: "supervisor" };
}

/** @param {any} agent */
export const needsYou = (agent) => FAILED.has(agent.state) || condition(agent).look === "needs";
const RANK = { needs: 0, failed: 1, backoff: 2, stalled: 3, limited: 4, paused: 4.5, working: 5, starting: 6, idle: 7, unknown: 8, done: 9, stopped: 10 };
/** Agents by the cost of waiting. */
export const ranked = computed(() =>
  [...agents.rows.value.values()].sort((a, b) => (RANK[/** @type {keyof RANK} */ (condition(a).look)] ?? 9) - (RANK[/** @type {keyof RANK} */ (condition(b).look)] ?? 9) || a.name.localeCompare(b.name)));
export const waiting = computed(() => ranked.value.filter(needsYou));
