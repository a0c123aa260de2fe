// @ts-check
/** One thing that waits for a person: whole, with the buttons that decide or mend it. */
import { html, icon, useEffect, useRef, useState } from "../ui.js";
import { go } from "../router.js";
import { ask, agents } from "../stores/agents.js";
import { isSnoozed, mayDecide, resolve, snooze } from "../stores/approvals.js";
import { members } from "../stores/members.js";
import { lastFrom } from "../stores/messages.js";
import { TROUBLES, delegate, dismiss, extend } from "../stores/needs.js";
import { me } from "../stores/session.js";
import { conversationPath } from "../router.js";
import { Avatar, Name } from "./avatar.js";
import { Diff } from "./diff.js";
import { Questions } from "./questions.js";
import { Age, Left, age } from "./relative-time.js";

/** Word and shape of each kind. */
const KINDS = /** @type {Record<string, [string, string, string]>} */ ({
  permission: ["permission", "s-needs", "needs"], question: ["question", "s-needs", "needs"], action: ["permission", "s-needs", "needs"], tool: ["permission", "s-needs", "needs"],
  spending: ["spending", "coin", ""], agent: ["agent", "agent", ""], state: ["state", "braces", ""], failure: ["failed", "s-failed", "failed"], login: ["sign-in", "s-needs", "needs"],
  stall: ["stalled", "s-stalled", "stalled"], limit: ["limited", "s-limited", "limited"], terminal: ["in its terminal", "s-needs", "needs"], guard: ["loop guard", "s-paused", "stalled"],
  budget: ["budget", "coin", ""], direct: ["direct message", "chat", ""], mention: ["mention", "at", ""],
});
const SNOOZE_S = 3600, MORE_S = 1800;

/** @param {{kind: string}} props */
function Kind({ kind }) {
  const [word, glyph, state] = KINDS[kind] ?? [kind, "s-needs", "needs"];
  return html`<span class="state">${icon(glyph, state ? { class: "glyph", state } : {})}<b>${word}</b></span>`;
}

/** @param {{need: import("../stores/needs.js").Need, isOpen?: boolean, onToggle?: (open: boolean) => void}} props */
export function Ask({ need, isOpen = false, onToggle }) {
  const { row } = need;
  if (!row) return html`<${Unread} need=${need} />`;
  return html`<details class="ask" open=${isOpen} data-need=${row.id} aria-label=${`${row.id}, ${row.summary}`} onToggle=${(/** @type {any} */ event) => onToggle?.(event.currentTarget.open)}>
    <summary><${Avatar} name=${row.asker} /><div class="cut"><p class="who"><${Name} name=${row.asker} /><${Kind} kind=${row.kind} />${row.risk === "high" && html`<span class="tag warn">handle with care</span>`}</p><p class="one cut">${row.summary}</p></div>
      <span class="end">${isSnoozed(row) && html`<span class="tag">snoozed</span>`}${row.delegated_to && html`<span class="tag">for ${row.delegated_to}</span>`}<${Age} at=${row.created_at} />${icon("right", { class: "chev" })}</span></summary>
    <${Whole} row=${row} />
    ${mayDecide(row) ? html`<${Actions} row=${row} />` : html`<footer><span class="muted">${row.asker === me.value?.name ? "Yours: another person decides." : "Not yours to decide."}</span></footer>`}</details>`;
}

/** @param {{need: import("../stores/needs.js").Need}} props */
function Unread({ need }) {
  const place = conversationPath(need.channel, me.value?.name ?? "");
  const where = need.kind === "direct" ? need.who : `#${need.channel.replace(/^topic:/, "")}`;
  return html`<div class="ask" data-need=${need.id}><div class="line"><${Avatar} name=${need.who || need.channel} /><div class="cut"><p class="who"><${Name} name=${where} /><${Kind} kind=${need.kind} /></p><p class="one cut">${need.unread} ${need.kind === "direct" ? "not read" : "name you and are not read"}</p></div>
    <span class="end"><a class="btn sm" href=${place} data-key="o">Read</a></span></div></div>`;
}

