// @ts-check
/** The places that a phone's bar has no room for. */
import { html, icon } from "../ui.js";

export const PLACES = /** @type {const} */ ([
  ["/terminals", "terminals", "terminal", "Terminals"],
  ["/schedules", "schedules", "clock", "Schedules"],
  ["/state", "state", "braces", "State"],
  ["/files", "files", "folder", "Files"],
  ["/usage", "usage", "usage", "Usage"],
  ["/audit", "audit", "shield", "Audit"],
  ["/settings", "settings", "sliders", "Settings"],
]);

export function MoreView() {
  return html`<div class="sheet"><main class="main" id="main"><header class="head"><h1 tabindex="-1">More</h1></header>
    <div class="body flush"><nav class="rows" aria-label="More places"><a href="/agents">${icon("agent")}Agents</a>${PLACES.map(([path, , glyph, title]) => html`<a key=${path} href=${path}>${icon(glyph)}${title}</a>`)}</nav></div></main></div>`;
}
