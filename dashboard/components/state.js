// @ts-check
/** The state of an agent: shape, word, reason, age, source. Never colour alone. */
import { html, icon } from "../ui.js";
import { condition } from "../stores/agents.js";
import { Age } from "./relative-time.js";

/** @param {{agent: any, small?: boolean}} props */
export function Glyph({ agent, small }) {
  const { look } = condition(agent);
  return icon(`s-${look}`, { class: `glyph ${small ? "sm" : ""}`, state: look });
}

/** @param {{agent: any}} props */
export function State({ agent }) {
  const { look, word, since } = condition(agent);
  return html`<p class="state">${icon(`s-${look}`, { class: "glyph", state: look })}<b>${word}</b> <${Age} at=${since} /></p>`;
}

/** @param {{agent: any}} props */
export function Source({ agent }) {
  const { source, since } = condition(agent);
  return html`<span class="src" title="Where this is known from">${icon(source === "hook" ? "bolt" : "eye", { class: "sm" })}${source || "not reported"}, <${Age} at=${since} /></span>`;
}
