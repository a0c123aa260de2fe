// @ts-check
/** Schedules: what happens by the clock; one of them beside the list; a new one explained while it is written. */
import { html, icon, useEffect, useState } from "../ui.js";
import { cancelSchedule, changeSchedule, createSchedule, listed, loadSchedules, preview, runSchedule, scheduleDetails, scheduleOf, state } from "../stores/schedules.js";
import { agents } from "../stores/agents.js";
import { places } from "../stores/channels.js";
import { maySpeak } from "../stores/session.js";
import { go, route } from "../router.js";
import { Avatar } from "../components/avatar.js";
import { Dialog } from "../components/dialog.js";
import { Empty, Failed, Loading } from "../components/faces.js";

const MOMENT = new Intl.DateTimeFormat(undefined, { weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
/** @param {string} at */
const moment = (at) => MOMENT.format(new Date(at));
const EXAMPLES = ["0 9 * * 1-5", "*/30 9-17 * * mon-fri", "@weekly"];
const OUTCOMES = { done: "s-done", failed: "s-failed", skipped: "s-paused", missed: "s-paused", queued: "clock" };

/** @param {any} row */
const title = (row) => row.name || row.title || { message: `Message in ${row.channel}`, start: `Start ${row.agent}`, prompt: `Prompt for ${row.agent}`, task: "Task" }[/** @type {"message"} */ (row.action)];

export function SchedulesView() {
  const [creating, create] = useState(false);
  useEffect(() => { if (state.value.word === "new") void loadSchedules(); }, []);
  const { word, error } = state.value;
  const chosen = route.value.name ? scheduleOf(route.value.name) : null;
  return html`<div class=${`sheet ${chosen && !chosen.deleted ? "two panel-on" : ""}`}><main class="main" id="main">
      <header class="head"><h1 tabindex="-1">Schedules</h1><span class="count">${listed.value.length}</span>${maySpeak() && html`<div class="tools"><button class="btn primary sm" onClick=${() => create(true)}>${icon("plus")}New</button></div>`}</header>
      <div class="body flush">${word === "error" ? html`<${Failed} title="The schedules could not be loaded" text=${error} onRetry=${loadSchedules} />`
      : word !== "ready" ? html`<${Loading} rows=${5} />`
      : !listed.value.length ? html`<${Empty} title="No schedules" text="Have a message sent, a task added or an agent prompted by the clock: every morning, every hour, once on Friday." glyph="clock" />`
      : html`<ul>${listed.value.map((row) => html`<${Line} key=${row.id} row=${row} chosen=${row === chosen} />`)}</ul>`}</div></main>
    ${chosen && !chosen.deleted && html`<${Details} key=${chosen.id} row=${chosen} />`}
    ${creating && html`<${NewSchedule} onClose=${() => create(false)} />`}</div>`;
}

/** @param {{row: any, chosen: boolean}} props */
function Line({ row, chosen }) {
  const on = row.status === "active";
  const toggle = () => void changeSchedule(row.id, { paused: on }).catch((failure) => alert(failure.sentence));
  return html`<li class=${`sched ${chosen ? "on" : ""} ${on ? "" : "paused"}`}><div><p><a class="cut" href=${`/schedules/${row.id}`}><b>${title(row)}</b></a></p><p>${row.sentence}</p></div>
    <div><p class="num">${row.next_run_at ? moment(row.next_run_at) : html`<span class="muted">${row.status}${row.reason ? ` ${row.reason}` : ""}</span>`}</p></div>
    <div class="last"><p>${{ message: row.channel, task: "adds a task", start: `starts ${row.agent}`, prompt: `prompts ${row.agent}` }[/** @type {"message"} */ (row.action)]}</p><p class="muted">ran ${row.runs} ${row.runs === 1 ? "time" : "times"}</p></div>
    <div class="end"><${Avatar} name=${row.creator} size="sm" />${maySpeak() && row.status !== "ended" && html`<input type="checkbox" class="switch" role="switch" checked=${on} aria-label=${`${title(row)} on`} onChange=${toggle} />`}</div></li>`;
}

/** @param {{row: any}} props */
function Details({ row }) {
  const [found, setFound] = useState(/** @type {any} */ (null));
  const [problem, setProblem] = useState("");
  useEffect(() => { scheduleDetails(row.id).then(([details, history]) => setFound({ details, runs: history.runs }), (failure) => setProblem(failure.sentence)); }, [row.id, row]);
  /** @param {() => Promise<unknown>} act */
  async function attempt(act) {
    setProblem("");
    try { await act(); } catch (failure) { setProblem(/** @type {any} */ (failure).sentence ?? String(failure)); }
  }
  return html`<aside class="panel" aria-label=${`Schedule ${title(row)}`}>
    <header class="head slim"><h2>${row.id}</h2><span class="sub cut">by ${row.creator}</span><div class="tools"><button class="btn quiet only sm" aria-label="Close schedule" onClick=${() => go("/schedules")}>${icon("x")}</button></div></header>
    <div class="body"><div class="stack lg detail"><h3>${title(row)}</h3>
      ${problem && html`<p class="fix bad" role="alert">${icon("warn")}${problem}</p>`}
      <p>${row.sentence}</p>${row.content && html`<p class="muted">${row.content}</p>`}
      ${found && html`${found.details.preview.local.length > 0 && html`<section class="stack" aria-label="Next runs"><h3>Next runs</h3><${Runs} local=${found.details.preview.local} />${found.details.preview.warnings.map((/** @type {string} */ warning) => html`<p key=${warning} class="fix">${icon("warn")}${warning}</p>`)}</section>`}
        <dl class="kv"><dt>if the last is open</dt><dd>${{ skip: "skip", queue: "wait, then run once", allow: "run all the same" }[/** @type {"skip"} */ (row.overlap)]}</dd><dt>if it was missed</dt><dd>${row.missed === "skip" ? "skip" : "run once"}</dd>${row.jitter_s > 0 && html`<dt>late by up to</dt><dd>${row.jitter_s} s</dd>`}${row.max_runs && html`<dt>runs</dt><dd>${row.runs} of ${row.max_runs}</dd>`}${row.ends_at && html`<dt>ends</dt><dd>${moment(row.ends_at)}</dd>`}</dl>
        ${maySpeak() && html`<div class="row wrap"><button class="btn" onClick=${() => void attempt(() => runSchedule(row.id))}>${icon("play")}Run now</button><button class="btn danger" onClick=${() => { if (confirm("Remove this schedule? Its history stays.")) void attempt(async () => { await cancelSchedule(row.id); go("/schedules"); }); }}>${icon("trash")}Remove</button></div>`}
        <section class="stack" aria-label="History"><h3>History</h3>${found.runs.length ? html`<ul class="stack">${found.runs.map((/** @type {any} */ run) => html`<li key=${run.id} class="row">${icon(OUTCOMES[/** @type {"done"} */ (run.outcome)], { class: "glyph" })}<span>${moment(run.ran_at)}</span><span class="muted cut">${run.outcome}${run.reason ? `: ${run.reason}` : ""}${run.by === "clock" ? "" : `, by ${run.by}`}</span></li>`)}</ul>` : html`<p class="muted">It has not run yet.</p>`}</section>`}
    </div></div></aside>`;
}

/** Runs by the clock of their zone. @param {{local: string[]}} props */
function Runs({ local }) {
  return html`<ol class="stack">${local.map((at) => html`<li key=${at} class="num">${at.slice(0, 10)} ${at.slice(11, 16)} <span class="muted">${at.slice(16)}</span></li>`)}</ol>`;
}

/** @param {{onClose: () => void}} props */
function NewSchedule({ onClose }) {
  const [problem, setProblem] = useState("");
  const [action, setAction] = useState("message");
  const [way, setWay] = useState("cron_expr");
  const [when, setWhen] = useState(EXAMPLES[0]);
  const [tz, setTz] = useState(Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC");
  const [shown, show] = useState(/** @type {any} */ (null));
  useEffect(() => {
    const abort = new AbortController();
    const timer = setTimeout(() => {
      if (when.trim()) preview({ [way]: when, tz }, abort.signal).then(show, (failure) => { if (!abort.signal.aborted) show({ problem: failure.sentence }); });
    }, 200);
    return () => { clearTimeout(timer); abort.abort(); };
  }, [way, when, tz]);
  /** @param {SubmitEvent} event */
  async function submit(event) {
    event.preventDefault();
    const fields = Object.fromEntries([...new FormData(/** @type {HTMLFormElement} */ (event.target))].filter(([, value]) => value));
    try { const made = await createSchedule({ ...fields, action, [way]: when, tz }); onClose(); go(`/schedules/${made.id}`); } catch (failure) { setProblem(/** @type {any} */ (failure).sentence ?? String(failure)); }
  }
  /** @param {(value: string) => void} set */
  const into = (set) => (/** @type {Event} */ event) => set(/** @type {HTMLInputElement} */ (event.target).value);
  const named = [...agents.rows.value.values()];
  return html`<${Dialog} title="New schedule" onClose=${onClose}><form onSubmit=${submit}><div class="in">
      <div class="field"><label for="sched-what">What happens</label><select class="input" id="sched-what" value=${action} onChange=${into(setAction)}><option value="message">A message is sent</option><option value="task">A task is added</option><option value="prompt">An agent is prompted</option><option value="start">An agent is started</option></select></div>
      ${action === "message" && html`<div class="field"><label for="sched-channel">Channel</label><select class="input" id="sched-channel" name="channel">${places.value.map((row) => html`<option key=${row.id} value=${row.id}>${row.id}</option>`)}</select></div>`}
      ${(action === "prompt" || action === "start") && html`<div class="field"><label for="sched-agent">Agent</label><select class="input" id="sched-agent" name="agent" required>${named.map((row) => html`<option key=${row.name} value=${row.name}>${row.name}</option>`)}</select></div>`}
      ${action === "task" && html`<div class="field"><label for="sched-title">Title</label><input class="input" id="sched-title" name="title" required maxlength="200" autocomplete="off" /></div>`}
      ${action !== "start" && html`<div class="field"><label for="sched-text">Text</label><textarea class="input" id="sched-text" name="content" rows="3" maxlength="20000" required=${action !== "task"}></textarea></div>`}
      <div class="field"><label for="sched-way">When</label><select class="input" id="sched-way" value=${way} onChange=${(/** @type {Event} */ event) => { const chosen = /** @type {HTMLSelectElement} */ (event.target).value; setWay(chosen); setWhen({ cron_expr: EXAMPLES[0], every: "1h", at: "" }[/** @type {"at"} */ (chosen)]); }}><option value="cron_expr">By cron</option><option value="every">Every so often</option><option value="at">Once</option></select></div>
      <div class="field"><label for="sched-when">${{ cron_expr: "Minute, hour, day, month, weekday", every: "How often", at: "Date and time" }[/** @type {"at"} */ (way)]}</label><input class="input mono" id="sched-when" type=${way === "at" ? "datetime-local" : "text"} value=${when} onInput=${into(setWhen)} required autocomplete="off" />${way === "cron_expr" && html`<p class="hint">${EXAMPLES.map((example) => html`<button key=${example} type="button" class="chip" onClick=${() => setWhen(example)}>${example}</button> `)}</p>`}</div>
      <div class="field"><label for="sched-zone">Time zone</label><input class="input" id="sched-zone" value=${tz} onInput=${into(setTz)} required autocomplete="off" /></div>
      <div role="status" aria-label="Preview" class="stack">${shown?.problem ? html`<p class="fix bad">${icon("warn")}${shown.problem}</p>` : shown && html`<p><b>${shown.sentence}</b></p><${Runs} local=${shown.local} />${shown.warnings.map((/** @type {string} */ warning) => html`<p key=${warning} class="fix">${icon("warn")}${warning}</p>`)}`}</div>
      <div class="field"><label for="sched-name">Name</label><input class="input" id="sched-name" name="name" maxlength="200" autocomplete="off" /></div>
      ${problem && html`<p class="fix bad" role="alert">${icon("warn")}${problem}</p>`}</div>
    <footer><button type="button" class="btn" onClick=${onClose}>Cancel</button><button class="btn primary" disabled=${!!shown?.problem}>Add schedule</button></footer></form><//>`;
}
