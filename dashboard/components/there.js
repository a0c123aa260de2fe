// @ts-check
/** Whether somebody is there: a full dot or an empty one, and the word. */
import { html } from "../ui.js";
import { isThere } from "../stores/presence.js";

/** @param {{name: string}} props */
export function There({ name }) {
  const there = isThere(name);
  return html`<span class=${`there ${there ? "on" : ""}`} role="img" aria-label=${there ? "online" : "not here"} title=${there ? "Online" : "Not here"}></span>`;
}