/** Everything that one must know to decide. @param {{row: any, alone?: boolean}} props `alone`: nobody is signed in. */
export function Whole({ row, alone = false }) {
  const { request } = row;
  const says = lastFrom(row.asker);
  const edits = request && ["Edit", "Write"].includes(request.tool) && request.is_whole;
  return html`<div class="more"><div>
      ${row.summary.length > 80 && html`<p>${row.summary}</p>`}
      ${request && !request.is_whole && html`<p class="fix bad">${icon("warn")}Too large to be shown whole: look at it in the terminal. From here it can only be rejected.</p>`}
      ${edits ? html`<${Diff} text=${row.details} />` : row.details && !["question", "guard"].includes(row.kind) ? html`<pre class="cmd" tabindex="0" aria-label="All of it">${row.details}</pre>` : row.details && html`<p class="said">${row.details}</p>`}
      <dl class="kv"><dt>Id</dt><dd><a href=${`/needs/${row.id}`}>${row.id}</a></dd>
        ${request?.folder && html`<dt>In</dt><dd><span class="mono">${request.folder}</span></dd>`}
        ${request && !request.questions.length && html`<dt>Tool</dt><dd><span class="mono">${request.tool}</span></dd><dt>Allows</dt><dd>this, one time${request.pattern ? html`; for this session: <span class="mono">${request.pattern}</span>` : ""}</dd>`}
        ${row.status !== "pending" ? html`<dt>Then</dt><dd>${ended(row)}</dd>` : row.expires_at && html`<dt>Denied in</dt><dd><${Left} at=${row.expires_at} /> if nobody answers${mayDecide(row) && html` · <button class="link" onClick=${() => void extend(row, MORE_S)}>give it 30 m more</button>`}</dd>`}</dl>
    </div>
    ${!alone && html`<aside><h3>Last from <${Name} name=${row.asker} /></h3>${says.length ? html`<ul class="says">${says.map((message) => html`<li key=${message.id}>${message.content.slice(0, 300)}<time datetime=${message.created_at}>${age(message.created_at)} ago in ${message.channel.startsWith("dm:") ? "a direct message" : `#${message.channel}`}</time></li>`)}</ul>` : html`<p class="muted">Nothing that is loaded here. <a href=${`/dm/${row.asker}`}>Open the conversation</a></p>`}</aside>`}</div>`;
}

/** @param {{row: any}} props */
function Actions({ row }) {
  const [problem, setProblem] = useState("");
  const [busy, setBusy] = useState(false);
  const [panel, show] = useState(""); // "" | reject | change | give | sure
  async function run(/** @type {() => Promise<unknown>} */ act) {
    setBusy(true);
    setProblem("");
    try { await act(); show(""); } catch (failure) { setProblem(/** @type {any} */ (failure).sentence ?? String(failure)); }
    setBusy(false);
  }
  const decide = (/** @type {Record<string, unknown>} */ decision) => void run(() => resolve(row, decision));
  const common = { row, busy, run, decide, panel, show };
  return html`${problem && html`<p class="fix bad in" role="alert">${icon("warn")}${problem}</p>`}
    ${panel === "reject" && html`<${Reason} id=${row.id} onCancel=${() => show("")} onDone=${(/** @type {string} */ comment) => decide({ approved: false, comment })} />`}
    ${panel === "change" && html`<${Change} row=${row} onCancel=${() => show("")} onDone=${(/** @type {any} */ input) => decide({ approved: true, changed_input: input })} />`}
    ${panel === "give" && html`<${Give} row=${row} onCancel=${() => show("")} onDone=${(/** @type {string} */ name) => void run(() => delegate(row, name))} />`}
    ${TROUBLES.has(row.kind) ? html`<${Mend} ...${common} />` : row.kind === "question" || row.kind === "guard" ? html`<footer><${Questions} row=${row} busy=${busy} onAnswer=${decide} /><${Aside} ...${common} /></footer>` : row.kind === "budget" ? html`<${Budget} ...${common} />` : html`<${Grant} ...${common} />`}`;
}

