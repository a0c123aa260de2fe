// @ts-check
/** Ctrl+K: jump to a channel, a person, an agent; or search messages. */
import { html, icon, useEffect, useRef, useState } from "../ui.js";
import { go } from "../router.js";
import { agents, condition, ranked } from "../stores/agents.js";
import { places, unreadOf } from "../stores/channels.js";
import { members } from "../stores/members.js";
import { me } from "../stores/session.js";

const AT_MOST = 12;

function entries() {
  return [
    ...places.value.map((channel) => ({ group: "Channels", glyph: "hash", text: channel.id, say: unreadOf(channel.id) ? `${unreadOf(channel.id)} unread` : "", path: `/c/${encodeURIComponent(channel.id)}` })),
    ...[...members.rows.value.values()].filter((row) => row.name !== me.value?.name && !row.retired).map((row) => ({ group: "People", glyph: "at", text: row.name, say: agents.get(row.name) ? condition(agents.get(row.name)).word : row.role, path: `/dm/${row.name}` })),
    ...ranked.value.map((agent) => ({ group: "Agents", glyph: "agent", text: agent.name, say: condition(agent).word, path: `/agents/${agent.name}` })),
    ...ranked.value.map((agent) => ({ group: "Terminals", glyph: "terminal", text: `terminal ${agent.name}`, say: "", path: `/agents/${agent.name}/terminal` })),
    { group: "Places", glyph: "home", text: "now", say: "", path: "/" },
    { group: "Places", glyph: "search", text: "search messages", say: "", path: "/search" },
    { group: "Places", glyph: "folder", text: "files", say: "", path: "/files" },
    { group: "Places", glyph: "s-needs", text: "needs you", say: "", path: "/needs" },
    { group: "Places", glyph: "agent", text: "all agents", say: "", path: "/agents" },
  ];
}

/** @param {{onClose: () => void}} props */
export function Palette({ onClose }) {
  const [word, setWord] = useState("");
  const [active, setActive] = useState(0);
  const box = useRef(/** @type {HTMLDialogElement|null} */ (null));
  useEffect(() => { box.current?.showModal(); return () => box.current?.close(); }, []);
  const asked = word.trim().toLowerCase().replace(/^[#@]/, "");
  const found = entries().filter((entry) => entry.text.includes(asked)).slice(0, AT_MOST);
  if (word.trim()) found.push({ group: "Messages", glyph: "search", text: `Search messages for “${word.trim()}”`, say: "", path: `/search?q=${encodeURIComponent(word.trim())}` });
  const groups = [...new Set(found.map((entry) => entry.group))];

  /** @param {string} path */
  function choose(path) { onClose(); go(path); }
  /** @param {KeyboardEvent} event */
  function onKeyDown(event) {
    const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    if (step && found.length) { event.preventDefault(); setActive((active + step + found.length) % found.length); }
    if (event.key === "Enter" && found[active]) { event.preventDefault(); choose(found[active].path); }
  }
  return html`<dialog ref=${box} class="palette" aria-label="Jump to" onClose=${onClose} onClick=${(/** @type {Event} */ event) => event.target === box.current && onClose()}>
    <div class="ask-line">${icon("search", { class: "lg" })}<input value=${word} placeholder="Search or jump to…" aria-label="Search or jump to" role="combobox" aria-expanded="true" aria-controls="found" aria-activedescendant=${found.length ? `found-${active}` : undefined}
      onInput=${(/** @type {any} */ event) => { setWord(event.target.value); setActive(0); }} onKeyDown=${onKeyDown} autofocus /><kbd>Esc</kbd></div>
    <div role="listbox" id="found" aria-label="Results">${groups.map((group) => html`<h3 key=${group}>${group}</h3>${found.map((entry, at) => entry.group === group && html`<div key=${entry.path} role="option" id=${`found-${at}`} aria-selected=${at === active} onClick=${() => choose(entry.path)}>${icon(entry.glyph)}<span class="cut">${entry.text}</span><span class="push">${entry.say}</span></div>`)}`)}</div></dialog>`;
}
