// @ts-check
/** What one can do with a message: the toolbar beside it, and the dialogs it opens. */
import { html, icon, useEffect, useRef, useState } from "../ui.js";
import { deleteMessage, editing, editMessage, makeTask, pin, versionsOf } from "../stores/messages.js";
import { channels } from "../stores/channels.js";
import { mayOperate, maySpeak, me } from "../stores/session.js";
import { go, messagePath } from "../router.js";
import { Dialog } from "./dialog.js";
import { Markdown } from "./markdown.js";
import { EmojiPicker } from "./reactions.js";
import { clock } from "./relative-time.js";

const QUOTED = 600;

/** @param {{message: any, replyTo?: string|null, isShown: boolean, onShow: (isShown: boolean) => void, onReply?: () => void}} props */
export function MessageActions({ message, replyTo = null, isShown, onShow, onReply }) {
  const [open, setOpen] = useState(/** @type {""|"react"|"delete"} */ (""));
  const [said, say] = useState("");
  const mine = message.from === me.value?.name;
  const speaks = maySpeak() && !channels.get(message.channel)?.archived;
  const close = () => { setOpen(""); onShow(false); };
  const tell = (/** @type {string} */ text) => { say(text); setTimeout(() => say(""), 2500); };
  const trying = (/** @type {Promise<any>} */ work) => work.then(() => onShow(false), (failure) => tell(failure.sentence ?? String(failure)));
  const act = (/** @type {string} */ glyph, /** @type {string} */ label, /** @type {() => void} */ onClick, extra = {}) =>
    html`<button class="btn quiet" aria-label=${label} title=${label} onClick=${onClick} ...${extra}>${icon(glyph)}</button>`;

  function quote() {
    const lines = message.content.slice(0, QUOTED).split("\n").map((/** @type {string} */ line) => `> ${line}`).join("\n");
    const text = `${lines}\n> — [${message.from}, ${clock(message.created_at)}](${messagePath(message, me.value?.name ?? "")})\n\n`;
    dispatchEvent(new CustomEvent("bullpen:draft", { detail: { channel: message.channel, replyTo, text, adds: true } }));
    onShow(false);
  }
  function copyLink() {
    void navigator.clipboard?.writeText(location.origin + messagePath(message, me.value?.name ?? "")).then(() => tell("Link copied"), () => tell("The browser does not let a page copy here"));
  }
  function task() {
    void trying(makeTask(message.id).then((made) => go(`/tasks/${made.id.replace("task_", "")}`)));
  }

  return html`<button class="btn quiet only sm phone more-acts" aria-label="Message actions" aria-expanded=${isShown} onClick=${() => onShow(!isShown)}>${icon("more")}</button>
    <div class="acts pop" role="toolbar" aria-label="Message actions">
      ${speaks && act("smile", "React", () => setOpen("react"))}
      ${onReply && act("reply", "Reply in thread", () => { onShow(false); onReply(); })}
      ${speaks && act("quote", "Quote", quote)}${act("link", "Copy link", copyLink)}
      ${act("copy", "Copy text", () => void navigator.clipboard?.writeText(message.content).then(() => tell("Text copied"), () => undefined))}
      ${speaks && act("pin", message.pinned ? "Unpin" : "Pin", () => void trying(pin(message.id, !message.pinned)), { "aria-pressed": message.pinned })}
      ${speaks && act("tasks", "Make a task", task)}
      ${speaks && mine && act("pencil", "Edit", () => { editing.value = message.id; onShow(false); })}
      ${maySpeak() && (mine || mayOperate()) && act("trash", "Delete", () => setOpen("delete"))}
      ${said && html`<span class="said" role="status">${said}</span>`}
    </div>
    ${open === "react" && html`<${EmojiPicker} message=${message} onDone=${close} />`}
    ${open === "delete" && html`<${Dialog} title="Delete this message?" onClose=${close}><div class="in"><p>Its text is gone for everybody, and whoever has not seen it will not. That it was there stays in the audit trail.</p><blockquote class="quoted">${message.content.slice(0, 200)}</blockquote></div>
      <footer><button class="btn" onClick=${close}>Cancel</button><button class="btn bad-fill" autofocus onClick=${() => void deleteMessage(message.id).then(close, (failure) => tell(failure.sentence))}>Delete</button></footer><//>`}`;
}

/** A message's text as it is edited in place. @param {{message: any}} props */
export function EditBox({ message }) {
  const area = useRef(/** @type {HTMLTextAreaElement|null} */ (null));
  const [problem, setProblem] = useState("");
  const done = () => { editing.value = ""; };
  useEffect(() => {
    const box = area.current;
    if (!box) return;
    box.focus();
    box.setSelectionRange(box.value.length, box.value.length);
    box.rows = Math.min(12, Math.max(2, box.value.split("\n").length + 1));
  }, []);
  const save = () => void editMessage(message.id, area.current?.value ?? "").then(done, (failure) => setProblem(failure.sentence ?? String(failure)));

  /** @param {KeyboardEvent} event */
  function onKeyDown(event) {
    if (event.isComposing) return;
    if (event.key === "Enter" && !event.shiftKey) { event.preventDefault(); save(); }
    if (event.key === "Escape") { event.preventDefault(); event.stopPropagation(); done(); }
  }

  return html`<form class="edit" aria-label="Edit message" onSubmit=${(/** @type {Event} */ event) => { event.preventDefault(); save(); }}>
    <textarea class="input" ref=${area} aria-label="New text" defaultValue=${message.content} onKeyDown=${onKeyDown}></textarea>
    <p class="row"><button class="btn sm primary">Save</button><button type="button" class="btn quiet sm" onClick=${done}>Cancel</button><span class="muted desk">Enter saves, Esc leaves it as it was</span></p>
    ${problem && html`<p class="fix bad" role="alert">${icon("warn")}${problem}</p>`}</form>`;
}

/** What a message said before. @param {{message: any, onClose: () => void}} props */
export function Versions({ message, onClose }) {
  const [rows, setRows] = useState(/** @type {any[]|null} */ (null));
  useEffect(() => void versionsOf(message.id).then((found) => setRows(found.versions), () => setRows([])), [message.edited_at]);
  return html`<${Dialog} title="What it said before" onClose=${onClose}><div class="in">${rows === null && html`<p role="status">Loading…</p>`}
    ${[...(rows ?? [])].reverse().map((row, at) => html`<section key=${row.version} class="version"><p class="muted">${at === 0 ? "now, since" : "from"} ${clock(row.written_at)}</p><${Markdown} text=${row.content} /></section>`)}</div><//>`;
}