/** @param {any} props */
function Grant({ row, busy, decide, panel, show, run }) {
  const { request } = row;
  const whole = !request || request.is_whole;
  const approve = () => (row.risk === "high" && panel !== "sure" ? show("sure") : decide({ approved: true }));
  const session = request?.pattern && request.remember !== "none" && whole;
  return html`<footer>
    ${whole && html`<button class=${`btn ${panel === "sure" ? "bad-fill" : "primary"}`} disabled=${busy} data-key="a" onClick=${approve}>${panel === "sure" ? "Yes, approve this" : request ? "Approve once" : "Approve"} <kbd>a</kbd></button>`}
    ${session && html`<button class="btn" disabled=${busy} title=${request.pattern} onClick=${() => decide({ approved: true, scope: "session" })}>For this session</button>`}
    ${session && request.remember === "always" && me.value?.role === "chairman" && html`<button class="btn" disabled=${busy} title=${request.pattern} onClick=${() => decide({ approved: true, scope: "always" })}>Always</button>`}
    <button class="btn" disabled=${busy} data-key="r" onClick=${() => show(panel === "reject" ? "" : "reject")}>Reject… <kbd>r</kbd></button>
    ${request && whole && html`<button class="btn quiet" disabled=${busy} onClick=${() => show(panel === "change" ? "" : "change")}>${icon("pencil")}Change…</button>`}
    <${Aside} row=${row} busy=${busy} run=${run} panel=${panel} show=${show} /></footer>`;
}

/** The options of a budget that is used up: the first raises it. @param {any} props */
function Budget({ row, busy, decide, panel, show, run }) {
  return html`<footer>${row.options.map((/** @type {string} */ option, /** @type {number} */ at) => html`<button key=${option} class=${`btn ${at ? "" : "primary"}`} data-key=${at ? undefined : "a"} disabled=${busy} onClick=${() => decide({ approved: at === 0, answer: option })}>${option.charAt(0).toUpperCase()}${option.slice(1)}</button>`)}
    <${Aside} row=${row} busy=${busy} run=${run} panel=${panel} show=${show} /></footer>`;
}

/** @param {any} props */
function Mend({ row, busy, run, show, panel }) {
  const agent = agents.get(row.asker);
  return html`<footer>
    ${row.kind === "failure" ? html`<button class="btn primary" disabled=${busy} data-key="a" onClick=${() => void run(() => ask(row.asker, "start"))}>${icon("play")}Start</button><a class="btn" href=${`/agents/${row.asker}`}>Show log</a>`
    : html`<button class="btn primary" data-key="a" onClick=${() => go(`/agents/${row.asker}/terminal`)}>${icon("terminal")}Open terminal</button>
      ${(row.kind === "stall" || row.kind === "limit") && agent && html`<button class="btn" disabled=${busy} onClick=${() => void run(() => ask(row.asker, "restart"))}>Restart</button>`}`}
    <button class="btn" disabled=${busy} data-key="r" onClick=${() => void run(() => dismiss(row))}>${icon("check")}Put away</button>
    <${Aside} row=${row} busy=${busy} run=${run} panel=${panel} show=${show} terminal=${row.kind === "failure"} /></footer>`;
}

/** What can be done beside deciding. @param {any} props */
function Aside({ row, busy, run, panel, show, terminal = Boolean(row.run_id) }) {
  return html`${terminal && html`<a class="btn quiet" href=${`/agents/${row.asker}/terminal`}>${icon("terminal")}Terminal</a>`}
    <button class="btn quiet push" disabled=${busy} data-key="s" onClick=${() => void run(() => snooze(row, SNOOZE_S))}>${icon("moon")}Snooze 1 h <kbd>s</kbd></button>
    <button class="btn quiet" disabled=${busy} onClick=${() => show(panel === "give" ? "" : "give")}>${icon("user")}Give to…</button>`;
}

