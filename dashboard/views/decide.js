// @ts-check
/** One request, opened by a link that decides it once. Opening decides nothing: that takes a button. */
import { html, icon, useEffect, useState } from "../ui.js";
import { post } from "../api.js";
import { Whole } from "../components/ask.js";
import { Avatar } from "../components/avatar.js";
import { Questions } from "../components/questions.js";

/** @param {{code: string}} props */
export function DecideView({ code }) {
  const [found, setFound] = useState(/** @type {any} */ (null));
  const [problem, setProblem] = useState("");
  const [busy, setBusy] = useState(false);
  const say = (/** @type {any} */ failure) => setProblem(failure.sentence ?? String(failure));
  useEffect(() => { post("/api/decisions/look", { code }).then(setFound, say); }, [code]);
  async function decide(/** @type {Record<string, unknown>} */ decision) {
    setBusy(true);
    try { setFound({ ...found, approval: await post("/api/decisions", { code, hash: found.approval.hash, ...decision }) }); } catch (failure) { say(failure); }
    setBusy(false);
  }
  const row = found?.approval;
  return html`<main class="main decide" id="main"><header class="head">${icon("mark")}<h1>Decide once</h1></header><div class="body"><div class="queue">
    ${problem && html`<p class="fix bad" role="alert">${icon("warn")}${problem}</p>`}
    ${!row && !problem && html`<p class="muted" role="status">Opening…</p>`}
    ${row && html`<div class="ask on"><div class="line"><${Avatar} name=${row.asker} /><div><p class="who"><b>${row.asker}</b></p><p>${row.summary}</p></div><span></span></div><${Whole} row=${{ ...row, expires_at: null }} alone=${true} />
      ${row.status === "pending" ? html`<footer>${row.kind === "question" ? html`<${Questions} row=${row} busy=${busy} onAnswer=${decide} />` : html`<button class="btn primary" disabled=${busy} onClick=${() => void decide({ approved: true })}>Approve once</button><button class="btn" disabled=${busy} onClick=${() => void decide({ approved: false })}>Reject</button>`}<span class="muted push">in the name of ${found.member}</span></footer>` : html`<footer><b role="status">${row.status}${row.decided_by ? ` by ${row.decided_by}` : ""}</b></footer>`}</div>`}
    <p><a href="/">Open the dashboard</a></p></div></div></main>`;
}
