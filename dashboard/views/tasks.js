// @ts-check
/** The board: a column a status; a task beside it, with what it waits for and what was said about it. */
import { html, icon, useEffect, useState } from "../ui.js";
import { board, changeTask, COLUMNS, createTask, loadTasks, number, state, taskDetails, taskOf } from "../stores/tasks.js";
import { members } from "../stores/members.js";
import { maySpeak } from "../stores/session.js";
import { go, route } from "../router.js";
import { Avatar, Name } from "../components/avatar.js";
import { Dialog } from "../components/dialog.js";
import { Empty, Failed, Loading } from "../components/faces.js";
import { Markdown } from "../components/markdown.js";
import { Age, clock } from "../components/relative-time.js";

const HEADINGS = { todo: "Todo", doing: "Doing", blocked: "Blocked", review: "Review", done: "Closed" };
const PRIORITIES = ["urgent", "high", "medium", "low"];

export function TasksView() {
  const [creating, create] = useState(false);
  useEffect(() => { if (state.value.word === "new") void loadTasks(); }, []);
  const { word, error } = state.value;
  const chosen = route.value.name ? taskOf(route.value.name) : null;
  const [column, look] = useState(/** @type {string} */ (""));
  // A phone shows one column: the one that was chosen, else the first in which something is.
  const shown = column || (chosen && board.value.find(({ tasks }) => tasks.includes(chosen))?.column) || board.value.find(({ tasks }) => tasks.length)?.column;
  const count = board.value.slice(0, -1).reduce((sum, { tasks }) => sum + tasks.length, 0);
  return html`<div class=${`sheet ${chosen ? "two panel-on" : ""}`}><main class="main" id="main">
      <header class="head"><h1 tabindex="-1">Tasks</h1><span class="count">${count} open</span>${maySpeak() && html`<div class="tools"><button class="btn primary" onClick=${() => create(true)}>${icon("plus")}New task</button></div>`}</header>
      <div class="bar phone"><div class="seg" role="group" aria-label="Columns">${board.value.map(({ column: name, tasks }) => html`<button key=${name} aria-pressed=${name === shown} onClick=${() => look(name)}>${HEADINGS[name]} <span class="count">${tasks.length}</span></button>`)}</div></div>
      <div class="body flush">${word === "error" ? html`<${Failed} title="The tasks could not be loaded" text=${error} onRetry=${loadTasks} />`
      : word !== "ready" ? html`<${Loading} rows=${6} />`
      : board.value.every(({ tasks }) => !tasks.length) ? html`<${Empty} title="Nothing to do" text="Add a task here, or turn a message into one: an agent takes it, or you give it to one." glyph="tasks" />`
      : html`<div class="board">${board.value.map(({ column, tasks }) => html`<section key=${column} class=${`col ${column === shown ? "here" : ""}`} aria-label=${HEADINGS[column]}><header><h2>${HEADINGS[column]}</h2><span class="count">${tasks.length}</span></header>
          <div>${tasks.map((task) => html`<${Card} key=${task.id} task=${task} chosen=${task === chosen} />`)}</div></section>`)}</div>`}</div></main>
    ${chosen && html`<${Details} key=${chosen.id} task=${chosen} />`}
    ${creating && html`<${NewTask} onClose=${() => create(false)} />`}</div>`;
}

