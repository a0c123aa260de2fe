// @ts-check
/** Usage: what was used, by whom, with which model, when, and what it may cost. Every bar stands in a table as well. */
import { html, icon, useEffect, useState } from "../ui.js";
import { maySetBudgets } from "../stores/session.js";
import { agents } from "../stores/agents.js";
import { PAID, allUsage, budgets, cost, money, setBudget, short, totals, usageVersion } from "../stores/usage.js";
import { BudgetMeters } from "../components/usage-line.js";
import { Dialog } from "../components/dialog.js";
import { Empty, Failed, Loading } from "../components/faces.js";
import { clock } from "../components/relative-time.js";

const SPANS = /** @type {const} */ ([["Today", 0], ["7 days", 6], ["30 days", 29]]);
const GROUPS = /** @type {const} */ ([["agent", "Agent"], ["model", "Model"], ["task", "Task"], ["day", "Day"]]);

/** @param {number} days */
const since = (days) => new Date(Date.now() - days * 86_400_000).toISOString().slice(0, 10);

export function UsageView() {
  const [span, setSpan] = useState(1);
  const [group, setGroup] = useState("agent");
  const [found, setFound] = useState(/** @type {any} */ (null));
  const [problem, setProblem] = useState("");
  const [editing, edit] = useState(/** @type {string|null} */ (null));
  const load = () => Promise.all([totals({ from: since(SPANS[span][1]), by: group }), budgets()]).then(([answer, rows]) => { setFound({ ...answer, group, budgets: rows }); setProblem(""); }, (failure) => setProblem(failure.sentence ?? String(failure)));
  useEffect(() => {
    const timer = setTimeout(load, found ? 300 : 0); // several agents tell at once
    return () => clearTimeout(timer);
  }, [span, group, usageVersion.value]);
  return html`<div class="sheet"><main class="main" id="main"><header class="head"><h1 tabindex="-1">Usage</h1></header>
    <div class="bar"><span class="row" role="group" aria-label="Since">${SPANS.map(([label], at) => html`<button key=${label} class="chip" aria-pressed=${span === at} onClick=${() => setSpan(at)}>${label}</button>`)}</span>
      <span class="row" role="group" aria-label="By">${GROUPS.map(([word, label]) => html`<button key=${word} class="chip" aria-pressed=${group === word} onClick=${() => setGroup(word)}>${label}</button>`)}</span></div>
    <div class="body">${problem ? html`<${Failed} title="Not to be had" text=${problem} onRetry=${load} />` : !found ? html`<${Loading} />` : html`<div class="stack lg detail">
      <${Sums} found=${found} />
      ${found.rows.length ? html`<${Table} found=${found} />` : html`<${Empty} title="Nothing was used" text="Agents of the kind claude tell by themselves; others report to POST /api/usage." glyph="usage" />`}
      ${found.unpriced.length > 0 && html`<section class="tile" aria-labelledby="unpriced"><header>${icon("warn")}<h2 id="unpriced">Price not known</h2></header><ul class="rows">${found.unpriced.map((/** @type {any} */ model) => html`<li key=${model.model}><span class="mono cut">${model.model}</span><span class="push num">${short(model.tokens)} tok not in the cost</span></li>`)}</ul></section>`}
      <${Agents} onEdit=${edit} /></div>`}</div>
    ${editing !== null && html`<${BudgetDialog} agent=${editing} row=${found?.budgets.find((/** @type {any} */ one) => one.agent === editing) ?? { warn_at: 80, on_exceed: "pause_and_ask" }} onClose=${() => edit(null)} />`}</main></div>`;
}

/** @param {{found: any}} props */
function Sums({ found }) {
  return html`<section class="row wrap sums" aria-label="Totals">${found.totals.map((/** @type {any} */ used) => html`<div key=${used.billing} class="tile"><div class="in"><p class="muted">${PAID[used.billing]}</p><p class="figure">${cost(used)}</p><p class="dim">${short(used.tokens)} tokens, ${used.requests} request${used.requests === 1 ? "" : "s"}${used.billing === "plan" ? "; what it would have cost by list price" : ""}</p></div></div>`)}</section>`;
}

/** @param {{found: any}} props */
function Table({ found }) {
  const label = GROUPS.find(([word]) => word === found.group)?.[1] ?? "";
  const rows = found.group === "day" ? [...found.rows].sort((a, b) => a.time.localeCompare(b.time)) : found.rows;
  const most = Math.max(1, ...rows.map((/** @type {any} */ row) => row.used.tokens));
  return html`<section class="tile" aria-label=${`Use by ${found.group}`}><div class="scroll-x"><table class="table"><thead><tr><th>${label}</th><th>Paid by</th><th class="desk">Share</th><th class="num">Tokens</th><th class="num">Cost</th><th class="num">In</th><th class="num">Out</th><th class="num">Cache</th><th class="num">Requests</th><th class="num">Worked</th></tr></thead>
    <tbody>${rows.map((/** @type {any} */ row) => html`<tr key=${`${named(row, found.group)} ${row.used.billing}`}><th scope="row">${found.group === "task" && row.task ? html`<a href=${`/tasks/${row.task}`}>#${row.task.replace("task_", "")}</a>` : found.group === "agent" ? html`<span class="name agent">${row.agent}</span>` : named(row, found.group)}</th>
      <td>${PAID[row.used.billing]}</td><td class="desk share"><progress value=${row.used.tokens} max=${most} aria-hidden="true"></progress></td><td class="num">${short(row.used.tokens)}</td><td class="num">${cost(row.used)}</td><td class="num">${short(row.used.input_tokens)}</td><td class="num">${short(row.used.output_tokens)}</td><td class="num">${short(row.used.cache_read_tokens + row.used.cache_write_tokens)}</td><td class="num">${row.used.requests}</td><td class="num">${Math.round(row.used.working_s / 60)} min</td></tr>`)}</tbody></table></div></section>`;
}

