// @ts-check
/** How far a message has come: four dots, and words for each recipient. */
import { html, iconAddress, useState } from "../ui.js";
import { outlook, receipts } from "../stores/messages.js";
import { agents, condition } from "../stores/agents.js";
import { clockSeconds } from "./relative-time.js";

const STEPS = ["stored", "pushed", "seen", "handled"];
const HELD = { acknowledgement: "wakes nobody: a bare acknowledgement", hops: "held by the loop guard: no person spoke for long", pair: "held by the loop guard: the two talk alone", channel: "held by the loop guard: agents alone talk here", repeats: "held by the loop guard: the same text again" };
const WAYS = { hook: "its own hook proves it", transcript: "its transcript proves it", pull: "it fetched it itself", socket: "by its message socket", hook_context: "with the result of a tool", paste: "by a notice at its prompt" };

/** @param {{message: any}} props */
export function Receipt({ message }) {
  const [isOpen, setOpen] = useState(false);
  const rows = receipts.value.get(message.id) ?? [];
  if (!rows.length) return null;
  const least = Math.min(...rows.map((row) => STEPS.indexOf(row.state)));
  const at = STEPS[least];
  const text = summary(message, rows, at);
  return html`<button class=${`receipt ${isOpen || (least < 2 && rows.length) ? "open" : ""}`} data-at=${at} aria-expanded=${isOpen} aria-label=${`Receipt: ${text}`} onClick=${() => setOpen(!isOpen)}>
      <svg aria-hidden="true"><use href=${iconAddress(`rc-${at}`)} /></svg><span>${text}</span></button>
    ${isOpen && html`<ul class="receipts">${rows.map((row) => html`<li key=${row.id}><b class="name agent">${row.recipient}</b> ${detail(row)}</li>`)}</ul>`}`;
}

/** @param {any} message @param {any[]} rows @param {string} at */
function summary(message, rows, at) {
  const names = rows.filter((row) => row.state === at).map((row) => row.recipient);
  const who = names.length > 3 ? `${names.length} members` : names.join(" and ");
  const word = at === "pushed" ? "pushed to" : at === "stored" ? "stored for" : `${at} by`;
  if (at !== "stored" && at !== "pushed") return `${word} ${who}`;
  const agent = agents.get(names[0]);
  const will = outlook.value.get(message.id)?.find((row) => row.name === names[0])?.will;
  const held = rows.find((row) => row.state === "stored" && row.held_by && names.includes(row.recipient));
  if (held) return `${word} ${who} · ${HELD[/** @type {keyof HELD} */ (held.held_by)] ?? "held by a guard"}`;
  const why = agent ? expectation(agent, will) : will ?? "";
  return why ? `${word} ${who} · ${why}` : `${word} ${who}`;
}

/** @param {any} agent @param {string} [will] What was said when it was sent. */
function expectation(agent, will) {
  const { look, word } = condition(agent);
  if (look === "working") return will?.startsWith("reads it at") ? will : "reads it when it is free";
  if (look === "needs") return "reads it when its question is answered";
  if (look === "idle") return "is being woken";
  if (look === "stopped" || look === "done" || look === "failed") return `${word.toLowerCase()}: gets it when it is started`;
  return word.toLowerCase();
}

/** @param {any} row */
function detail(row) {
  const times = STEPS.filter((step) => row[`${step}_at`]).map((step) => `${step} ${clockSeconds(Date.parse(row[`${step}_at`]))}`);
  const way = WAYS[/** @type {keyof WAYS} */ (row.way)];
  if (row.state === "stored" && row.held_by) return `${times.join(" → ")}, ${HELD[/** @type {keyof HELD} */ (row.held_by)] ?? "held by a guard"}`;
  return times.join(" → ") + (way ? ` (${way})` : "") + (row.attempts > 1 ? `, offered ${row.attempts} times` : "");
}
