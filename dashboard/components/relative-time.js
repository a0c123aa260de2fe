// @ts-check
/** Times that age by themselves; one clock for all of them. */
import { effect, html, signal } from "../ui.js";
import { connection } from "../live.js";

const now = signal(Date.now());
// Ages freeze while the stream is down: what is shown is as old as the last thing heard.
setInterval(() => { if (connection.value.state === "live" || connection.value.state === "booting") now.value = Date.now(); }, 1000);
effect(() => { if (connection.value.state === "live") now.value = Date.now(); });

/** @param {string} at */
export function age(at) {
  const seconds = Math.max(0, Math.round((now.value - Date.parse(at)) / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} m`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ${String(Math.floor(seconds / 60) % 60).padStart(2, "0")} m`;
  return `${Math.floor(seconds / 86400)} d`;
}

/** @param {{at: string}} props */
export function Left({ at }) {
  const seconds = Math.max(0, Math.round((Date.parse(at) - now.value) / 1000));
  const words = seconds >= 3600 ? `${Math.floor(seconds / 3600)} h ${String(Math.floor(seconds / 60) % 60).padStart(2, "0")} m` : seconds >= 60 ? `${Math.floor(seconds / 60)} m ${String(seconds % 60).padStart(2, "0")} s` : `${seconds} s`;
  return html`<time datetime=${at} title=${FULL.format(new Date(at))}>${words}</time>`;
}

const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const FULL = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const DAY = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });

/** @param {{at: string}} props */
export const Age = ({ at }) => html`<time datetime=${at} title=${FULL.format(new Date(at))}>${age(at)}</time>`;
/** @param {{at: string}} props */
export const Clock = ({ at }) => html`<time datetime=${at} title=${FULL.format(new Date(at))}>${CLOCK.format(new Date(at))}</time>`;
/** @param {string} at */
export const clock = (at) => CLOCK.format(new Date(at));
/** @param {number} at */
export const clockSeconds = (at) => new Date(at).toTimeString().slice(0, 8);

/** @param {string} at */
export function dayOf(at) {
  const day = new Date(at);
  const today = new Date();
  if (day.toDateString() === today.toDateString()) return "Today";
  today.setDate(today.getDate() - 1);
  return day.toDateString() === today.toDateString() ? "Yesterday" : DAY.format(day);
}