/** @param {{task: any, chosen: boolean}} props */
function Card({ task, chosen }) {
  const flagged = task.priority === "urgent" || task.priority === "high";
  return html`<a class=${`task ${chosen ? "sel" : ""} ${task.closed_at ? "done" : ""}`} href=${`/tasks/${task.id}`} aria-label=${`#${number(task)} ${task.title}`}>
    <span class="top-line"><span class="num">#${number(task)}</span>${flagged && html`<span class="prio">${icon("flag", { class: "sm" })}${task.priority}</span>`}<span class="push"><${Age} at=${task.updated_at} /></span></span>
    <b>${task.title}</b>
    ${task.blocked_reason && html`<span class="why">${icon("warn")}${task.blocked_reason}</span>`}
    ${task.progress > 0 && !task.closed_at && html`<progress value=${task.progress} max="100" aria-label=${`${task.progress} percent`}></progress>`}
    <span class="foot">${task.waits_for > 0 && html`<span>${icon("chain")}waits on ${task.waits_for}</span>`}${task.status === "failed" || task.status === "cancelled" ? html`<span class="tag">${task.status}</span>` : ""}${task.labels.map((/** @type {string} */ label) => html`<span key=${label} class="tag">${label}</span>`)}${task.due_date && !task.closed_at && html`<span>due ${new Date(task.due_date).toLocaleDateString()}</span>`}
      <span class="push">${task.assignee ? html`<${Avatar} name=${task.assignee} size="sm" />` : html`<span class="muted">nobody yet</span>`}</span></span></a>`;
}

/** @param {{task: any}} props */
function Details({ task }) {
  const [details, setDetails] = useState(/** @type {any} */ (null));
  const [problem, setProblem] = useState("");
  useEffect(() => { taskDetails(task.id).then(setDetails, (failure) => setProblem(failure.sentence)); }, [task.id, task.version]);
  /** @param {Record<string, unknown>} fields */
  async function change(fields) {
    setProblem("");
    try { await changeTask(task.id, { ...fields, version: task.version }); } catch (failure) { setProblem(/** @type {any} */ (failure).sentence ?? String(failure)); }
  }
  /** @param {Event} event */
  function move(event) {
    const status = /** @type {HTMLSelectElement} */ (event.target).value;
    const reason = status === "blocked" ? prompt("What blocks it?") : "";
    if (status === "blocked" && !reason) { /** @type {HTMLSelectElement} */ (event.target).value = task.status; return; }
    void change({ status, ...(reason ? { reason } : {}) });
  }
  /** @param {SubmitEvent} event */
  function note(event) {
    event.preventDefault();
    const form = /** @type {HTMLFormElement} */ (event.target);
    const text = String(new FormData(form).get("note")).trim();
    if (text) void change({ note: text }).then(() => form.reset());
  }
  const people = [...members.rows.value.values()].filter((row) => !row.retired);
  return html`<aside class="panel" aria-label=${`Task ${number(task)}`}>
    <header class="head slim"><h2>#${number(task)}</h2><span class="sub cut">by ${task.creator}</span><div class="tools"><button class="btn quiet only sm" aria-label="Close task" onClick=${() => go("/tasks")}>${icon("x")}</button></div></header>
    <div class="body"><div class="stack lg detail">
      <h3>${task.title}</h3>
      ${problem && html`<p class="fix bad" role="alert">${icon("warn")}${problem}</p>`}
      ${maySpeak() && html`<div class="stack">
        <div class="field"><label for="task-status">Status</label><select class="input" id="task-status" value=${task.status} onChange=${move}>${[...COLUMNS, "failed", "cancelled"].map((word) => html`<option key=${word} value=${word}>${word}</option>`)}</select></div>
        <div class="field"><label for="task-who">Who</label><select class="input" id="task-who" value=${task.assignee ?? ""} onChange=${(/** @type {Event} */ event) => void change({ assignee: /** @type {HTMLSelectElement} */ (event.target).value })}><option value="">nobody</option>${people.map((row) => html`<option key=${row.name} value=${row.name}>${row.name}</option>`)}</select></div>
        <div class="field"><label for="task-priority">Priority</label><select class="input" id="task-priority" value=${task.priority} onChange=${(/** @type {Event} */ event) => void change({ priority: /** @type {HTMLSelectElement} */ (event.target).value })}>${PRIORITIES.map((word) => html`<option key=${word} value=${word}>${word}</option>`)}</select></div></div>`}
      ${task.blocked_reason && html`<p class="fix">${icon("warn")}${task.blocked_reason}</p>`}
      ${task.body && html`<${Markdown} text=${task.body} />`}
      ${task.result && html`<section class="tile" aria-label="Result"><header><h2>Result</h2></header><div class="in"><${Markdown} text=${task.result} /></div></section>`}
      <dl class="kv"><dt>progress</dt><dd>${task.progress} %</dd>${task.lease_expires_at && html`<dt>held</dt><dd>claim ${task.claim}, until ${clock(task.lease_expires_at)}</dd>`}${task.files.length > 0 && html`<dt>files</dt><dd>${task.files.map((/** @type {string} */ file) => html`<code key=${file}>${file}</code> `)}</dd>`}${task.attempts > 0 && html`<dt>attempts</dt><dd>${task.attempts} of ${task.max_attempts}</dd>`}</dl>
      ${details && html`<${Related} title="Subtasks" tasks=${details.children} /><${Related} title="Waits for" tasks=${details.depends_on} /><${Related} title="Others wait for it" tasks=${details.blocks} />
        ${details.runs.length > 0 && html`<section class="stack" aria-label="Runs"><h3>Runs</h3>${details.runs.map((/** @type {any} */ run) => html`<p key=${run.claim} class="row"><${Name} name=${run.member} /><span class="muted">${clock(run.began_at)}${run.ended_at ? ` to ${clock(run.ended_at)}` : ""}</span><span class="tag push">${run.outcome || "holds it"}</span></p>`)}</section>`}
        ${details.comments.length > 0 && html`<section class="stack" aria-label="Notes">${details.comments.map((/** @type {any} */ line) => html`<p key=${line.id}><${Name} name=${line.actor} /> <span class="muted">${clock(line.created_at)}</span><br />${line.comment}</p>`)}</section>`}`}
      ${maySpeak() && html`<form class="row" onSubmit=${note}><input class="input" name="note" aria-label="Note" placeholder="Add a note" maxlength="1000" autocomplete="off" /><button class="btn">Add</button></form>`}
    </div></div></aside>`;
}

/** @param {{title: string, tasks: any[]}} props */
function Related({ title, tasks }) {
  if (!tasks.length) return null;
  return html`<section class="stack" aria-label=${title}><h3>${title}</h3>${tasks.map((task) => html`<a key=${task.id} href=${`/tasks/${task.id}`}>#${number(task)} ${task.title} <span class="muted">${task.status}</span></a>`)}</section>`;
}

/** @param {{onClose: () => void}} props */
function NewTask({ onClose }) {
  const [problem, setProblem] = useState("");
  const people = [...members.rows.value.values()].filter((row) => !row.retired);
  /** @param {SubmitEvent} event */
  async function submit(event) {
    event.preventDefault();
    const fields = Object.fromEntries([...new FormData(/** @type {HTMLFormElement} */ (event.target))].filter(([, value]) => value));
    try { await createTask(fields); onClose(); } catch (failure) { setProblem(/** @type {any} */ (failure).sentence ?? String(failure)); }
  }
  return html`<${Dialog} title="New task" onClose=${onClose}><form onSubmit=${submit}><div class="in">
      <div class="field"><label for="new-title">What is to be done</label><input class="input" id="new-title" name="title" required maxlength="200" autocomplete="off" autofocus /></div>
      <div class="field"><label for="new-body">More about it</label><textarea class="input" id="new-body" name="body" rows="4" maxlength="20000"></textarea></div>
      <div class="field"><label for="new-who">Who</label><select class="input" id="new-who" name="assignee"><option value="">whoever takes it</option>${people.map((row) => html`<option key=${row.name} value=${row.name}>${row.name}</option>`)}</select></div>
      <div class="field"><label for="new-priority">Priority</label><select class="input" id="new-priority" name="priority">${PRIORITIES.map((word) => html`<option key=${word} value=${word} selected=${word === "medium"}>${word}</option>`)}</select></div>
      ${problem && html`<p class="fix bad" role="alert">${icon("warn")}${problem}</p>`}</div>
    <footer><button type="button" class="btn" onClick=${onClose}>Cancel</button><button class="btn primary">Add task</button></footer></form><//>`;
}
