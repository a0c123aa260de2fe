// @ts-check
/** A face: agents are rounded squares, humans circles, bots hexagons; the system has none. */
import { html } from "../ui.js";
import { kindOf } from "../stores/members.js";

/** @param {string} name */
function hue(name) {
  let sum = 0;
  for (const letter of name) sum = (sum * 31 + letter.charCodeAt(0)) % 997;
  return `k${(sum % 8) + 1}`;
}

/** @param {string} name */
function initials(name) {
  const words = name.split(/[-_]/);
  return words.length > 1 ? words[0][0] + words[1][0] : name.slice(0, 2);
}

/** @param {{name: string, size?: "sm"|"lg"}} props */
export function Avatar({ name, size }) {
  const kind = kindOf(name);
  const letters = kind === "human" ? name[0].toUpperCase() : initials(name);
  return html`<span class=${`av ${kind === "agent" ? "" : kind} ${hue(name)} ${size ?? ""}`} aria-hidden="true">${letters}</span>`;
}

/** @param {{name: string}} props */
export function Name({ name }) {
  return html`<span class=${`name ${kindOf(name) === "human" ? "" : "agent"}`}>${name}</span>`;
}
