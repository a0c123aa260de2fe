// @ts-check
/** Needs you: the queue, the dearest to wait first. Keys: j k move, a approves, r rejects, s snoozes. */
import { html, icon, useEffect, useLayoutEffect, useState } from "../ui.js";
import { get } from "../api.js";
import { ranked } from "../stores/agents.js";
import { approvals, settled } from "../stores/approvals.js";
import { done, doneRows, loadDone, needs } from "../stores/needs.js";
import { Ask, Settled, Whole } from "../components/ask.js";
import { Empty, Failed, Loading } from "../components/faces.js";
import { age } from "../components/relative-time.js";

/** @typedef {"now"|"others"|"snoozed"|"done"} Group */
const GROUPS = /** @type {const} */ ([["now", "Now", "Now"], ["others", "Waiting on others", "Others"], ["snoozed", "Snoozed", "Snoozed"], ["done", "Done", "Done"]]);

/** @param {{name: string}} props */
export function NeedsView({ name }) {
  const [group, choose] = useState(/** @type {Group} */ ("now"));
  const [selected, select] = useState(name);
  useEffect(() => {
    select(name);
    const home = (/** @type {const} */ (["now", "others", "snoozed"])).find((one) => needs.value[one].some((need) => need.id === name));
    if (home) choose(home);
  }, [name]);
  useEffect(() => { if (group === "done") void loadDone(); }, [group]);
  const list = group === "done" ? [] : needs.value[group];
  const at = Math.max(0, list.findIndex((need) => need.id === selected));
  const open = list[at]?.id ?? "";
  useLayoutEffect(() => {
    const onKey = (/** @type {KeyboardEvent} */ event) => press(event, list, at, select);
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  });
  return html`<div class="sheet"><main class="main" id="main">
    <header class="head"><h1 tabindex="-1">Needs you</h1><${Tabs} group=${group} choose=${choose} at=${1} class="desk" /></header>
    <div class="bar phone"><${Tabs} group=${group} choose=${choose} at=${2} class="" /></div>
    <div class="body"><div class="queue">
      ${name && !approvals.get(name) && name.startsWith("ap_") && html`<${Past} key=${name} name=${name} />`}
      ${group === "done" ? html`<${DoneList} />` : html`${list.length > 0 && html`<${Hint} list=${list} />`}
        ${list.map((need) => html`<${Ask} key=${need.id} need=${need} isOpen=${need.id === open} onToggle=${(/** @type {boolean} */ is) => is && select(need.id)} />`)}
        ${group === "now" && settled.value.map((row) => html`<${Settled} key=${row.id} row=${row} />`)}
        ${!list.length && html`<${Nothing} group=${group} />`}`}
    </div></div></main></div>`;
}

/** @param {{group: Group, choose: (group: Group) => void, at: 1|2, class: string}} props */
function Tabs({ group, choose, at, class: extra }) {
  return html`<nav class=${`seg ${extra}`} aria-label="Groups">${GROUPS.map((one) => {
    const [id] = one;
    const count = id === "done" ? 0 : needs.value[id].length;
    return html`<button key=${id} aria-pressed=${group === id} onClick=${() => choose(id)}>${one[at]}${count > 0 && html` <span class=${id === "now" ? "badge needs" : "count"}>${count}</span>`}</button>`;
  })}</nav>`;
}

/** @param {{list: import("../stores/needs.js").Need[]}} props */
function Hint({ list }) {
  const agents = new Set(list.filter((need) => need.row && need.row.kind !== "state").map((need) => need.who));
  const oldest = list.reduce((first, need) => (need.since && (!first || need.since < first) ? need.since : first), "");
  return html`<p class="hintline">${agents.size > 0 && html`<b>${agents.size} ${agents.size === 1 ? "waits" : "wait"} on you,</b>`}${oldest && html` the longest for ${age(oldest)}.`}<span class="push desk muted row keys-hint"><span><kbd>j</kbd> <kbd>k</kbd> move</span><span><kbd>a</kbd> approve</span><span><kbd>r</kbd> reject</span><span><kbd>s</kbd> snooze</span></span></p>`;
}

/** @param {{group: Group}} props */
function Nothing({ group }) {
  const working = ranked.value.filter((agent) => agent.state === "ready" && agent.activity === "working").length;
  if (group === "now") return html`<${Empty} title="Nothing needs you" text=${`${working} working.`} glyph="check"><a class="btn" href="/agents">See agents</a><//>`;
  return html`<${Empty} title=${group === "others" ? "Nothing waits on others" : "Nothing is put aside"} glyph=${group === "others" ? "users" : "moon"} />`;
}

function DoneList() {
  const { state, error } = done.value;
  if (state === "error") return html`<${Failed} title="Not to be had" text=${error} onRetry=${() => void loadDone()} />`;
  if (state !== "ready") return html`<${Loading} />`;
  return doneRows.value.length ? doneRows.value.map((row) => html`<${Settled} key=${row.id} row=${row} />`) : html`<${Empty} title="Nothing was decided yet" glyph="check" />`;
}

/** One that a link leads to and that waits no more. @param {{name: string}} props */
function Past({ name }) {
  const [found, setFound] = useState(/** @type {any} */ (null));
  const [problem, setProblem] = useState("");
  useEffect(() => { get(`/api/approvals/${name}`).then(setFound, (failure) => setProblem(failure.sentence ?? String(failure))); }, [name]);
  if (problem) return html`<p class="fix bad" role="alert">${icon("warn")}${problem}</p>`;
  return found && found.status !== "pending" && html`<details class="ask" open><summary><span></span><b>${found.id} is over</b><span></span></summary><${Whole} row=${found} /></details>`;
}

/** @param {KeyboardEvent} event @param {import("../stores/needs.js").Need[]} list @param {number} at @param {(id: string) => void} select */
function press(event, list, at, select) {
  if (event.ctrlKey || event.metaKey || event.altKey || /** @type {Element} */ (event.target).closest?.("input, textarea, select, dialog")) return;
  // What has the focus comes before what is open: the page learns of an opening only a moment later.
  const focused = list.findIndex((need) => need.id === /** @type {HTMLElement|undefined} */ (document.activeElement?.closest("[data-need]"))?.dataset.need);
  if (focused >= 0) at = focused;
  const step = { j: 1, k: -1 }[event.key];
  if (step && list.length) {
    const next = list[Math.min(list.length - 1, Math.max(0, at + step))];
    select(next.id);
    requestAnimationFrame(() => /** @type {HTMLElement|null} */ (document.querySelector(`[data-need="${CSS.escape(next.id)}"] summary, [data-need="${CSS.escape(next.id)}"] a`))?.focus());
  } else if ("arso".includes(event.key) && event.key.length === 1 && list[at]) {
    const target = /** @type {HTMLElement|null} */ (document.querySelector(`[data-need="${CSS.escape(list[at].id)}"] [data-key="${event.key}"]`));
    if (!target) return;
    event.preventDefault();
    if (target instanceof HTMLInputElement) target.focus();
    else target.click();
  }
}
