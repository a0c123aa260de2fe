// @ts-check
/** What came while one was away: how much, since when, and the ways to it. */
import { html, icon } from "../ui.js";
import { shownCount } from "../stores/channels.js";
import { clock } from "./relative-time.js";

/** @param {{unread: number, mentions: number, since: string|undefined, onFirst: () => void, onMention: () => void, onClose: () => void}} props */
export function CatchUp({ unread, mentions, since, onFirst, onMention, onClose }) {
  return html`<div class="catch-up" role="region" aria-label="What is new"><span class="cut">${shownCount(unread)} new${since && html`<span class="desk"> since ${clock(since)}</span>`}</span>
    <button class="btn quiet sm" aria-label="First unread" onClick=${onFirst}>${icon("flag")}<span>First<span class="desk"> unread</span></span></button>
    ${mentions > 0 && html`<button class="btn quiet sm" aria-label="Next mention" onClick=${onMention}>${icon("at")}<span>Next<span class="desk"> mention</span></span><span class="count">${shownCount(mentions)}</span></button>`}
    <button class="btn quiet only sm" aria-label="Close" onClick=${onClose}>${icon("x")}</button></div>`;
}

/**
 * Bring one message of the log into view and let it be seen. Returns whether it is there.
 * @param {HTMLElement|null} box @param {string|undefined} id
 */
export function bringIntoView(box, id) {
  const found = id ? box?.querySelector(`article[data-id="${CSS.escape(id)}"]`) : null;
  if (!found) return false;
  found.scrollIntoView({ block: "center" });
  found.classList.add("shown");
  setTimeout(() => found.classList.remove("shown"), 2000);
  return true;
}
