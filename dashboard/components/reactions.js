// @ts-check
/** The reactions under a message, and where one picks an emoji. */
import { html, icon, useRef, useState } from "../ui.js";
import { react } from "../stores/messages.js";
import { maySpeak, me } from "../stores/session.js";
import { Dialog } from "./dialog.js";

const OFTEN = ["👍", "👎", "❤️", "😄", "🎉", "👀", "🤔", "✅", "❌", "🙏", "🚀", "🔥", "💡", "⚠️", "⏳", "🐛", "🧪", "📌", "➕", "👋", "💯", "😅", "🫡", "🤝"];
/** A row of the picker holds eight. */
const STEPS = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 8, ArrowUp: -8 };

/** @param {{message: any}} props */
export function Reactions({ message }) {
  const mine = me.value?.name ?? "";
  return message.reactions.map((/** @type {{emoji: string, members: string[]}} */ { emoji, members }) => {
    const isMine = members.includes(mine);
    const names = members.map((name) => (name === mine ? "you" : name)).join(", ");
    return html`<button key=${emoji} class="react" aria-pressed=${isMine} disabled=${!maySpeak()} title=${names} aria-label=${`${emoji} ${members.length}: ${names}`} onClick=${() => void react(message.id, emoji, !isMine).catch(() => undefined)}>${emoji} ${members.length}</button>`;
  });
}

/** @param {{message: any, onDone: () => void}} props */
export function EmojiPicker({ message, onDone }) {
  const box = useRef(/** @type {HTMLDivElement|null} */ (null));
  const [problem, setProblem] = useState("");
  const put = (/** @type {string} */ emoji) => react(message.id, emoji, true).then(onDone, (failure) => setProblem(failure.sentence));
  const typed = (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    void put(String(new FormData(/** @type {HTMLFormElement} */ (event.target)).get("emoji")).trim());
  };

  /** @param {KeyboardEvent} event */
  function onKeyDown(event) {
    const step = STEPS[/** @type {keyof STEPS} */ (event.key)];
    const all = [...(box.current?.children ?? [])];
    const at = all.indexOf(/** @type {Element} */ (document.activeElement));
    if (!step || at < 0) return;
    event.preventDefault();
    /** @type {HTMLElement|undefined} */ (all[at + step])?.focus();
  }

  return html`<${Dialog} title="React" onClose=${onDone}><div class="in picker">
    <div class="emojis" ref=${box} onKeyDown=${onKeyDown}>${OFTEN.map((emoji, at) => html`<button key=${emoji} class="btn quiet" aria-label=${emoji} autofocus=${at === 0} onClick=${() => void put(emoji)}>${emoji}</button>`)}</div>
    <form class="row" onSubmit=${typed}><input class="input" name="emoji" aria-label="Any other emoji" placeholder="Any other emoji" autocomplete="off" maxlength="40" required /><button class="btn">React</button></form>
    ${problem && html`<p class="fix bad" role="alert">${icon("warn")}${problem}</p>`}</div><//>`;
}
