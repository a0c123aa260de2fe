// @ts-check
/** Who can be mentioned here, as one types: members of the channel first, then who is awake. */
import { html } from "../ui.js";
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
  const match = /(?:^|[\s(])@([a-z0-9_-]*)$/i.exec(text.slice(0, caret));
  return match ? { word: match[1].toLowerCase(), start: caret - match[1].length } : null;
}

/** @param {string} word @param {string} channel */
export function candidates(word, channel) {
  const here = new Set(channels.get(channel)?.members ?? []);
  const rank = (/** @type {any} */ row) => (here.has(row.name) ? 0 : 4) + (agents.get(row.name)?.state === "ready" ? 0 : 1);
  const found = [...members.rows.value.values()].filter((row) => !row.retired && row.name !== me.value?.name && row.name.startsWith(word));
  return found.sort((a, b) => rank(a) - rank(b) || a.name.localeCompare(b.name)).slice(0, AT_MOST);
}

/** @param {{id: string, rows: any[], active: number, onPick: (name: string) => void}} props */
export function MentionList({ id, rows, active, onPick }) {
  return html`<ul class="pop mentions" id=${id} role="listbox" aria-label="Members">${rows.map((row, at) => {
    const agent = agents.get(row.name);
    const say = agent ? condition(agent).word : row.role;
    return html`<li key=${row.name} id=${`${id}-${at}`} role="option" aria-selected=${at === active} onMouseDown=${(/** @type {Event} */ event) => { event.preventDefault(); onPick(row.name); }}><${Avatar} name=${row.name} size="sm" /><span class="name agent">${row.name}</span><span class="push muted">${say}</span></li>`;
  })}</ul>`;
}
