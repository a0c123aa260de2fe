// @ts-check
/** The head of a conversation: who is in it, what is pinned, how much one is told, and how it is kept. */
import { html, icon, useEffect, useState } from "../ui.js";
import { agents, condition } from "../stores/agents.js";
import { addMember, askOfChannel, changeChannel, channels, isMine, levelOf, mayKeep, removeMember, setLevel } from "../stores/channels.js";
import { members } from "../stores/members.js";
import { pin } from "../stores/messages.js";
import { loadPins, pins } from "../stores/pins.js";
import { maySpeak, me } from "../stores/session.js";
import { go, messagePath } from "../router.js";
import { Avatar, Name } from "../components/avatar.js";
import { Dialog } from "../components/dialog.js";
import { clock } from "../components/relative-time.js";

const LEVELS = { all: "All messages", mentions: "Only mentions", none: "Nothing" };

/** @param {{id: string, people: string[], person?: string}} props */
export function ChannelTools({ id, people, person }) {
  const [open, setOpen] = useState(/** @type {""|"members"|"settings"|"pins"} */ (""));
  const [problem, setProblem] = useState("");
  const channel = channels.get(id);
  const close = () => { setOpen(""); setProblem(""); };
  const trying = (/** @type {Promise<any>} */ work, /** @type {() => void} */ done = close) => void work.then(done, (failure) => setProblem(failure.sentence ?? String(failure)));
  const working = people.filter((name) => agents.get(name)?.state === "ready" && agents.get(name)?.activity === "working").length;
  const pinned = pins.value.get(id) ?? [];
  const level = levelOf(id);
  useEffect(() => { if (channel) void loadPins(id); }, [id, Boolean(channel)]);
  return html`${!person && html`<button class="btn quiet sm" aria-label=${`${people.length} members${working ? `, ${working} working` : ""}`} onClick=${() => setOpen("members")}><span class="avs desk">${people.slice(0, 4).map((one) => html`<${Avatar} key=${one} name=${one} size="sm" />`)}</span><span class="num">${people.length}</span></button>`}
    ${pinned.length > 0 && html`<button class="btn quiet sm" aria-label=${`${pinned.length} pinned`} onClick=${() => setOpen("pins")}>${icon("pin")}${pinned.length}</button>`}
    ${channel && isMine(id) && html`<span class="pick quiet desk" title="What you are told of it"><select class="select" aria-label="Tell me of" value=${level} onChange=${(/** @type {any} */ event) => trying(setLevel(id, event.target.value))}>${Object.entries(LEVELS).map(([value, words]) => html`<option key=${value} value=${value}>${words}</option>`)}</select>${icon("bell", { class: "sm" })}</span>`}
    ${channel && !person && !isMine(id) && html`<button class="btn sm" onClick=${() => trying(askOfChannel(id, "join"))}>Join</button>`}
    ${channel && html`<button class=${`btn quiet only sm ${person ? "phone" : ""}`} aria-label="Channel settings" onClick=${() => setOpen("settings")}>${icon("sliders")}</button>`}
    ${open === "members" && html`<${Members} channel=${channel} people=${people} problem=${problem} onTry=${trying} onClose=${close} />`}
    ${open === "pins" && html`<${Pins} id=${id} onClose=${close} />`}
    ${open === "settings" && html`<${Settings} channel=${channel} level=${level} problem=${problem} onTry=${trying} onClose=${close} />`}
    ${problem && !open && html`<span class="bad" role="alert">${problem}</span>`}`;
}

/** What was pinned last stays in sight. @param {{id: string}} props */
export function PinnedBar({ id }) {
  const [newest] = pins.value.get(id) ?? [];
  if (!newest) return null;
  return html`<p class="banner pinned">${icon("pin")}<a class="cut" href=${messagePath(newest.message, me.value?.name ?? "")}><b>${newest.message.from}</b> ${newest.message.content.split("\n")[0].slice(0, 160)}</a><span class="push muted desk">pinned by ${newest.pinned_by}</span></p>`;
}

