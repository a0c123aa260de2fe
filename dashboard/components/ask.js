// @ts-check
/** One request that waits for a person: whole, with the buttons that decide it. */
import { html, icon, useState } from "../ui.js";
import { isSnoozed, mayDecide, resolve, snooze } from "../stores/approvals.js";
import { Avatar, Name } from "./avatar.js";
import { Age, clock } from "./relative-time.js";

const KINDS = { action: "permission", spending: "spending", agent: "agent", question: "question", budget: "budget", state: "state", tool: "permission", guard: "loop guard" };
const SNOOZE_S = 3600;

/** @param {{row: any, isOpen?: boolean}} props */
export function Ask({ row, isOpen = false }) {
  const [problem, setProblem] = useState("");
  const [busy, setBusy] = useState(false);
  const [answer, setAnswer] = useState("");
  /** @param {() => Promise<unknown>} act */
  async function run(act) {
    setBusy(true);
    setProblem("");
    try { await act(); } catch (failure) { setProblem(/** @type {any} */ (failure).sentence ?? String(failure)); }
    setBusy(false);
  }
  const decide = (/** @type {Record<string, unknown>} */ decision) => void run(() => resolve(row, decision));
  const reject = () => { const why = prompt("Why not? (told to who asked)"); if (why !== null) decide({ approved: false, comment: why }); };
  return html`<details class="ask" open=${isOpen} aria-label=${`${row.id}, ${row.summary}`}>
    <summary><${Avatar} name=${row.asker} /><div class="cut"><p class="who"><${Name} name=${row.asker} /><span class="state">${icon("s-needs", { class: "glyph", state: "needs" })}<b>${KINDS[/** @type {keyof KINDS} */ (row.kind)]}</b></span></p><p class="one cut">${row.summary}</p></div>
      <span class="end">${isSnoozed(row) && html`<span class="tag">snoozed</span>`}<${Age} at=${row.created_at} />${icon("right", { class: "chev" })}</span></summary>
    <div class="in stack">
      <p>${row.summary}</p>
      ${row.details && html`<pre class="cmd" tabindex="0" aria-label="All of it">${row.details}</pre>`}
      <p class="muted">${row.id}, ${row.kind === "guard" ? "paused until somebody decides" : `denied by time at ${clock(row.expires_at)}`}${row.delegated_to ? `, given to ${row.delegated_to}` : ""}</p>
      ${problem && html`<p class="fix bad" role="alert">${icon("warn")}${problem}</p>`}
    </div>
    ${mayDecide(row) ? html`<footer>${row.kind === "guard" ? row.options.map((/** @type {string} */ option) => html`<button key=${option} class="btn" disabled=${busy} onClick=${() => decide({ answer: option })}>${option}</button>`)
      : row.kind === "question" ? html`
        ${row.options.map((/** @type {string} */ option) => html`<button key=${option} class="btn primary" disabled=${busy} onClick=${() => decide({ answer: option })}>${option}</button>`)}
        <form class="row" onSubmit=${(/** @type {Event} */ event) => { event.preventDefault(); if (answer.trim()) decide({ answer }); }}><input class="input" aria-label=${`Answer ${row.id}`} placeholder="Answer in words" maxlength="2000" value=${answer} onInput=${(/** @type {Event} */ event) => setAnswer(/** @type {HTMLInputElement} */ (event.target).value)} /><button class="btn" disabled=${busy}>Answer</button></form>`
      : row.kind === "budget" ? row.options.map((/** @type {string} */ option, /** @type {number} */ at) => html`<button key=${option} class=${`btn ${at ? "" : "primary"}`} disabled=${busy} onClick=${() => decide({ approved: at === 0, answer: option })}>${option.charAt(0).toUpperCase()}${option.slice(1)}</button>`)
      : html`<button class="btn primary" disabled=${busy} onClick=${() => decide({ approved: true })}>Approve</button><button class="btn" disabled=${busy} onClick=${reject}>Reject…</button>`}
      <button class="btn quiet push" disabled=${busy} onClick=${() => void run(() => snooze(row, SNOOZE_S))}>${icon("moon")}Snooze 1 h</button></footer>`
    : html`<footer><span class="muted">Not yours to decide.</span></footer>`}</details>`;
}

/** @param {{row: any}} props */
export function Settled({ row }) {
  const by = row.decided_by ? ` by ${row.decided_by}` : row.status === "expired" ? ": nobody decided in time" : "";
  return html`<div class="ask gone" role="status"><div class="line"><${Avatar} name=${row.asker} /><div class="cut"><p class="who"><${Name} name=${row.asker} /><b>${row.status}${by}</b></p><p class="one cut">${row.summary}${row.answer ? ` → ${row.answer}` : ""}</p></div><span class="end"><${Age} at=${row.decided_at} /></span></div></div>`;
}
