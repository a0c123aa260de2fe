// @ts-check
/** A change of a file: its path, then lines that go and come. */
import { html, icon } from "../ui.js";

const LOOKS = /** @type {Record<string, string>} */ ({ "+": "add", "-": "del", "@": "at" });

/** @param {{text: string}} props */
export function Diff({ text }) {
  const [path, ...lines] = text.split("\n");
  return html`<div class="code diff"><header>${icon("file")}<span class="mono">${path}</span></header><pre tabindex="0" aria-label=${`Changes of ${path}`}>${lines.map((line, at) => html`<span key=${at} class=${LOOKS[line[0]] ?? ""}>${line || " "}</span>`)}</pre></div>`;
}
