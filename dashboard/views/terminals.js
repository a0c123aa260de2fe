// @ts-check
/** All terminals at once: one live, the others as small texts that are looked at every few seconds. */
import { html, icon, useEffect, useState } from "../ui.js";
import { get } from "../api.js";
import { condition, ranked } from "../stores/agents.js";
import { Empty } from "../components/faces.js";
import { Glyph } from "../components/state.js";
import { Terminal } from "../components/terminal.js";

const LOOK_MS = 5000;
const MOST = 16;
const LAYOUTS = [["single", "Single", "stop"], ["split", "Split", "split"], ["wall", "Wall", "wall"]];
const KEPT = "terminals layout";

export function TerminalsView() {
  const [layout, setLayout] = useState(localStorage.getItem(KEPT) ?? "wall");
  const [chosen, choose] = useState("");
  const local = ranked.value.filter((agent) => agent.kind !== "external");
  const focused = local.find((agent) => agent.name === chosen) ?? local[0];
  const lay = (/** @type {string} */ name) => { localStorage.setItem(KEPT, name); setLayout(name); };
  if (!focused) return html`<div class="sheet"><main class="main" id="main"><${Empty} title="No terminals" text="No agent runs on this machine." glyph="terminal"><a class="btn" href="/agents">Agents</a><//></main></div>`;
  // A wall keeps its places; a split puts the live one first.
  const order = layout === "wall" ? [...local].sort((a, b) => a.name.localeCompare(b.name)).slice(0, MOST) : [focused, ...local.filter((agent) => agent !== focused)].slice(0, layout === "split" ? 3 : 1);
  if (!order.includes(focused)) order.splice(-1, 1, focused);
  const side = Math.max(2, Math.ceil(Math.sqrt(order.length)));
  return html`<div class="sheet"><main class="main" id="main"><header class="head slim"><h1 class="slim" tabindex="-1">Terminals</h1><span class="sub desk">${local.length === order.length ? `${order.length}` : `${order.length} of ${local.length}`}</span>
      <div class="tools"><label class="hush" for="terminal-chosen">Live terminal</label><select class="select sm" id="terminal-chosen" value=${focused.name} onChange=${(/** @type {any} */ event) => choose(event.target.value)}>${local.map((agent) => html`<option key=${agent.name} value=${agent.name}>${agent.name}</option>`)}</select>
        <span class="seg desk" role="group" aria-label="Layout">${LAYOUTS.map(([name, label, glyph]) => html`<button key=${name} aria-pressed=${layout === name} aria-label=${label} onClick=${() => lay(name)}>${icon(glyph)}</button>`)}</span></div></header>
    <div class=${`terms ${layout === "wall" ? `wall n${side}` : layout === "split" && order.length > 1 ? "" : "one"}`}>${order.map((agent) => (agent === focused
    ? html`<${Terminal} key=${`live ${agent.name}`} agent=${agent.name} actions=${html`<a class="btn quiet only sm" href=${`/agents/${agent.name}/terminal`} aria-label=${`${agent.name} alone`}>${icon("expand")}</a>`} />`
    : html`<${Thumb} key=${agent.name} agent=${agent} onFocus=${() => choose(agent.name)} />`))}</div></main></div>`;
}

/** @param {{agent: any, onFocus: () => void}} props */
function Thumb({ agent, onFocus }) {
  const [text, setText] = useState("");
  useEffect(() => {
    const stop = new AbortController();
    let timer = 0;
    const look = async () => {
      if (!document.hidden) {
        await get(`/api/agents/${agent.name}/screenshot`, stop.signal).then((shot) => setText(shot.text), (failure) => stop.signal.aborted || setText(failure.sentence ?? ""));
      }
      if (!stop.signal.aborted) timer = setTimeout(look, LOOK_MS);
    };
    void look();
    return () => { stop.abort(); clearTimeout(timer); };
  }, [agent.name]);
  const { word, why } = condition(agent);
  return html`<section class="term thumb" aria-label=${`Terminal of ${agent.name}, small`}><header><${Glyph} agent=${agent} small=${true} /><span class="name agent">${agent.name}</span><span class="cut">${why || word.toLowerCase()}</span>
    <button class="btn quiet only sm push" aria-label=${`Show ${agent.name} live`} onClick=${onFocus}>${icon("expand")}</button></header><pre tabindex="0">${text}</pre></section>`;
}
