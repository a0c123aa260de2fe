// @ts-check
/** Where one writes: drafts stay per conversation, @ offers members, Enter sends; whom it would wake is told before. */
import { html, icon, useEffect, useRef, useState } from "../ui.js";
import { conversations, editing, previewSend, send } from "../stores/messages.js";
import { tellTyping } from "../stores/presence.js";
import { mayOperate, maySpeak, me } from "../stores/session.js";
import { Uploads } from "./attachments.js";
import { MentionList, candidates, mentionAt } from "./mention-list.js";
import { useUploads } from "./uploading.js";

const LONGEST = 32 * 1024;
const bytes = new TextEncoder();
const NAMED = /(?<![\w@/.-])@(role:[a-z][a-z0-9_-]*|[a-z][a-z0-9_-]*)/gi;
const PAUSE_MS = 300;

/** @param {{channel: string, label: string, replyTo?: string|null, autofocus?: boolean}} props */
export function Composer({ channel, label, replyTo = null, autofocus }) {
  const draft = `draft ${channel} ${replyTo ?? ""}`;
  const [text, setText] = useState(() => localStorage.getItem(draft) ?? "");
  const [mention, setMention] = useState(/** @type {null | {word: string, start: number, active: number}} */ (null));
  const chosen = useUploads();
  const picker = useRef(/** @type {HTMLInputElement|null} */ (null));
  const [preview, setPreview] = useState(/** @type {any} */ (null));
  const [delivery, setDelivery] = useState("queue");
  const area = useRef(/** @type {HTMLTextAreaElement|null} */ (null));

  useEffect(() => setText(localStorage.getItem(draft) ?? ""), [draft]);
  useEffect(() => { if (autofocus) area.current?.focus(); }, [draft, autofocus]);
  useEffect(() => {
    const box = area.current;
    if (!box) return;
    box.style.blockSize = "auto";
    box.style.blockSize = `${Math.min(box.scrollHeight, 240)}px`;
  }, [text]);
  useEffect(() => {
    const put = (/** @type {Event} */ event) => {
      const { detail } = /** @type {CustomEvent} */ (event);
      if (detail.channel !== channel || (detail.replyTo ?? null) !== replyTo) return;
      const box = area.current;
      const value = detail.adds && box?.value.trim() ? `${box.value.trimEnd()}\n\n${detail.text}` : detail.text;
      if (box) place(box, value, value.length);
    };
    addEventListener("bullpen:draft", put);
    return () => removeEventListener("bullpen:draft", put);
  }, [draft]);

  const names = [...text.matchAll(NAMED)].map((match) => match[1].toLowerCase()).sort().join(" ");
  useEffect(() => {
    setPreview(null);
    if (!text.trim() || (!names && !channel.startsWith("dm:"))) return undefined;
    let isOver = false;
    const asked = names ? names.split(" ").map((name) => `@${name}`).join(" ") : "…";
    const timer = setTimeout(() => previewSend(channel, asked).then((found) => { if (!isOver) setPreview(found); }, (failure) => { if (!isOver) setPreview({ note: failure.sentence ?? "", busy: [], isWrong: failure.status === 404 }); }), PAUSE_MS);
    return () => { isOver = true; clearTimeout(timer); };
  }, [channel, names, !text.trim()]);

  const rows = mention ? candidates(mention.word, channel) : [];
  const size = bytes.encode(text).length;
  const tooLong = size > LONGEST;

  /** @param {string} value */
  function write(value) {
    setText(value);
    if (value) localStorage.setItem(draft, value);
    else localStorage.removeItem(draft);
  }

  /**
   * Put text and caret in at once: the next key may come before the next frame.
   * @param {HTMLTextAreaElement} box @param {string} value @param {number} caret
   */
  function place(box, value, caret) {
    box.value = value;
    box.focus();
    box.setSelectionRange(caret, caret);
    write(value);
  }

  /** @param {string} name */
  function pick(name) {
    const box = area.current;
    if (!mention || !box) return;
    const next = `${text.slice(0, mention.start)}${name} ${text.slice(box.selectionStart)}`;
    const caret = mention.start + name.length + 1;
    place(box, next, caret);
    setMention(null);
  }

  function submit() {
    const content = text.trim() || chosen.uploads.map((entry) => entry.name).join(", ");
    if (!content || chosen.busy) return;
    write("");
    setMention(null);
    void send(channel, content, replyTo, chosen.ids, delivery);
    chosen.clear();
    setDelivery("queue");
  }

  /** @param {InputEvent} event */
  function onInput(event) {
    const box = /** @type {HTMLTextAreaElement} */ (event.target);
    write(box.value);
    if (box.value.trim()) tellTyping(channel);
    const found = mentionAt(box.value, box.selectionStart);
    setMention(found && { ...found, active: 0 });
  }

  /** @param {KeyboardEvent} event */
  function onKeyDown(event) {
    if (event.isComposing) return;
    if (mention && rows.length) {
      const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
      if (step) { event.preventDefault(); return setMention({ ...mention, active: (mention.active + step + rows.length) % rows.length }); }
      if (event.key === "Enter" || event.key === "Tab") { event.preventDefault(); return pick(rows[mention.active].name); }
      if (event.key === "Escape") { event.preventDefault(); return setMention(null); }
    }
    if (event.key === "ArrowUp" && !text) {
      const own = conversations.value.get(channel)?.list.findLast((message) => message.from === me.value?.name && !message.deleted && (message.thread ?? null) === replyTo);
      if (own) { event.preventDefault(); editing.value = own.id; }
    }
    if (event.key === "Enter" && !event.shiftKey) { event.preventDefault(); submit(); }
  }

  function at() {
    const box = area.current;
    if (!box) return;
    const caret = box.selectionStart;
    const gap = caret && !/\s/.test(text[caret - 1] ?? " ") ? " @" : "@";
    place(box, text.slice(0, caret) + gap + text.slice(caret), caret + gap.length);
    setMention({ word: "", start: caret + gap.length, active: 0 });
  }

  if (!maySpeak()) return html`<p class="typing muted">You watch: viewers do not write.</p>`;
  const listId = `mentions-${replyTo ?? "main"}`;
  const drop = (/** @type {DragEvent} */ event) => { if (!event.dataTransfer?.files.length) return; event.preventDefault(); chosen.add(event.dataTransfer.files); };
  const paste = (/** @type {ClipboardEvent} */ event) => { if (!event.clipboardData?.files.length) return; event.preventDefault(); chosen.add(event.clipboardData.files); };
  return html`<form class="composer" aria-label=${label} onDragOver=${(/** @type {Event} */ event) => event.preventDefault()} onDrop=${drop} onSubmit=${(/** @type {Event} */ event) => { event.preventDefault(); submit(); }}>
    ${tooLong && html`<p class="warnline" role="status">${icon("file")}${Math.ceil(size / 1024)} KiB: more than the 32 KiB of a message. It is sent as a file, with an excerpt.</p>`}
    ${rows.length > 0 && mention && html`<${MentionList} id=${listId} rows=${rows} active=${mention.active} onPick=${pick} />`}
    <textarea ref=${area} rows="1" aria-label="Message" placeholder=${label} value=${text} onInput=${onInput} onKeyDown=${onKeyDown} onPaste=${paste} onBlur=${() => setMention(null)}
      aria-autocomplete="list" aria-controls=${rows.length ? listId : undefined} aria-activedescendant=${rows.length && mention ? `${listId}-${mention.active}` : undefined}></textarea>
    <${Uploads} uploads=${chosen.uploads} onRemove=${chosen.remove} />
    <footer><input ref=${picker} type="file" multiple hidden onChange=${(/** @type {Event} */ event) => { const box = /** @type {HTMLInputElement} */ (event.target); chosen.add(box.files ?? []); box.value = ""; }} />
      <button type="button" class="btn quiet only sm" aria-label="Attach files" onClick=${() => picker.current?.click()}>${icon("clip")}</button><button type="button" class="btn quiet only sm" aria-label="Mention somebody" onClick=${at}>${icon("at")}</button>
      ${preview && html`<span class=${`wakes cut ${preview.isWrong ? "bad" : "muted"}`} role="status" title=${(preview.recipients ?? []).map((/** @type {any} */ row) => `${row.name}: ${row.will}`).join("\n")}>${preview.note}</span>`}
      <span class="end">${preview?.busy?.length ? html`<span class="pick quiet"><select class="select" aria-label=${`When ${preview.busy.join(", ")} ${preview.busy.length > 1 ? "are" : "is"} busy`} value=${delivery} onChange=${(/** @type {any} */ event) => setDelivery(event.target.value)}>
        <option value="queue">When free</option><option value="next_step">At next step</option>${mayOperate() && html`<option value="interrupt">Interrupt now</option>`}</select>${icon("down", { class: "sm" })}</span>`
      : html`<span class="muted desk">Enter sends, Shift Enter breaks the line</span>`}<button class="btn sm primary only" aria-label="Send" disabled=${(!text.trim() && !chosen.uploads.length) || chosen.busy}>${icon("send")}</button></span></footer>
  </form>`;
}
