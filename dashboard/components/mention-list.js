// @ts-check
/** Who can be mentioned here, as one types: members of the channel first, then who is awake. */
import { html, icon } from "../ui.js";
import { agents, condition } from "../stores/agents.js";
import { channels } from "../stores/channels.js";
import { members } from "../stores/members.js";
import { me } from "../stores/session.js";
import { Avatar } from "./avatar.js";

const AT_MOST = 8;

/**
 * The word being typed after an @, or null.
 * @param {string} text @param {number} caret
 */
export function mentionAt(text, caret) {
  const match = /(?:^|[\s(])@((?:role:)?[a-z0-9_-]*)$/i.exec(text.slice(0, caret));
  return match ? { word: match[1].toLowerCase(), start: caret - match[1].length } : null;
}

/** @param {string} word @param {string} channel */
export function candidates(word, channel) {
  const here = new Set(channels.get(channel)?.members ?? []);
  const rank = (/** @type {any} */ row) => (here.has(row.name) ? 0 : 4) + (agents.get(row.name)?.state === "ready" ? 0 : 1);
  const found = [...members.rows.value.values()].filter((row) => !row.retired && row.name !== me.value?.name && row.name.startsWith(word));
  const near = found.sort((a, b) => rank(a) - rank(b) || a.name.localeCompare(b.name));
  return [...near, ...groups(here).filter((row) => row.name.startsWith(word))].slice(0, word ? AT_MOST : AT_MOST + 2);
}

/** The groups that a word can stand for here. @param {ReadonlySet<string>} here */
function groups(here) {
  const roles = [...here].flatMap((name) => [agents.get(name)?.job, members.get(name)?.role]).filter((role) => role);
  const known = [...new Set(roles)].sort().map((role) => ({ name: `role:${role}`, say: "who have that role here" }));
  return [{ name: "all", say: "everybody here" }, { name: "working", say: "agents at work here" }, ...known];
}

/** @param {{id: string, rows: any[], active: number, onPick: (name: string) => void}} props */
export function MentionList({ id, rows, active, onPick }) {
  return html`<ul class="pop mentions" id=${id} role="listbox" aria-label="Members">${rows.map((row, at) => {
    const agent = agents.get(row.name);
    const say = row.say ?? (agent ? condition(agent).word : row.role);
    return html`<li key=${row.name} id=${`${id}-${at}`} role="option" aria-selected=${at === active} onMouseDown=${(/** @type {Event} */ event) => { event.preventDefault(); onPick(row.name); }}>${row.say ? icon("users") : html`<${Avatar} name=${row.name} size="sm" />`}<span class="name agent">${row.name}</span><span class="push muted">${say}</span></li>`;
  })}</ul>`;
}
