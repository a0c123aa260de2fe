// @ts-check
/** What waits for a person to decide. What is decided leaves, once it was seen to be. */
import { computed, signal } from "../ui.js";
import { post } from "../api.js";
import { collection } from "./collection.js";
import { me } from "./session.js";

export const approvals = collection("id", { "approval.created": "approval", "approval.changed": "approval" });

/** @param {Record<string, any>} event */
export function reduceApprovals(event) {
  approvals.reduce(event);
  const row = event.approval;
  if (!row || row.status === "pending") return;
  settled.value = [row, ...settled.value.filter((other) => other.id !== row.id)].slice(0, 5);
  const rest = new Map(approvals.rows.value);
  rest.delete(row.id);
  approvals.rows.value = rest;
}

/** The last that were decided while this page was open. */
export const settled = signal(/** @type {any[]} */ ([]));

/** @param {any} row */
export const mayDecide = (row) => row.asker !== me.value?.name && (me.value?.role === "chairman" || me.value?.role === "operator" || row.delegated_to === me.value?.name);
/** Whether somebody put it aside for now. @param {any} row */
export const isSnoozed = (row) => row.snoozed_until && Date.parse(row.snoozed_until) > Date.now();
export const pendingApprovals = computed(() => [...approvals.rows.value.values()].sort((a, b) => a.created_at.localeCompare(b.created_at)));

/** @param {any} row @param {Record<string, unknown>} decision The hash says that it is this that was decided. */
export const resolve = (row, decision) => post(`/api/approvals/${row.id}/resolve`, { ...decision, hash: row.hash });
/** @param {any} row @param {number} seconds */
export const snooze = (row, seconds) => post(`/api/approvals/${row.id}/snooze`, { for_s: seconds });
