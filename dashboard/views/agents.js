// @ts-check
/** All agents as cards, by the cost of waiting. */
import { html, useState } from "../ui.js";
import { condition, needsYou, ranked } from "../stores/agents.js";
import { AgentCard } from "../components/agent-card.js";
import { Empty } from "../components/faces.js";

const FILTERS = /** @type {const} */ ([
  ["All", () => true],
  ["Needs you", needsYou],
  ["Working", (/** @type {any} */ agent) => condition(agent).look === "working"],
  ["Not running", (/** @type {any} */ agent) => ["stopped", "failed", "done"].includes(condition(agent).look)],
]);

export function AgentsView() {
  const [chosen, choose] = useState(0);
  const shown = ranked.value.filter(FILTERS[chosen][1]);
  return html`<div class="sheet"><main class="main" id="main"><header class="head"><h1 tabindex="-1">Agents</h1><span class="count">${ranked.value.length}</span></header>
    <div class="bar" role="group" aria-label="Filter">${FILTERS.map(([label, test], at) => html`<button key=${label} class="chip" aria-pressed=${chosen === at} onClick=${() => choose(at)}>${label} <span class="count">${ranked.value.filter(test).length}</span></button>`)}</div>
    <div class="body">${shown.length ? html`<div class="grid">${shown.map((agent) => html`<${AgentCard} key=${agent.name} agent=${agent} />`)}</div>`
    : html`<${Empty} title=${ranked.value.length ? "No agent is like that now" : "No agents yet"} text=${ranked.value.length ? "" : "Describe them in agents.yaml: bullpen init writes one to start from."} glyph="agent" />`}</div></main></div>`;
}
