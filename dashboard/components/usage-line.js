// @ts-check
/** What an agent used today, in one line; a dash with its reason where nothing is known. */
import { html } from "../ui.js";
import { amount, cost, short, usageOf } from "../stores/usage.js";

/** @param {{agent: any}} props */
export function UsageLine({ agent }) {
  const usage = usageOf(agent.name);
  const used = usage?.today ?? [];
  const standing = usage?.budgets.find((/** @type {any} */ found) => found.period === "day") ?? usage?.budgets[0];
  const unknown = agent.kind === "claude" ? "its records tell nothing yet" : `the kind ${agent.kind} does not tell`;
  return html`<div class="wide"><dt>today</dt><dd>${used.length ? used.map((/** @type {any} */ one) => html`<span key=${one.billing}>${short(one.tokens)} tok · ${one.billing === "plan" ? "plan" : standing?.unit === "usd" ? `${amount(standing, "spent")} of ${amount(standing, "limit")}` : cost(one)} </span>`) : html`<span title=${unknown}>–</span>`}</dd></div>
    <div><dt>context</dt><dd>${usage?.context_percent == null ? html`<span title=${unknown}>–</span>` : html`${Math.round(usage.context_percent)} %${usage.compactions ? html`<span class="muted"> (${usage.compactions} compaction${usage.compactions === 1 ? "" : "s"})</span>` : ""}`}</dd></div>`;
}

/** Budgets as meters. @param {{usage: any}} props */
export function BudgetMeters({ usage }) {
  return html`<ul class="stack spend">${usage.budgets.map((/** @type {any} */ found) => html`<li key=${found.period}><span class="cut">${found.period}</span><progress class=${found.percent >= 100 ? "bad" : found.warned ? "warn" : ""} value=${Math.min(100, found.percent)} max="100" aria-label=${`${usage.agent}, ${found.period}: ${found.percent} % used`}></progress><span class="num">${amount(found, "spent")} of ${amount(found, "limit")}</span></li>`)}</ul>`;
}
