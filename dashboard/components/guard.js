// @ts-check
/** A guard that pauses agents: why, since when, and the buttons that decide what becomes of them. */
import { html, icon, useState } from "../ui.js";
import { CHOICES, mayResolve, resolveGuard } from "../stores/guards.js";
import { Age } from "./relative-time.js";

/** @param {{row: any}} props */
export function GuardNotice({ row }) {
  const [problem, setProblem] = useState("");
  const [busy, setBusy] = useState(false);
  /** @param {string} decision */
  async function decide(decision) {
    setBusy(true);
    setProblem("");
    try { await resolveGuard(row, decision); } catch (failure) { setProblem(/** @type {any} */ (failure).sentence ?? String(failure)); }
    setBusy(false);
  }
  const names = row.members.length > 4 ? `${row.members.slice(0, 4).join(", ")} and ${row.members.length - 4} more` : row.members.join(" and ");
  return html`<section class="banner warn guard" aria-label=${`Loop guard ${row.id}`}>${icon("warn")}
    <div class="cut"><p><b>Paused: ${names}.</b> ${row.evidence}</p>
      <p class="dim">What they write is kept and wakes none of them${row.decision === "keep" ? `; ${row.decided_by} keeps it so` : ""}, since <${Age} at=${row.tripped_at} />.</p>
      ${problem && html`<p class="fix bad" role="alert">${problem}</p>`}</div>
    ${mayResolve() && html`<span class="push">${Object.entries(CHOICES).map(([decision, words]) => (decision === "keep" && row.decision === "keep" ? null : html`<button key=${decision} class="btn sm" disabled=${busy} onClick=${() => void decide(decision)}>${words}</button>`))}</span>`}</section>`;
}