/** @param {{channel: any, people: string[], problem: string, onTry: (work: Promise<any>, done?: () => void) => void, onClose: () => void}} props */
function Members({ channel, people, problem, onTry, onClose }) {
  const mine = me.value?.name ?? "";
  const others = [...members.rows.value.values()].filter((row) => !row.retired && !people.includes(row.name));
  const stay = () => undefined;
  const mayRemove = channel && (channel.created_by === mine || ["chairman", "operator"].includes(me.value?.role ?? ""));
  return html`<${Dialog} title="Members" onClose=${onClose}><div class="in"><ul class="people">${people.map((name) => {
    const agent = agents.get(name);
    return html`<li key=${name} class="row"><${Avatar} name=${name} size="sm" /><${Name} name=${name} /><span class="muted">${agent ? condition(agent).word : members.get(name)?.role}</span>
      ${maySpeak() && mayRemove && name !== mine && html`<button class="btn quiet only sm push" aria-label=${`Remove ${name}`} onClick=${() => onTry(removeMember(channel.id, name), stay)}>${icon("x")}</button>`}</li>`;
  })}</ul>
    ${maySpeak() && others.length > 0 && html`<form class="row" onSubmit=${(/** @type {SubmitEvent} */ event) => { event.preventDefault(); onTry(addMember(channel.id, String(new FormData(/** @type {HTMLFormElement} */ (event.target)).get("name"))), stay); }}>
      <span class="pick"><select class="select" name="name" aria-label="Add a member">${others.map((row) => html`<option key=${row.name}>${row.name}</option>`)}</select>${icon("down", { class: "sm" })}</span><button class="btn">Add</button></form>`}
    ${problem && html`<p class="fix bad" role="alert">${icon("warn")}${problem}</p>`}</div><//>`;
}

/** @param {{id: string, onClose: () => void}} props */
function Pins({ id, onClose }) {
  const rows = pins.value.get(id) ?? [];
  const show = (/** @type {any} */ message) => { onClose(); go(messagePath(message, me.value?.name ?? "")); };
  return html`<${Dialog} title="Pinned" onClose=${onClose}><div class="in"><ul class="pins">${rows.map((row) => html`<li key=${row.message_id}><p class="row"><${Name} name=${row.message.from} /><span class="muted">${clock(row.message.created_at)} · pinned by ${row.pinned_by}</span>
      ${maySpeak() && html`<button class="btn quiet only sm push" aria-label="Unpin" onClick=${() => void pin(row.message_id, false).catch(() => undefined)}>${icon("x")}</button>`}</p>
      <button class="cut" onClick=${() => show(row.message)}>${row.message.content.slice(0, 200)}</button></li>`)}</ul>${!rows.length && html`<p>Nothing is pinned.</p>`}</div><//>`;
}

/** @param {{channel: any, level: string, problem: string, onTry: (work: Promise<any>, done?: () => void) => void, onClose: () => void}} props */
function Settings({ channel, level, problem, onTry, onClose }) {
  const keeps = maySpeak() && mayKeep(channel) && channel.type !== "dm";
  const fixed = !keeps || channel.archived;
  const stay = () => undefined;
  function submit(/** @type {SubmitEvent} */ event) {
    event.preventDefault();
    const fields = new FormData(/** @type {HTMLFormElement} */ (event.target));
    onTry(changeChannel(channel.id, { name: String(fields.get("name")), description: String(fields.get("description")) }));
  }
  const leave = () => onTry(askOfChannel(channel.id, "leave"), () => { onClose(); if (channel.type === "topic") go("/"); });
  return html`<${Dialog} title=${channel.type === "dm" ? "This conversation" : `#${channel.id}`} onClose=${onClose}><form onSubmit=${submit}><div class="in">
      ${channel.type !== "dm" && html`<div class="field"><label for="channel-name">Name</label><input class="input" id="channel-name" name="name" required maxlength="200" defaultValue=${channel.name} disabled=${fixed} autocomplete="off" /><p class="hint">Its id stays #${channel.id}, so that links hold.</p></div>
      <div class="field"><label for="channel-description">What it is for</label><textarea class="input" id="channel-description" name="description" rows="3" maxlength="1000" defaultValue=${channel.description} disabled=${fixed}></textarea></div>`}
      ${isMine(channel.id) && html`<fieldset class="levels"><legend>Tell me of</legend>${Object.entries(LEVELS).map(([value, words]) => html`<label key=${value} class="check"><input type="radio" name="level" value=${value} checked=${level === value} onChange=${() => onTry(setLevel(channel.id, value), stay)} />${words}</label>`)}<p class="hint muted">With “Nothing”, @all and other groups do not reach you; your own name does. Nobody else sees this.</p></fieldset>`}
      ${problem && html`<p class="fix bad" role="alert">${icon("warn")}${problem}</p>`}</div>
    <footer>${channel.type !== "dm" && isMine(channel.id) && html`<button type="button" class="btn" onClick=${leave}>Leave</button>`}
      ${keeps && channel.id !== "general" && html`<button type="button" class=${`btn ${channel.archived ? "" : "bad"}`} onClick=${() => onTry(askOfChannel(channel.id, channel.archived ? "unarchive" : "archive"))}>${channel.archived ? "Unarchive" : "Archive"}</button>`}
      ${keeps && !channel.archived && html`<button class="btn primary">Save</button>`}</footer></form><//>`;
}
