// @ts-check
/**
 * Notices of the browser for a tab that nobody looks at: what needs this person, and what was written to them.
 * One item is one notice, in however many tabs: its tag is the item's id. None while a tab of ours is being looked at.
 */
import { signal } from "../ui.js";
import { conversationPath, go } from "../router.js";
import { mayDecide } from "./approvals.js";
import { TROUBLES } from "./needs.js";
import { me } from "./session.js";

const KEPT = "bullpen.notices";
const WATCHED = "bullpen.watched";
const LONGEST = 140;

/** unsupported | off | on | denied */
export const notices = signal(now());

function now() {
  if (!("Notification" in window) || !navigator.locks) return "unsupported";
  if (Notification.permission === "denied") return "denied";
  return Notification.permission === "granted" && localStorage.getItem(KEPT) === "on" ? "on" : "off";
}

/** Ask the browser, from a button only. */
export async function switchOn() {
  localStorage.setItem(KEPT, "on");
  await Notification.requestPermission();
  notices.value = now();
}

export function switchOff() {
  localStorage.setItem(KEPT, "off");
  notices.value = now();
}

/** Let other tabs know that this one is being looked at: it holds a lock as long as it is. */
function watch() {
  if (!navigator.locks || document.visibilityState !== "visible") return;
  void navigator.locks.request(WATCHED, { mode: "shared" }, () => new Promise((leave) => {
    document.addEventListener("visibilitychange", () => leave(undefined), { once: true });
  }));
}
document.addEventListener("visibilitychange", watch);
watch();

async function isWatched() {
  const { held = [] } = await navigator.locks.query();
  return held.some((lock) => lock.name === WATCHED);
}

/** @param {Record<string, any>} event */
export function noticeOf(event) {
  const mine = me.value?.name;
  if (event.kind === "approval.created" && mayDecide(event.approval)) {
    const { id, asker, kind, summary } = event.approval;
    if (kind === "failure") return null; // told as what has become of the agent
    return { tag: id, title: `${asker} ${kind === "question" ? "asks" : TROUBLES.has(kind) ? "needs you" : "needs a decision"}`, body: summary, path: `/needs/${id}` };
  }
  if (event.kind === "agent.status") {
    const { name, state, reason, activity, activity_reason: why, activity_since: since, activity_reason_code: code } = event.agent;
    if (state === "fatal") return { tag: `${name} ${event.agent.since}`, title: `${name} failed`, body: reason, path: `/agents/${name}` };
    if (activity === "needs_you" && !code && state === "ready") return { tag: `${name} ${since}`, title: `${name} needs you`, body: why, path: `/agents/${name}` };
  }
  if (event.kind === "message.created" && mine) {
    const { id, channel, content, mentions, from, from_kind: kind } = event.message;
    const isDirect = channel.startsWith("dm:") && channel.split(":").includes(mine);
    if (from === mine || kind === "system" || !(isDirect || mentions.includes(mine))) return null;
    return { tag: id, title: isDirect ? `Message from ${from}` : `${from} mentions you in ${channel}`, body: content, path: conversationPath(channel, mine) };
  }
  return null;
}

/** @param {Record<string, any>} event */
export async function showNotice(event) {
  if (notices.value !== "on" || Date.now() - Date.parse(event.at) > 60_000) return; // an old event that is caught up with is no news
  const found = noticeOf(event);
  if (!found || (await isWatched())) return;
  const body = found.body.length > LONGEST ? `${found.body.slice(0, LONGEST - 1)}…` : found.body;
  const shown = new Notification(found.title, { body, tag: found.tag, icon: new URL("../icon.svg", import.meta.url).href });
  shown.onclick = () => { window.focus(); go(found.path); shown.close(); };
}
