// @ts-check
/** Shared state: a project's fields; one of them beside them, with what it was and what changed. */
import { html, icon, useEffect, useState } from "../ui.js";
import { fieldDiff, fieldHistory, fieldOf, listed, loadState, projects, restoreField, state, writeField } from "../stores/state.js";
import { pendingApprovals } from "../stores/approvals.js";
import { maySpeak } from "../stores/session.js";
import { go, route } from "../router.js";
import { Name } from "../components/avatar.js";
import { Dialog } from "../components/dialog.js";
import { Empty, Failed, Loading } from "../components/faces.js";
import { Age } from "../components/relative-time.js";

/** @param {unknown} value */
const short = (value) => JSON.stringify(value);
/** Text is meant as JSON; what is none is a text. @param {string} text */
const parsed = (text) => { try { return JSON.parse(text); } catch { return text; } };
/** @param {any} row */
const path = (row) => `/state/${encodeURIComponent(row.project_id)}/${row.field}`;

export function StateView() {
  const [creating, create] = useState(false);
  const place = route.value.name ?? "";
  const wanted = place.split("/")[0];
  useEffect(() => { if (state.value.word === "new" || (wanted && wanted !== state.value.project)) void loadState(wanted || undefined); }, [wanted]);
  const { word, error, project } = state.value;
  const chosen = place ? fieldOf(place) : null;
  return html`<div class=${`sheet ${chosen ? "two panel-on" : ""}`}><main class="main" id="main">
      <header class="head"><h1 tabindex="-1">State</h1><span class="count">${listed.value.length}</span>
        <div class="tools">${projects.value.length > 0 && html`<select class="input" aria-label="Project" value=${project} onChange=${(/** @type {Event} */ event) => go(`/state/${encodeURIComponent(/** @type {HTMLSelectElement} */ (event.target).value)}`)}>${projects.value.map((row) => html`<option key=${row.project_id} value=${row.project_id}>${row.project_id}</option>`)}</select>`}
          ${maySpeak() && html`<button class="btn primary sm" onClick=${() => create(true)}>${icon("plus")}New field</button>`}</div></header>
      <div class="body flush">${word === "error" ? html`<${Failed} title="The state could not be loaded" text=${error} onRetry=${() => void loadState()} />`
      : word !== "ready" ? html`<${Loading} rows=${6} />`
      : !listed.value.length ? html`<${Empty} title="Nothing is agreed on yet" text="Ports, versions, decisions: what the team holds to be so. Agents write it, and see what changed." glyph="braces" />`
      : html`<div class="scroll-x"><table class="table"><thead><tr><th>Field</th><th>Value</th><th class="num">Version</th><th>Owner</th><th>Changed</th></tr></thead>
          <tbody>${listed.value.map((row) => html`<tr key=${row.id} class=${row === chosen ? "sel" : ""}><td><a href=${path(row)}>${row.field}</a>${row.approval_required && html` <span class="tag">needs approval</span>`}</td><td class="mono value">${short(row.value)}</td><td class="num">${row.version}</td><td>${row.owner === "*" ? "everybody" : html`<${Name} name=${row.owner} />`}</td><td><${Name} name=${row.updated_by} /> <${Age} at=${row.updated_at} /></td></tr>`)}</tbody></table></div>`}</div></main>
    ${chosen && html`<${Details} key=${chosen.id} row=${chosen} />`}
    ${creating && html`<${NewField} project=${project} onClose=${() => create(false)} />`}</div>`;
}

