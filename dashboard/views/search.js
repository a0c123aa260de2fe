// @ts-check
/** Search: one box with operators, the best hits with what was found marked; each opens its message in its place. */
import { html, icon, useEffect, useRef, useState } from "../ui.js";
import { get } from "../api.js";
import { conversationPath, route } from "../router.js";
import { channels, otherParty } from "../stores/channels.js";
import { me } from "../stores/session.js";
import { Avatar, Name } from "../components/avatar.js";
import { Empty, Failed, Loading } from "../components/faces.js";
import { Clock, dayOf } from "../components/relative-time.js";

const PAUSE_MS = 250;
const TIPS = /** @type {const} */ ([
  ['"exact words"', "beside each other"], ["deploy*", "and whatever begins so"], ["-word", "without it"], ["from:ada", "who wrote it"], ["in:general", "where"],
  ["after:7d", "the last seven days"], ["before:2026-11-24", "before that day"], ["has:file", "with a file"], ["is:pinned", "pinned"],
]);
const asked = () => new URLSearchParams(location.search).get("q") ?? "";

export function SearchView() {
  const [query, setQuery] = useState(asked);
  const [found, setFound] = useState({ word: "new", error: "", query: "", results: /** @type {any[]} */ ([]), notes: /** @type {string[]} */ ([]), next: /** @type {string|null} */ (null), total: 0, isTotal: true });
  const turn = useRef(0);
  const box = useRef(/** @type {HTMLInputElement|null} */ (null));
  const list = useRef(/** @type {HTMLElement|null} */ (null));
  useEffect(() => { if (asked() !== query.trim()) setQuery(asked()); }, [route.value]);
  useEffect(() => box.current?.focus(), []);
  useEffect(() => {
    const words = query.trim();
    if (words !== asked()) history.replaceState(null, "", words ? `/search?q=${encodeURIComponent(words)}` : "/search");
    const timer = setTimeout(() => void load(words), found.word === "new" ? 0 : PAUSE_MS);
    return () => clearTimeout(timer);
  }, [query]);

  /** @param {string} words @param {string} [cursor] */
  async function load(words, cursor) {
    const mine = ++turn.current;
    if (!words) return setFound((before) => ({ ...before, word: "new", results: [], notes: [], next: null }));
    if (!cursor) setFound((before) => ({ ...before, word: before.results.length ? before.word : "loading" }));
    try {
      const page = await get(`/api/search?q=${encodeURIComponent(words)}${cursor ? `&cursor=${cursor}` : ""}`);
      if (mine !== turn.current) return undefined;
      return setFound((before) => ({ word: "ready", error: "", query: words, results: cursor ? [...before.results, ...page.results] : page.results, notes: page.notes, next: page.next_cursor, total: page.total, isTotal: page.is_total }));
    } catch (failure) {
      if (mine === turn.current) setFound((before) => ({ ...before, word: "error", error: /** @type {any} */ (failure).sentence ?? String(failure) }));
      return undefined;
    }
  }
  /** From the box into the hits and through them. @param {KeyboardEvent} event */
  function onKeyDown(event) {
    const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    if (!step || event.isComposing) return;
    const hits = [.../** @type {NodeListOf<HTMLElement>} */ (list.current?.querySelectorAll("a.hit") ?? [])];
    const at = hits.indexOf(/** @type {HTMLElement} */ (document.activeElement)) + step;
    event.preventDefault();
    if (at < 0) box.current?.focus();
    else hits[Math.min(at, hits.length - 1)]?.focus();
  }
  const add = (/** @type {string} */ tip) => { setQuery((before) => `${before.trim()} ${tip}`.trim()); box.current?.focus(); };
  return html`<div class="sheet"><main class="main" id="main" onKeyDown=${onKeyDown}>
      <header class="head"><h1 tabindex="-1">Search</h1>${found.word === "ready" && html`<span class="sub" role="status">${found.isTotal ? `${found.total} found` : `the newest ${found.total} first`}</span>`}</header>
      <form class="bar filters seek" role="search" onSubmit=${(/** @type {Event} */ event) => { event.preventDefault(); void load(query.trim()); }}>${icon("search")}<input ref=${box} class="input" type="search" aria-label="Search messages" placeholder="Words, or from:ada in:general …" value=${query} maxlength="500" autocomplete="off" onInput=${(/** @type {any} */ event) => setQuery(event.target.value)} /></form>
      <div class="body flush" ref=${list}>${found.notes.map((note) => html`<p key=${note} class="note">${icon("info")}${note}</p>`)}
        ${found.word === "error" ? html`<${Failed} title="The search failed" text=${found.error} onRetry=${() => void load(query.trim())} />`
        : found.word === "loading" ? html`<${Loading} rows=${6} />`
        : found.word === "new" ? html`<div class="tips"><h2>What can be searched for</h2><ul>${TIPS.map(([tip, says]) => html`<li key=${tip}><button class="chip mono" onClick=${() => add(tip)}>${tip}</button><span class="muted">${says}</span></li>`)}</ul></div>`
        : !found.results.length ? html`<${Empty} title="Nothing was found" text=${`for ${found.query}. Words must be whole: write deploy* to find deployed.`} glyph="search" />`
        : html`<ul class="hits">${found.results.map((hit) => html`<li key=${hit.id}><${Hit} hit=${hit} /></li>`)}</ul>${found.next && html`<p class="in"><button class="btn" onClick=${() => void load(found.query, found.next ?? undefined)}>More</button></p>`}`}</div></main></div>`;
}

/** @param {{hit: any}} props */
function Hit({ hit }) {
  const mine = me.value?.name ?? "";
  const channel = channels.get(hit.channel);
  const place = hit.channel.startsWith("dm:") ? `with ${channel ? otherParty(channel) : hit.from}` : `#${hit.channel.replace(/^topic:/, "")}`;
  return html`<a class="hit" href=${`${conversationPath(hit.channel, mine)}?m=${hit.id}`}><${Avatar} name=${hit.from} size="sm" />
    <span class="what"><span class="row"><${Name} name=${hit.from} /><span class="muted">${place}</span><span class="push muted">${dayOf(hit.created_at)} <${Clock} at=${hit.created_at} /></span></span>
      <span class="snippet">${hit.snippet.map((/** @type {any} */ piece, /** @type {number} */ at) => (piece.mark ? html`<mark key=${at}>${piece.text}</mark>` : piece.text))}</span>
      ${hit.files.length > 0 && html`<span class="muted row">${icon("clip")}<span class="cut">${hit.files.map((/** @type {any} */ file) => file.name).join(", ")}</span></span>`}</span></a>`;
}
