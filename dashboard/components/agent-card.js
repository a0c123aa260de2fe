// @ts-check
/** One agent, readable in two seconds: state with reason, age and source, and what can be done. */
import { html, icon } from "../ui.js";
import { ask, asked, condition } from "../stores/agents.js";
import { mayOperate } from "../stores/session.js";
import { Avatar } from "./avatar.js";
import { Source, State } from "./state.js";
import { UsageLine } from "./usage-line.js";
import { Age } from "./relative-time.js";

/** @param {{agent: any}} props */
export function AgentCard({ agent }) {
  const { look, why } = condition(agent);
  return html`<article class="agent-card" data-s=${look} aria-label=${agent.name}>
    <header><${Avatar} name=${agent.name} /><div><h3><a class="name agent" href=${`/agents/${agent.name}`}>${agent.name}</a>${agent.permission_mode === "auto" && html` <${Unasked} />`}</h3><p class="cut">${agent.kind} · ${agent.role}${agent.description ? ` · ${agent.description}` : ""}</p></div></header>
    <div class="now"><${State} agent=${agent} /><p class="what cut" title=${why}>${why || "no reason reported"}</p></div>
    <div class="job"><${AgentActions} agent=${agent} /></div>
    <dl class="facts">${facts(agent)}<div class="src"><${Source} agent=${agent} /></div></dl>
  </article>`;
}

/** Says for as long as it is so that an agent acts without asking anybody. */
export const Unasked = () => html`<span class="tag warn" title="permissions: auto. It acts without asking anybody.">asks nobody</span>`;

/** @param {any} agent */
function facts(agent) {
  const up = ["starting", "ready", "degraded", "stopping"].includes(agent.state) && agent.started_at;
  return html`<div><dt>up</dt><dd>${up ? html`<${Age} at=${agent.started_at} />` : "–"}</dd></div><div><dt>restarts</dt><dd>${agent.restarts}</dd></div><${UsageLine} agent=${agent} />`;
}

/** @param {{agent: any}} props */
export function AgentActions({ agent }) {
  if (agent.kind === "external") return html`<p class="muted cut">Starts and stops where it runs.</p>`;
  const running = ["starting", "ready", "degraded", "blocked", "stopping"].includes(agent.state);
  const waits = asked.value[agent.name];
  const busy = Boolean(waits && !waits.error) || agent.state === "stopping";
  const button = (/** @type {"start"|"stop"|"restart"|"pause"|"resume"} */ action, /** @type {string} */ glyph, /** @type {string} */ label) =>
    html`<button class=${`btn sm ${busy ? "pending" : ""}`} disabled=${busy} onClick=${() => ask(agent.name, action)} aria-label=${`${label} ${agent.name}`}>${icon(glyph)}${label}</button>`;
  return html`<div class="row wrap">
    ${mayOperate() && (agent.paused_at ? button("resume", "play", "Resume") : running && button("pause", "pause", "Pause"))}
    ${mayOperate() && (running ? html`${button("stop", "stop", "Stop")}${button("restart", "restart", "Restart")}` : button("start", "play", "Start"))}
    <a class="btn quiet only sm" href=${`/dm/${agent.name}`} title="Message" aria-label=${`Message ${agent.name}`}>${icon("chat")}</a>
    <a class="btn quiet only sm" href=${`/agents/${agent.name}/terminal`} title="Terminal" aria-label=${`Terminal of ${agent.name}`}>${icon("terminal")}</a>
    ${waits?.error && html`<p class="fix" role="alert">${icon("warn")}${waits.action} failed: ${waits.error}</p>`}
  </div>`;
}
