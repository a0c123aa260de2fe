// @ts-check
/** Guards that pause agents which only talk to each other. What is cleared leaves. */
import { computed } from "../ui.js";
import { post } from "../api.js";
import { approvals } from "./approvals.js";
import { collection } from "./collection.js";
import { me } from "./session.js";

export const guards = collection("id", { "guard.tripped": "guard", "guard.changed": "guard", "guard.cleared": "guard" });

/** @param {Record<string, any>} event */
export function reduceGuards(event) {
  guards.reduce(event);
  if (event.guard?.state !== "cleared") return;
  const rest = new Map(guards.rows.value);
  rest.delete(event.guard.id);
  guards.rows.value = rest;
}

/** The choices, in the words that the request offers. */
export const CHOICES = { continue: "Let them continue", keep: "Keep paused", stop: "Tell them to stop" };

/** @param {string} channel */
export const pausedIn = (channel) => [...guards.rows.value.values()].filter((row) => row.channel === channel);
/** What stays paused although nobody is asked any more. */
export const keptPaused = computed(() => [...guards.rows.value.values()].filter((row) => row.decision || (row.approval_id && !approvals.rows.value.has(row.approval_id))));
export const mayResolve = () => me.value?.role === "chairman" || me.value?.role === "operator";

/** @param {any} row @param {string} decision */
export const resolveGuard = (row, decision) => post(`/api/guards/${row.id}/resolve`, { decision });
