// @ts-check
/** What agents use: each one's row, told live; totals are asked for. A price that is not known is null, never 0. */
import { computed, signal } from "../ui.js";
import { get, request } from "../api.js";
import { collection } from "./collection.js";

const usages = collection("agent", { "usage.tick": "usage" });
/** Grows with what changes the totals. */
export const usageVersion = signal(0);

/** Ticks are not in the log: who was away asks again. */
export async function loadUsage() {
  try { usages.load((await get("/api/usage/agents")).agents); } catch { return; } // it comes with the next connection
  usageVersion.value += 1;
}

/** @param {Record<string, any>} event */
export function reduceUsage(event) {
  usages.reduce(event);
  if (event.kind === "usage.tick") usageVersion.value += 1;
  else if (event.kind === "budget.changed" || event.kind === "usage.reported" || event.kind === "approval.changed") void loadUsage();
}

/** @param {string} agent */
export const usageOf = (agent) => usages.rows.value.get(agent);
export const allUsage = computed(() => [...usages.rows.value.values()].sort((a, b) => dearest(b) - dearest(a) || a.agent.localeCompare(b.agent)));
/** @param {any} usage */
const dearest = (usage) => Math.max(0, ...usage.today.map((/** @type {any} */ used) => used.cost_usd ?? 0));

/** Today's use of everybody, by who pays: what a plan pays is never added to what an account pays. */
export const today = computed(() => {
  /** @type {Map<string, {billing: string, tokens: number, cost_usd: number|null, unpriced_tokens: number}>} */
  const sums = new Map();
  for (const usage of usages.rows.value.values()) {
    for (const used of usage.today) {
      const sum = sums.get(used.billing) ?? { billing: used.billing, tokens: 0, cost_usd: null, unpriced_tokens: 0 };
      sums.set(used.billing, { billing: used.billing, tokens: sum.tokens + used.tokens, cost_usd: used.cost_usd === null ? sum.cost_usd : (sum.cost_usd ?? 0) + used.cost_usd, unpriced_tokens: sum.unpriced_tokens + used.unpriced_tokens });
    }
  }
  return [...sums.values()].sort((a, b) => a.billing.localeCompare(b.billing));
});

/** @param {Record<string, string>} query */
export const totals = (query) => get(`/api/usage?${new URLSearchParams(query)}`);
export const budgets = () => get("/api/budgets?limit=200").then((answer) => answer.budgets);
/** @param {Record<string, unknown>} fields */
export const setBudget = (fields) => request("PUT", "/api/budgets", fields);

/** 950, 410 k, 1.2 M. @param {number} count */
export function short(count) {
  if (count < 1000) return String(count);
  return count < 1e6 ? `${Math.round(count / 1000)} k` : `${(count / 1e6).toFixed(count < 1e7 ? 1 : 0)} M`;
}
/** @param {number|null} usd */
export const money = (usd) => (usd === null ? "price unknown" : `$${usd.toFixed(2)}`);
/** @param {any} used */
export const cost = (used) => (used.cost_usd !== null && used.unpriced_tokens ? `${money(used.cost_usd)} + ?` : money(used.cost_usd));
/** @param {any} standing @param {"spent"|"limit"} which */
export const amount = (standing, which) => (standing.unit === "usd" ? `$${(standing[which] / 1e6).toFixed(2).replace(/\.00$/, "")}` : `${(standing[which] / 3.6e6).toFixed(1)} h`);
export const PAID = /** @type {Record<string, string>} */ ({ api: "API account", plan: "plan", unknown: "not known who pays" });
