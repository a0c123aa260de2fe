// @ts-check
/** The sidebar: places, channels, people, agents. Bold is unread, a number is how many. */
import { html, icon, useState } from "../ui.js";
import { route } from "../router.js";
import { agents, condition, ranked } from "../stores/agents.js";
import { waits } from "../stores/needs.js";
import { archived, createChannel, directs, mentionsOf, otherParty, places, shownCount, unreadOf } from "../stores/channels.js";
import { members } from "../stores/members.js";
import { maySpeak, me } from "../stores/session.js";
import { go } from "../router.js";
import { PLACES } from "./more.js";
import { Avatar, Name } from "../components/avatar.js";
import { Dialog } from "../components/dialog.js";
import { There } from "../components/there.js";
import { Glyph } from "../components/state.js";
import { age } from "../components/relative-time.js";

/** @param {string} view @param {string} [name] */
const here = (view, name) => (route.value.view === view && (name === undefined || route.value.name === name) ? "page" : undefined);

export function Sidebar() {
  return html`<aside class="side" aria-label="Places">
    <nav aria-label="Main"><a href="/" aria-current=${here("now")}>${icon("home")}Now</a>
      <a href="/needs" aria-current=${here("needs")}>${icon("s-needs", waits() > 0 ? { class: "glyph", state: "needs" } : {})}Needs you${waits() > 0 && html`<span class="badge needs" aria-label=${`${waits()} need you`}>${waits()}</span>`}</a>
      <a href="/tasks" aria-current=${here("tasks")}>${icon("tasks")}Tasks</a>
      <a href="/agents" aria-current=${here("agents")}>${icon("agent")}Agents<span class="count">${agents.rows.value.size}</span></a>
      ${PLACES.map(([path, view, glyph, title]) => html`<a key=${path} href=${path} aria-current=${here(view)}>${icon(glyph)}${title}</a>`)}</nav>
    <${ChannelLinks} /><${DirectLinks} /><${AgentLinks} />
  </aside>`;
}

export function ChannelLinks() {
  const [creating, create] = useState(false);
  return html`<h2>Channels ${maySpeak() && html`<button class="btn quiet only sm" aria-label="New channel" onClick=${() => create(true)}>${icon("plus")}</button>`}</h2>
    <nav aria-label="Channels">${places.value.map((channel) => {
      const unread = unreadOf(channel.id);
      return html`<a key=${channel.id} href=${`/c/${encodeURIComponent(channel.id)}`} class=${unread ? "unread" : ""} aria-current=${here("channel", channel.id)}>${icon(channel.type === "topic" ? "lock" : "hash")}${channel.name.replace(/^topic:/, "")}<${News} id=${channel.id} /></a>`;
    })}</nav>${creating && html`<${NewChannel} onClose=${() => create(false)} />`}`;
}

export function DirectLinks() {
  const [choosing, choose] = useState(false);
  return html`<h2>Direct ${maySpeak() && html`<button class="btn quiet only sm" aria-label="New direct message" onClick=${() => choose(true)}>${icon("plus")}</button>`}</h2>
    <nav aria-label="Direct messages">${directs.value.map((channel) => {
      const name = otherParty(channel);
      const unread = unreadOf(channel.id);
      return html`<a key=${channel.id} href=${`/dm/${name}`} class=${unread ? "unread" : ""} aria-current=${here("direct", name)}><${Avatar} name=${name} size="sm" /><${Name} name=${name} />${name !== "system" && html`<${There} name=${name} />`}<${News} id=${channel.id} /></a>`;
    })}${!directs.value.length && html`<p class="hint muted">No direct messages yet.</p>`}</nav>${choosing && html`<${NewDirect} onClose=${() => choose(false)} />`}`;
}

/** @param {{id: string}} props */
function News({ id }) {
  const unread = unreadOf(id), mentions = mentionsOf(id);
  if (mentions > 0) return html`<span class="badge" aria-label=${`${shownCount(mentions)} mentions, ${shownCount(unread)} unread`}>@${shownCount(mentions)}</span>`;
  return unread > 0 && html`<span class="count" aria-label=${`${shownCount(unread)} unread`}>${shownCount(unread)}</span>`;
}

function AgentLinks() {
  return html`<h2>Agents</h2><nav aria-label="Agents">${ranked.value.map((agent) => {
    const { look, word, since } = condition(agent);
    return html`<a key=${agent.name} href=${`/agents/${agent.name}`} aria-current=${here("agent", agent.name)}><${Glyph} agent=${agent} /><span class="name agent">${agent.name}</span><span class=${`why ${look === "needs" ? "needs" : ""}`}><span class="hush">${word} </span>${look === "working" || look === "idle" ? age(since) : word.toLowerCase()}</span></a>`;
  })}${!ranked.value.length && html`<p class="hint muted">No agents yet.</p>`}</nav>`;
}

/** @param {{onClose: () => void}} props */
function NewChannel({ onClose }) {
  const [problem, setProblem] = useState("");
  async function submit(/** @type {SubmitEvent} */ event) {
    event.preventDefault();
    const fields = new FormData(/** @type {HTMLFormElement} */ (event.target));
    const closed = fields.get("closed") === "on";
    const id = String(fields.get("id")).trim().toLowerCase().replace(/^#/, "");
    try {
      const made = await createChannel({ id: closed ? `topic:${id}` : id, type: closed ? "topic" : "group", description: String(fields.get("description")) });
      onClose();
      go(`/c/${encodeURIComponent(made.id)}`);
    } catch (failure) { setProblem(/** @type {any} */ (failure).sentence ?? String(failure)); }
  }
  return html`<${Dialog} title="New channel" onClose=${onClose}><form onSubmit=${submit}><div class="in">
      <div class="field"><label for="channel-id">Name</label><input class="input" id="channel-id" name="id" required maxlength="60" pattern="#?[A-Za-z0-9][A-Za-z0-9_.\-]*" autocomplete="off" autofocus /><p class="hint">Letters, digits, - and _</p></div>
      <div class="field"><label for="channel-about">What it is for</label><input class="input" id="channel-about" name="description" maxlength="1000" autocomplete="off" /></div>
      <label class="check"><input type="checkbox" name="closed" />Members only</label>
      ${archived.value.length > 0 && html`<p class="hint">Archived: ${archived.value.map((channel) => html` <a key=${channel.id} href=${`/c/${encodeURIComponent(channel.id)}`} onClick=${onClose}>#${channel.id}</a>`)}</p>`}
      ${problem && html`<p class="fix bad" role="alert">${icon("warn")}${problem}</p>`}</div>
    <footer><button type="button" class="btn" onClick=${onClose}>Cancel</button><button class="btn primary">Create</button></footer></form><//>`;
}

/** @param {{onClose: () => void}} props */
function NewDirect({ onClose }) {
  const others = [...members.rows.value.values()].filter((row) => row.name !== me.value?.name && !row.retired);
  return html`<${Dialog} title="Write to" onClose=${onClose}><div class="in rows-in">${others.map((row) => html`<a key=${row.name} class="btn quiet" href=${`/dm/${row.name}`} onClick=${onClose}><${Avatar} name=${row.name} size="sm" /><${Name} name=${row.name} /><span class="muted push">${row.kind}</span></a>`)}
    ${!others.length && html`<p>There is nobody else yet.</p>`}</div><//>`;
}
