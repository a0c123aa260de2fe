// @ts-check
/** Where one writes: drafts stay per conversation, @ offers members, Enter sends. */
import { html, icon, useEffect, useRef, useState } from "../ui.js";
import { send } from "../stores/messages.js";
import { tellTyping } from "../stores/presence.js";
import { maySpeak } from "../stores/session.js";
import { Uploads } from "./attachments.js";
import { MentionList, candidates, mentionAt } from "./mention-list.js";
import { useUploads } from "./uploading.js";

const LONGEST = 32 * 1024;
const bytes = new TextEncoder();

/** @param {{channel: string, label: string, replyTo?: string|null, autofocus?: boolean}} props */
export function Composer({ channel, label, replyTo = null, autofocus }) {
  const draft = `draft ${channel} ${replyTo ?? ""}`;
  const [text, setText] = useState(() => localStorage.getItem(draft) ?? "");
  const [mention, setMention] = useState(/** @type {null | {word: string, start: number, active: number}} */ (null));
  const chosen = useUploads();
  const picker = useRef(/** @type {HTMLInputElement|null} */ (null));
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
    const put = (/** @type {Event} */ event) => { if (/** @type {CustomEvent} */ (event).detail.channel === channel) write(/** @type {CustomEvent} */ (event).detail.text); };
    addEventListener("bullpen:draft", put);
    return () => removeEventListener("bullpen:draft", put);
  }, [draft]);

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
    void send(channel, content, replyTo, chosen.ids);
    chosen.clear();
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
      <span class="end"><span class="muted desk">Enter sends, Shift Enter breaks the line</span><button class="btn sm primary only" aria-label="Send" disabled=${(!text.trim() && !chosen.uploads.length) || chosen.busy}>${icon("send")}</button></span></footer>
  </form>`;
}
