// @ts-check
/** Settings: notices on this device, and what is told to the outside. */
import { html, icon, useEffect, useState } from "../ui.js";
import { loadNotifications, mergedInto, notificationOf, queued, retry, sendTest, state, targets } from "../stores/notifications.js";
import { notices, switchOff, switchOn } from "../stores/notices.js";
import { mayOperate } from "../stores/session.js";
import { Empty, Failed, Loading } from "../components/faces.js";
import { Age } from "../components/relative-time.js";
import { WeChat } from "./wechat.js";

export function SettingsView() {
  useEffect(() => { if (mayOperate() && state.value.word === "new") void loadNotifications(); }, []);
  const { word, error } = state.value;
  return html`<div class="sheet"><main class="main" id="main"><header class="head"><h1 tabindex="-1">Settings</h1></header>
    <div class="body"><div class="stack lg settings"><${OnThisDevice} />
      ${!mayOperate() ? null : word === "error" ? html`<${Failed} title="The notifications could not be loaded" text=${error} onRetry=${loadNotifications} />`
      : word !== "ready" ? html`<${Loading} rows=${5} />` : html`<${Targets} /><${WeChat} /><${Queue} />`}
    </div></div></main></div>`;
}

function OnThisDevice() {
  const words = {
    unsupported: "This browser shows no notices at this address: it wants https, or this machine itself.",
    denied: "This browser was told not to show notices. Its own settings of this page change that.",
    off: "While nobody looks at Bullpen here, the browser can say what needs you and what was written to you.",
    on: "While nobody looks at Bullpen here, the browser says what needs you and what was written to you.",
  }[notices.value];
  return html`<section class="tile" aria-labelledby="set-device"><header>${icon("bell")}<h2 id="set-device">Notices on this device</h2>
      ${notices.value === "off" && html`<button class="btn sm push" onClick=${() => void switchOn()}>Show notices</button>`}${notices.value === "on" && html`<button class="btn sm push" onClick=${switchOff}>Show none</button>`}</header>
    <p class="in dim">${words}</p></section>`;
}

function Targets() {
  const { targets: rows, quiet_hours: quiet, digest } = targets.value;
  return html`<section class="tile" aria-labelledby="set-targets"><header>${icon("send")}<h2 id="set-targets">Told to the outside</h2><span class="count">${rows.length}</span></header>
    ${(quiet || digest) && html`<dl class="in kv">${quiet && html`<dt>Quiet hours</dt><dd>${quiet}</dd>`}${digest && html`<dt>Digest</dt><dd class="mono">${digest}</dd>`}</dl>`}
    ${rows.length ? html`<ul class="rows told">${rows.map((row) => html`<${Target} key=${row.name} row=${row} />`)}</ul>`
    : html`<${Empty} title="Nobody outside is told of anything" text="Add a webhook, ntfy, e-mail or WeChat under notifications in agents.yaml, and start again." glyph="bell" />`}</section>`;
}

/** @param {{row: any}} props */
function Target({ row }) {
  const [tested, setTested] = useState("");
  const [problem, setProblem] = useState("");
  const test = tested ? notificationOf(tested) : null;
  async function send() {
    setProblem("");
    try { setTested((await sendTest(row.name)).id); } catch (failure) { setProblem(/** @type {any} */ (failure).sentence ?? String(failure)); }
  }
  const counts = [[row.pending, "waiting"], [row.held, "held by quiet hours"], [row.failed, "failed"]].filter(([count]) => count);
  return html`<li><div class="what"><p class="cut"><b>${row.name}</b> <span class="dim">${row.type}</span> <span class="muted mono">${row.address}</span></p>
      <p class="muted">${row.events.join(", ")}${row.member ? ` · for ${row.member}` : ""}${row.people.length ? ` · ${row.people.join(", ")}` : ""}</p>
      <p class="muted">${row.last_delivered_at ? html`arrived <${Age} at=${row.last_delivered_at} /> ago` : "nothing has arrived yet"}${counts.map(([count, word]) => ` · ${count} ${word}`)}</p>
      ${row.last_error && html`<p class="fix bad">${icon("warn")}${row.last_error}</p>`}${problem && html`<p class="fix bad" role="alert">${icon("warn")}${problem}</p>`}
      ${tested && html`<p role="status" class="fix">${icon(test?.status === "delivered" ? "check" : test?.error ? "warn" : "clock")}${test?.status === "delivered" ? "The test has arrived." : test?.error ? `The test has not arrived: ${test.error}` : "The test is on its way…"}</p>`}</div>
    <button class="btn sm push" aria-label=${`Send a test to ${row.name}`} onClick=${() => void send()}>Send test</button></li>`;
}

const GLYPHS = { pending: "rc-stored", delivered: "rc-handled", failed: "rc-failed" };

function Queue() {
  const [wanted, want] = useState("all");
  const rows = queued.value.filter((row) => !row.merged_into && (wanted === "all" || row.status === wanted));
  return html`<section class="tile" aria-labelledby="set-queue"><header>${icon("list")}<h2 id="set-queue">Queue</h2>
      <select class="input push" aria-label="Status" value=${wanted} onChange=${(/** @type {Event} */ event) => want(/** @type {HTMLSelectElement} */ (event.target).value)}>${["all", "pending", "delivered", "failed"].map((word) => html`<option key=${word} value=${word}>${word}</option>`)}</select></header>
    ${rows.length ? html`<ul class="rows told">${rows.map((row) => html`<${Line} key=${row.id} row=${row} />`)}</ul>` : html`<p class="in muted">${wanted === "all" ? "Nothing was told yet." : `Nothing is ${wanted}.`}</p>`}</section>`;
}

/** @param {{row: any}} props */
function Line({ row }) {
  const [problem, setProblem] = useState("");
  const more = mergedInto(row.id);
  const again = () => void retry(row.id).then(() => setProblem(""), (failure) => setProblem(failure.sentence ?? String(failure)));
  return html`<li>${icon(GLYPHS[/** @type {"failed"} */ (row.status)], { label: row.status })}<div class="what"><p class="cut"><a href=${row.path}>${row.title}</a>${more > 0 && html` <span class="muted">and ${more} more</span>`}</p>
      <p class="muted">${row.target}${row.member ? ` to ${row.member}` : ""} · <${Age} at=${row.created_at} />${row.held ? " · held by quiet hours" : ""}${row.attempts > 1 ? ` · ${row.attempts} attempts` : ""}${row.note ? ` · ${row.note}` : ""}</p>
      ${(row.error || problem) && html`<p class="fix bad">${icon("warn")}${problem || row.error}</p>`}</div>
    ${(row.status === "failed" || row.error) && html`<button class="btn sm push" aria-label=${`Retry ${row.id}`} onClick=${again}>Retry</button>`}</li>`;
}
