// @ts-check
/** Now: who needs you, who works, what was said last. */
import { html } from "../ui.js";
import { conversationPath } from "../router.js";
import { ranked } from "../stores/agents.js";
import { settled } from "../stores/approvals.js";
import { keptPaused } from "../stores/guards.js";
import { needs } from "../stores/needs.js";
import { newest } from "../stores/messages.js";
import { me } from "../stores/session.js";
import { AgentCard } from "../components/agent-card.js";
import { Ask, Settled } from "../components/ask.js";
import { Avatar, Name } from "../components/avatar.js";
import { GuardNotice } from "../components/guard.js";
import { Empty } from "../components/faces.js";
import { Age } from "../components/relative-time.js";

const STRIP = 5;

export function NowView() {
  const { now } = needs.value;
  const last = [...newest.value].reverse();
  return html`<div class="sheet"><main class="main" id="main">
    <header class="head"><div class="titles"><h1 tabindex="-1">Now</h1></div></header>
    <div class="body"><div class="home"><div class="stack lg">
      ${(now.length > 0 || settled.value.length > 0) && html`<section class="stack" aria-label="Needs you"><div class="section"><h2>Needs you</h2><span class="count">${now.length}</span><a href="/needs">All that waits</a></div>
        ${now.slice(0, STRIP).map((need, at) => html`<${Ask} key=${need.id} need=${need} isOpen=${at === 0} />`)}${now.length > STRIP && html`<p class="muted"><a href="/needs">${now.length - STRIP} more</a></p>`}${settled.value.map((row) => html`<${Settled} key=${row.id} row=${row} />`)}</section>`}
      ${keptPaused.value.length > 0 && html`<section class="stack" aria-label="Paused agents"><div class="section"><h2>Paused agents</h2><span class="count">${keptPaused.value.length}</span></div>${keptPaused.value.map((row) => html`<div class="frame" key=${row.id}><${GuardNotice} row=${row} /></div>`)}</section>`}
      <div class="section"><h2>Agents</h2><span class="count">${ranked.value.length}</span><a href="/agents">All agents</a></div>
      ${ranked.value.length ? html`<div class="cards">${ranked.value.slice(0, 12).map((agent) => html`<${AgentCard} key=${agent.name} agent=${agent} />`)}</div>`
      : html`<${Empty} title="No agents yet" text="Describe them in agents.yaml, then start again: bullpen init, bullpen up." glyph="agent" />`}
    </div>
    <section class="tile" aria-labelledby="last"><header><h2 id="last">Last messages</h2></header>
      ${last.length ? html`<ul class="rows">${last.map((message) => html`<li key=${message.id}><${Avatar} name=${message.from} size="sm" /><a class="cut" href=${conversationPath(message.channel, me.value?.name ?? "")}><${Name} name=${message.from} /> <span class="dim">${message.content}</span></a><span class="push muted"><${Age} at=${message.created_at} /></span></li>`)}</ul>`
      : html`<p class="in muted">Nothing was said yet. <a href="/c/general">Say hello in #general</a></p>`}</section>
    </div></div></main></div>`;
}