/** @param {{row: any}} props */
function Details({ row }) {
  const [history, setHistory] = useState(/** @type {any[]} */ ([]));
  const [diff, setDiff] = useState(/** @type {any} */ (null));
  const [text, setText] = useState(JSON.stringify(row.value, null, 2));
  const [said, say] = useState({ words: "", bad: false });
  const [base, setBase] = useState(row.version);
  useEffect(() => { fieldHistory(row).then((found) => setHistory(found.history), (failure) => say({ words: failure.sentence, bad: true })); }, [row.id, row.version]);
  /** @param {() => Promise<any>} act */
  async function attempt(act) {
    try {
      const written = await act();
      if (written.version && written.success) setBase(written.version);
      say({ words: written.pending_approval ? `It waits for a decision: ${written.approval_id}.` : "", bad: false });
    } catch (failure) { say({ words: /** @type {any} */ (failure).sentence ?? String(failure), bad: true }); }
  }
  const take = () => { setText(JSON.stringify(row.value, null, 2)); setBase(row.version); say({ words: "", bad: false }); };
  const proposals = pendingApprovals.value.filter((asked) => asked.proposal?.project_id === row.project_id && asked.proposal?.field === row.field);
  const asked = { project_id: row.project_id, field: row.field };
  return html`<aside class="panel" aria-label=${`Field ${row.field}`}>
    <header class="head slim"><h2 class="cut">${row.field}</h2><span class="sub">version ${row.version}</span><div class="tools"><button class="btn quiet only sm" aria-label="Close field" onClick=${() => go(`/state/${encodeURIComponent(row.project_id)}`)}>${icon("x")}</button></div></header>
    <div class="body"><div class="stack lg detail">
      ${row.version > base && html`<p class="fix" role="status">${icon("warn")}${row.updated_by} has changed it meanwhile. <button class="btn sm" onClick=${take}>Take theirs</button></p>`}
      ${maySpeak() ? html`<form class="stack" onSubmit=${(/** @type {Event} */ event) => { event.preventDefault(); void attempt(() => writeField({ ...asked, value: parsed(text), expected_version: base })); }}>
          <textarea class="input mono" aria-label="Value" rows=${Math.min(16, Math.max(3, text.split("\n").length))} value=${text} onInput=${(/** @type {Event} */ event) => setText(/** @type {HTMLTextAreaElement} */ (event.target).value)}></textarea><div class="row"><button class="btn primary">Write</button></div></form>` : html`<pre class="mono">${text}</pre>`}
      ${said.words && html`<p class=${`fix ${said.bad ? "bad" : ""}`} role="alert">${icon(said.bad ? "warn" : "clock")}${said.words}</p>`}
      ${proposals.map((each) => html`<p key=${each.id} class="fix">${icon("clock")}${each.asker} proposes ${short(each.proposal.value)} (${each.id}${each.stale ? ", about an earlier version" : ""}). <a href="/">Decide</a></p>`)}
      <section class="stack" aria-label="History"><h3>History</h3><ul class="stack">${history.map((line, at) => html`<li key=${line.id} class="stack"><p class="row wrap"><b class="num">${line.version}</b><${Name} name=${line.changed_by} /><span class="muted"><${Age} at=${line.at} /> ${line.reason}</span>
          <span class="push row">${at + 1 < history.length && html`<button class="btn quiet sm" aria-label=${`What version ${line.version} changed`} onClick=${() => void fieldDiff(row, history[at + 1].version, line.version).then(setDiff)}>${icon("diff")}</button>`}${maySpeak() && line.version !== row.version && html`<button class="btn quiet sm" aria-label=${`Restore version ${line.version}`} onClick=${() => void attempt(() => restoreField({ ...asked, version: line.version }))}>${icon("restart")}</button>`}</span></p><code class="cut">${short(line.value)}</code></li>`)}</ul></section>
      ${diff && html`<section class="stack" aria-label="Difference"><h3>From ${diff.before.version} to ${diff.after.version}</h3><pre class="diff mono">${diff.lines.slice(2).map((/** @type {string} */ line, /** @type {number} */ at) => html`<span key=${at} class=${line[0] === "+" ? "add" : line[0] === "-" ? "del" : ""}>${line}${"\n"}</span>`)}</pre></section>`}
    </div></div></aside>`;
}

/** @param {{project: string, onClose: () => void}} props */
function NewField({ project, onClose }) {
  const [problem, setProblem] = useState("");
  /** @param {SubmitEvent} event */
  async function submit(event) {
    event.preventDefault();
    const fields = Object.fromEntries(new FormData(/** @type {HTMLFormElement} */ (event.target)));
    try {
      await writeField({ project_id: fields.project, field: fields.field, value: parsed(String(fields.value)), expected_version: 0, ...(fields.everybody ? { owner: "*" } : {}) });
      onClose();
      go(`/state/${encodeURIComponent(String(fields.project))}/${fields.field}`);
    } catch (failure) { setProblem(/** @type {any} */ (failure).sentence ?? String(failure)); }
  }
  return html`<${Dialog} title="New field" onClose=${onClose}><form onSubmit=${submit}><div class="in">
      <div class="field"><label for="state-project">Project</label><input class="input" id="state-project" name="project" value=${project} required maxlength="64" autocomplete="off" autofocus /></div>
      <div class="field"><label for="state-field">Field</label><input class="input" id="state-field" name="field" required maxlength="256" autocomplete="off" placeholder="api/port" /></div>
      <div class="field"><label for="state-value">Value</label><textarea class="input mono" id="state-value" name="value" rows="3" required></textarea><p class="hint">JSON; what is none is taken as text.</p></div>
      <label class="check"><input type="checkbox" name="everybody" />Everybody may write it</label>
      ${problem && html`<p class="fix bad" role="alert">${icon("warn")}${problem}</p>`}</div>
    <footer><button type="button" class="btn" onClick=${onClose}>Cancel</button><button class="btn primary">Add field</button></footer></form><//>`;
}
