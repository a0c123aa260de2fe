// @ts-check
/** The audit trail: who changed what, newest first, by filter; followed live; exported as it is filtered. */
import { html, icon, useEffect, useRef, useState } from "../ui.js";
import { get } from "../api.js";
import { newestSeq } from "../stores/audit.js";
import { me } from "../stores/session.js";
import { Name } from "../components/avatar.js";
import { Empty, Failed, Loading } from "../components/faces.js";
import { dayOf } from "../components/relative-time.js";

const TIME = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const DOORS = ["dashboard", "cli", "mcp", "rest", "server"];
const FILTERS = /** @type {const} */ (["actor", "operation", "subject", "door"]);

export function AuditView() {
  const [filter, setFilter] = useState(/** @type {Record<string, string>} */ ({}));
  const [found, setFound] = useState({ word: "loading", error: "", entries: /** @type {any[]} */ ([]), next: /** @type {string|null} */ (null) });
  const [verified, setVerified] = useState(/** @type {any} */ (null));
  const [follows, follow] = useState(true);
  const asked = useRef(0);
  const query = (/** @type {Record<string, string>} */ more = {}) => new URLSearchParams({ ...filter, details: "true", limit: "50", ...more }).toString();
  const may = me.value?.role === "chairman" || me.value?.role === "operator";
  const head = follows && may ? newestSeq.value : 0;

  /** @param {string} [cursor] */
  async function load(cursor) {
    const turn = ++asked.current;
    try {
      const page = await get(`/api/audit?${query(cursor ? { cursor } : {})}`);
      if (turn !== asked.current) return;
      setFound((before) => ({ word: "ready", error: "", entries: cursor ? [...before.entries, ...page.entries] : page.entries, next: page.next_cursor }));
    } catch (failure) { setFound((before) => ({ ...before, word: "error", error: /** @type {any} */ (failure).sentence ?? String(failure) })); }
  }
  useEffect(() => {
    if (!may) return undefined;
    const timer = setTimeout(() => void load(), found.word === "loading" ? 0 : 300); // a burst of events is one question
    return () => clearTimeout(timer);
  }, [JSON.stringify(filter), head]);

  if (!may) return html`<div class="sheet"><main class="main" id="main"><header class="head"><h1 tabindex="-1">Audit</h1></header><${Empty} title="The trail is for chairmen and operators" glyph="shield" /></main></div>`;
  /** @param {string} name */
  const choose = (name) => (/** @type {Event} */ event) => { const value = /** @type {HTMLInputElement} */ (event.target).value.trim(); setFilter((before) => { const { [name]: _, ...rest } = before; return value ? { ...rest, [name]: value } : rest; }); };
  let day = "";
  return html`<div class="sheet"><main class="main" id="main">
      <header class="head"><h1 tabindex="-1">Audit</h1><div class="tools">${verified && html`<span class="sub" role="status">${verified.ok ? `chain verified to row ${verified.rows}` : `broken: ${verified.broken[0].what} at ${verified.broken[0].seq}`}</span>`}
        <button class="btn sm" onClick=${() => void get("/api/audit/verify").then(setVerified)}>${icon("shield")}Verify</button><button class="btn sm" aria-pressed=${follows} onClick=${() => follow(!follows)}>${icon(follows ? "pause" : "play")}${follows ? "Following" : "Follow"}</button></div></header>
      <div class="bar filters">${FILTERS.map((name) => name === "door"
        ? html`<select key=${name} class="input" aria-label="Door" value=${filter.door ?? ""} onChange=${choose("door")}><option value="">every door</option>${DOORS.map((door) => html`<option key=${door} value=${door}>${door}</option>`)}</select>`
        : html`<input key=${name} class="input" aria-label=${name} placeholder=${name} value=${filter[name] ?? ""} onChange=${choose(name)} maxlength="80" autocomplete="off" />`)}</div>
      <div class="body flush">${found.word === "error" ? html`<${Failed} title="The trail could not be loaded" text=${found.error} onRetry=${() => void load()} />`
      : found.word === "loading" ? html`<${Loading} rows=${8} />`
      : !found.entries.length ? html`<${Empty} title="Nothing matches" glyph="filter" />`
      : html`<ul class="rows trail">${found.entries.map((entry) => {
          const now = dayOf(entry.at), first = now !== day;
          day = now;
          return html`${first && html`<li key=${`day ${now}`} class="day"><h2>${now}</h2></li>`}<li key=${entry.seq}><${Entry} entry=${entry} /></li>`;
        })}</ul>${found.next && html`<p class="in"><button class="btn" onClick=${() => void load(found.next ?? undefined)}>Earlier</button></p>`}`}</div></main></div>`;
}

/** @param {{entry: any}} props */
function Entry({ entry }) {
  return html`<details><summary><span class="row"><time class="num muted" datetime=${entry.at}>${TIME.format(new Date(entry.at))}</time><${Name} name=${entry.actor} /><span class="cut">${entry.operation.replaceAll("_", " ")}</span><span class="muted cut">${entry.subject}</span><span class="tag push">${entry.door}</span></span></summary>
    <dl class="kv"><dt>row</dt><dd>${entry.seq}</dd><dt>event</dt><dd>${entry.kind}</dd><dt>call</dt><dd>${entry.call_id}</dd></dl>
    ${entry.before && html`<h3>Before</h3><pre class="mono">${JSON.stringify(entry.before, null, 2)}</pre>`}
    ${entry.body ? html`<h3>${entry.before ? "After" : "What"}</h3><pre class="mono">${JSON.stringify(entry.body, null, 2)}</pre>` : html`<p class="muted">What it was about is not for your eyes.</p>`}</details>`;
}