/** @param {{id: string, onCancel: () => void, onDone: (reason: string) => void}} props */
function Reason({ id, onCancel, onDone }) {
  const [reason, setReason] = useState("");
  const input = useRef(/** @type {HTMLInputElement|null} */ (null));
  useEffect(() => input.current?.focus(), []);
  return html`<form class="row in wrap" onSubmit=${(/** @type {Event} */ event) => { event.preventDefault(); onDone(reason); }}><input ref=${input} class="input grow" aria-label=${`Why ${id} is rejected`} placeholder="Why not? Who asked is told" maxlength="1000" value=${reason} onInput=${(/** @type {any} */ event) => setReason(event.target.value)} /><button class="btn bad-fill">Reject</button><button type="button" class="btn quiet" onClick=${onCancel}>Cancel</button></form>`;
}

/** @param {{row: any, onCancel: () => void, onDone: (input: any) => void}} props */
function Change({ row, onCancel, onDone }) {
  const { input, tool } = row.request;
  const isCommand = tool === "Bash" && typeof input.command === "string";
  const [text, setText] = useState(isCommand ? input.command : JSON.stringify(input, null, 2));
  const [problem, setProblem] = useState("");
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    try { onDone(isCommand ? { ...input, command: text } : JSON.parse(text)); } catch { setProblem("That is not JSON."); }
  };
  return html`<form class="stack in" onSubmit=${submit}><label class="muted" for=${`change-${row.id}`}>${isCommand ? "Run this instead" : `${tool} with this instead`}</label><textarea id=${`change-${row.id}`} class="input mono" rows=${Math.min(12, text.split("\n").length + 1)} value=${text} onInput=${(/** @type {any} */ event) => setText(event.target.value)}></textarea>
    ${problem && html`<p class="fix bad" role="alert">${icon("warn")}${problem}</p>`}<div class="row"><button class="btn primary">Approve the changed one</button><button type="button" class="btn quiet" onClick=${onCancel}>Cancel</button></div></form>`;
}

/** @param {{row: any, onCancel: () => void, onDone: (name: string) => void}} props */
function Give({ row, onCancel, onDone }) {
  const others = [...members.rows.value.values()].filter((other) => !other.retired && other.name !== row.asker && other.name !== me.value?.name && other.kind !== "bot");
  return html`<div class="row in wrap" role="group" aria-label=${`Give ${row.id} to`}>${others.map((other) => html`<button key=${other.name} class="btn sm" onClick=${() => onDone(other.name)}><${Avatar} name=${other.name} size="sm" />${other.name}</button>`)}${!others.length && html`<span class="muted">There is nobody else.</span>`}<button class="btn quiet sm" onClick=${onCancel}>Cancel</button></div>`;
}

/** @param {any} row */
function ended(row) {
  if (row.status === "expired") return "denied because of timeout: nobody decided";
  if (row.status === "closed") return row.comment;
  return `${row.status}${row.decided_by ? ` by ${row.decided_by}` : ""}${row.scope && row.scope !== "once" ? ` for ${row.scope === "session" ? "the session" : "always"}` : ""}${row.comment ? `: ${row.comment}` : ""}`;
}

/** @param {{row: any}} props */
export function Settled({ row }) {
  const good = row.status === "approved" || row.status === "answered" || row.status === "closed";
  return html`<div class="ask gone" role="status" data-need=${row.id}><div class="line"><${Avatar} name=${row.asker} /><div class="cut"><p class="who"><${Name} name=${row.asker} /><span class="state">${icon(good ? "s-done" : "s-failed", { class: "glyph", state: good ? "done" : "failed" })}<b>${ended(row)}</b></span></p><p class="one cut">${row.summary}${row.answer ? ` → ${row.answer}` : ""}</p></div><span class="end"><${Age} at=${row.decided_at} /> ago</span></div></div>`;
}