/** @param {any} row @param {string} group */
const named = (row, group) => ({ agent: row.agent, model: row.model || "no model", task: row.task ?? "no task", day: row.time }[/** @type {"agent"} */ (group)]);

/** @param {{onEdit: (agent: string) => void}} props */
function Agents({ onEdit }) {
  return html`<section class="tile" aria-labelledby="paces"><header><h2 id="paces">Budgets and limits</h2></header>
    <ul class="rows">${allUsage.value.map((usage) => html`<li key=${usage.agent} class="pace"><a class="name agent cut" href=${`/agents/${usage.agent}`}>${usage.agent}</a>
      <div class="stack">${usage.budgets.length ? html`<${BudgetMeters} usage=${usage} />` : html`<p class="muted">no budget</p>`}
        ${usage.windows.map((/** @type {any} */ window) => html`<p key=${window.name} class="dim">${window.name.replaceAll("_", " ")}: ${Math.round(window.used_percent)} % used${window.resets_at ? `, begins anew at ${clock(window.resets_at)}` : ""}</p>`)}
        ${usage.tokens_per_hour > 0 && html`<p class="dim">${short(usage.tokens_per_hour)} tok an hour${usage.cost_per_hour_usd === null ? "" : `, ${money(usage.cost_per_hour_usd)} an hour`}${usage.limit_at ? html`; <b>at this pace, ${usage.limit_of.replaceAll("_", " ")} at ${clock(usage.limit_at)}</b>` : ""}</p>`}</div>
      ${maySetBudgets() && html`<button class="btn sm" onClick=${() => onEdit(usage.agent)} aria-label=${`Budget of ${usage.agent}`}>${icon("coin")}Budget</button>`}</li>`)}</ul></section>`;
}

/** @param {{agent: string, row: any, onClose: () => void}} props */
function BudgetDialog({ agent, row, onClose }) {
  const [problem, setProblem] = useState("");
  async function submit(/** @type {SubmitEvent} */ event) {
    event.preventDefault();
    const fields = new FormData(/** @type {HTMLFormElement} */ (event.target));
    const text = (/** @type {string} */ name) => String(fields.get(name) ?? "").trim() || null;
    try {
      await setBudget({ agent, per_day: text("per_day"), per_month: text("per_month"), per_task: text("per_task"), warn_at: Number(fields.get("warn_at")), on_exceed: fields.get("on_exceed") });
      onClose();
    } catch (failure) { setProblem(/** @type {any} */ (failure).sentence ?? String(failure)); }
  }
  const hasProcess = agents.get(agent)?.kind !== "external";
  return html`<${Dialog} title=${`Budget of ${agent}`} onClose=${onClose}><form onSubmit=${submit}><div class="in">
      ${[["per_day", "A day"], ["per_month", "A month"], ["per_task", "A task"]].map(([name, label]) => html`<div key=${name} class="field"><label for=${`budget-${name}`}>${label}</label><input class="input" id=${`budget-${name}`} name=${name} defaultValue=${row[name] ?? ""} placeholder="no limit" autocomplete="off" maxlength="20" /></div>`)}
      <p class="hint">Money or time, as 10usd or 2h. Days and months are UTC.</p>
      <div class="field"><label for="budget-warn">Warn at, in percent</label><input class="input" id="budget-warn" name="warn_at" inputmode="numeric" pattern="[1-9][0-9]?|100" maxlength="3" autocomplete="off" required defaultValue=${row.warn_at} /></div>
      <div class="field"><label for="budget-then">When it is used up</label><select class="input" id="budget-then" name="on_exceed" defaultValue=${row.on_exceed}>${hasProcess && html`<option value="pause_and_ask" selected=${row.on_exceed === "pause_and_ask"}>pause it and ask</option>`}<option value="notify" selected=${row.on_exceed === "notify"}>tell the chairman</option>${hasProcess && html`<option value="stop" selected=${row.on_exceed === "stop"}>stop it</option>`}</select></div>
      ${problem && html`<p class="fix bad" role="alert">${icon("warn")}${problem}</p>`}</div>
    <footer><button type="button" class="btn" onClick=${onClose}>Cancel</button><button class="btn primary">Set budget</button></footer></form><//>`;
}
