// @ts-check
/** One agent: its state and how that is known, its run, its last ends. */
import { html, useEffect, useState } from "../ui.js";
import { get } from "../api.js";
import { agents, condition } from "../stores/agents.js";
import { AgentActions, Unasked } from "../components/agent-card.js";
import { Avatar } from "../components/avatar.js";
import { Empty, Failed } from "../components/faces.js";
import { Source, State } from "../components/state.js";
import { BudgetMeters, UsageLine } from "../components/usage-line.js";
import { usageOf } from "../stores/usage.js";
import { Age, clock } from "../components/relative-time.js";

/** @param {{name: string}} props */
export function AgentView({ name }) {
  const agent = agents.get(name);
  const [exits, setExits] = useState(/** @type {any[]} */ ([]));
  const [problem, setProblem] = useState("");
  const last = agent?.last_exit?.run_id;
  useEffect(() => { get(`/api/agents/${name}/exits?limit=5`).then((answer) => setExits(answer.exits), (failure) => setProblem(failure.sentence)); }, [name, last]);
  if (!agent) return html`<div class="sheet"><main class="main" id="main"><${Empty} title=${`No agent ${name}`} glyph="agent"><a class="btn" href="/agents">All agents</a><//></main></div>`;
  const { why } = condition(agent);
  return html`<div class="sheet"><main class="main" id="main">
    <header class="head"><${Avatar} name=${name} /><div class="titles"><h1 tabindex="-1" class="name agent">${name}</h1></div>${agent.permission_mode === "auto" && html`<${Unasked} />`}<span class="sub cut desk">${agent.kind} · ${agent.role}${agent.description ? ` · ${agent.description}` : ""}</span></header>
    <div class="body"><div class="stack lg detail">
      <section class="tile" aria-label="State"><header><${State} agent=${agent} /><span class="push"><${Source} agent=${agent} /></span></header><div class="in stack"><p>${why || "No reason was reported."}</p>${agent.resets_at && agent.activity === "limited" && html`<p class="dim">Until ${clock(agent.resets_at)}, as its service said.</p>`}<${AgentActions} agent=${agent} /></div></section>
      <section class="tile" aria-label="Run"><header><h2>Run</h2></header><div class="in"><dl class="kv">
        <dt>process</dt><dd>${agent.state}${agent.pid ? `, pid ${agent.pid}` : ""}, since <${Age} at=${agent.since} /></dd>
        <dt>team tools</dt><dd>${agent.connected ? "connected" : "not connected"}</dd>
        <dt>started</dt><dd>${agent.started_at ? html`<${Age} at=${agent.started_at} /> ago, run ${agent.generation}` : "–"}</dd>
        <dt>restarts</dt><dd>${agent.restarts}${agent.next_start_at ? `, next start ${new Date(agent.next_start_at).toLocaleTimeString()}` : ""}</dd>
        <dt>isolation</dt><dd>${ISOLATION[agent.isolation] ?? agent.isolation}</dd>
        <dt>wanted</dt><dd>${agent.wanted}</dd>${agent.command && html`<dt>command</dt><dd class="mono">${agent.command}</dd>`}</dl></div></section>
      <${Use} agent=${agent} />
      <section class="tile" aria-label="Last ends"><header><h2>Last ends</h2></header>
        ${problem ? html`<${Failed} title="Not to be had" text=${problem} />` : exits.length ? html`<ul class="rows">${exits.map((end) => html`<li key=${end.run_id}><details><summary>run ${end.generation}: ${how(end)}, <${Age} at=${end.ended_at} /> ago</summary><pre class="cmd" tabindex="0">${end.tail || "no output"}</pre></details></li>`)}</ul>` : html`<p class="in muted">It has not ended yet.</p>`}</section>
    </div></div></main></div>`;
}

const ISOLATION = /** @type {Record<string, string>} */ ({
  none: "none: it shares your account, with your files and other agents",
  bwrap: "sandboxed: its own folders, its work folder and the network",
});
const BOUNDS = /** @type {Record<string, string>} */ ({ memory: "memory", cpu: "processors", pids: "processes", open_files: "open files" });
const MEANS = /** @type {Record<string, string>} */ ({ cgroup: "by a control group", rlimit: "by a limit of processes", watch: "watched", none: "not in force" });

/** What it uses, and what bounds it. @param {{agent: any}} props */
function Use({ agent }) {
  const usage = usageOf(agent.name);
  const bounds = Object.entries(agent.limits).filter(([, bound]) => bound.limit !== null);
  return html`<section class="tile" aria-label="Use"><header><h2>Use</h2><a class="push" href="/usage">All usage</a></header><div class="in stack"><dl class="facts"><${UsageLine} agent=${agent} /></dl>
    ${usage?.budgets.length > 0 && html`<${BudgetMeters} usage=${usage} />`}
    <dl class="kv">${bounds.map(([name, bound]) => html`<dt key=${name}>${BOUNDS[name]}</dt><dd key=${`${name} is`}>${name === "memory" ? `${Math.round(bound.limit / 2 ** 20)} MiB` : bound.limit} <span class="muted">${MEANS[bound.by]}: ${bound.detail}</span></dd>`)}</dl></div></section>`;
}

/** @param {any} end */
function how(end) {
  const what = end.signal !== null ? `signal ${end.signal}` : end.code !== null ? `exit ${end.code}` : "end not recorded";
  return `${what} (${end.reason})`;
}
