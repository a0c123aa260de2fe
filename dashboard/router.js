// @ts-check
/** Path ↔ view. Every place has its own URL; links are plain links. */
import { signal } from "./ui.js";

/** @typedef {{view: string, name?: string, tab?: string, message?: string}} Route */

/** Views whose path is their name. */
const PLACES = new Set([
  "terminals",
  "schedules",
  "state",
  "files",
  "search",
  "usage",
  "audit",
  "settings",
  "more",
]);

/** @param {string} path @returns {Route} */
export function parse(path) {
  const [first, ...rest] = path.split("/").filter(Boolean).map(decodeURIComponent);
  const name = rest.join("/");
  if (!first) return { view: "now" };
  if (first === "c" && name) return { view: "channel", name };
  if (first === "dm" && name) return { view: "direct", name };
  if (first === "needs") return { view: "needs", name };
  if (first === "tasks") return { view: "tasks", name };
  if (PLACES.has(first)) return { view: first, name };
  if (first === "m") return { view: "conversations" };
  if (first === "agents" && rest.length > 1 && rest[1] === "terminal") return { view: "terminal", name: rest[0] };
  if (first === "agents" && rest.length) return { view: "agent", name: rest[0] };
  if (first === "agents") return { view: "agents" };
  return { view: "missing", name: path };
}

/** @type {import("./vendor/signals-core.js").Signal<Route>} */
export const route = signal(here());

/** @param {string} path */
export function go(path) {
  if (path !== location.pathname + location.search) history.pushState(null, "", path);
  follow();
}

/** @returns {Route} */
function here() {
  const message = new URLSearchParams(location.search).get("m");
  return { ...parse(location.pathname), ...(message && /^msg_\d+$/.test(message) ? { message } : {}) };
}

function follow() {
  route.value = here();
  // A change of place is told to those who do not see it: the title changes, the heading gets the focus.
  requestAnimationFrame(() => {
    const heading = /** @type {HTMLElement|null} */ (document.querySelector("main h1"));
    if (heading && !document.activeElement?.closest("dialog, textarea")) heading.focus({ preventScroll: true });
  });
}

export function startRouter() {
  addEventListener("popstate", follow);
  document.addEventListener("click", (event) => {
    const link = /** @type {Element} */ (event.target).closest?.("a[href]");
    if (!(link instanceof HTMLAnchorElement) || event.defaultPrevented || event.button !== 0) return;
    if (event.metaKey || event.ctrlKey || event.shiftKey || link.target || link.hasAttribute("download") || link.origin !== location.origin) return;
    if (link.getAttribute("href")?.startsWith("#")) return;
    event.preventDefault();
    go(link.pathname + link.search);
  });
}

/** @param {any} message @param {string} me */
export const messagePath = (message, me) => `${conversationPath(message.channel, me)}?m=${message.id}`;

/** @param {string} channel @param {string} me */
export function conversationPath(channel, me) {
  if (!channel.startsWith("dm:")) return `/c/${encodeURIComponent(channel)}`;
  const [, a, b] = channel.split(":");
  return `/dm/${a === me ? b : a}`;
}
