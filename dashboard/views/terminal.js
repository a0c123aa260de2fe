// @ts-check
/** One agent's live terminal on a screen of its own, and the same as text. */
import { html, icon, useEffect, useState } from "../ui.js";
import { get } from "../api.js";
import { agents } from "../stores/agents.js";
import { Empty } from "../components/faces.js";
import { Glyph } from "../components/state.js";
import { Terminal } from "../components/terminal.js";

/** @param {{name: string}} props */
export function TerminalView({ name }) {
  // On a phone a terminal is text first: its lines are wider than the screen.
  const [asText, setText] = useState(matchMedia("(width < 640px)").matches);
  const agent = agents.get(name);
  if (!agent || agent.kind === "external") {
    return html`<div class="sheet"><main class="main" id="main"><${Empty} title="No terminal here" text=${agent ? `${name} runs elsewhere.` : `There is no agent ${name}.`} glyph="terminal"><a class="btn" href="/agents">All agents</a><//></main></div>`;
  }
  return html`<div class="sheet"><main class="main" id="main">
    <header class="head slim"><a class="btn quiet only sm" href=${`/agents/${name}`} aria-label=${`Back to ${name}`}>${icon("left")}</a><h1 class="slim row" tabindex="-1"><${Glyph} agent=${agent} />Terminal of ${name}</h1>
      <div class="tools"><button class="btn quiet sm" aria-pressed=${asText} onClick=${() => setText(!asText)}>${icon("rows")}Read as text</button>
        <a class="btn quiet sm desk" href=${`/api/agents/${name}/screenshot?as=png`} download=${`${name}.png`}>${icon("download")}Picture</a></div></header>
    <div class="terms one">${asText ? html`<${AsText} name=${name} />` : html`<${Terminal} key=${name} agent=${name} />`}</div></main></div>`;
}

/** @param {{name: string}} props */
function AsText({ name }) {
  const [lines, setLines] = useState(/** @type {string[]|null} */ (null));
  const load = () => get(`/api/agents/${name}/logs?lines=200`).then((answer) => setLines(answer.lines), (failure) => setLines([failure.sentence]));
  useEffect(() => { void load(); }, [name]);
  return html`<section class="tile text-log" aria-label=${`Last lines of ${name}`}><header><h2>Last lines</h2><button class="btn sm push" onClick=${load}>${icon("restart")}Refresh</button></header><pre class="cmd" tabindex="0">${lines === null ? "" : lines.join("\n") || "Nothing was printed yet."}</pre></section>`;
}
