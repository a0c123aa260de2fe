// @ts-check
/** A channel or a direct message, with a thread beside it. */
import { html, icon, useEffect, useLayoutEffect, useRef, useState } from "../ui.js";
import { connection } from "../live.js";
import { agents, condition } from "../stores/agents.js";
import { acknowledge, channels, reads, shownCount } from "../stores/channels.js";
import { conversations, loadOlder, open, openAround, openNewest, pending } from "../stores/messages.js";
import { pausedIn } from "../stores/guards.js";
import { members } from "../stores/members.js";
import { typists } from "../stores/presence.js";
import { me } from "../stores/session.js";
import { Avatar } from "../components/avatar.js";
import { CatchUp, bringIntoView } from "../components/catch-up.js";
import { Composer } from "../components/composer.js";
import { Empty, Failed, Loading } from "../components/faces.js";
import { GuardNotice } from "../components/guard.js";
import { Message, PendingMessage } from "../components/message.js";
import { onMessageKey } from "../components/message-keys.js";
import { Glyph } from "../components/state.js";
import { There } from "../components/there.js";
import { clock, dayOf } from "../components/relative-time.js";
import { ChannelTools, PinnedBar } from "./channel-head.js";
import { go } from "../router.js";

const SAME_AUTHOR_MS = 5 * 60_000;
const READ_AFTER_MS = 1000;
/** Pages that a jump loads: what is counted as unread fits in them. */
const PAGES_AT_MOST = 21;
/** So many new messages are seen at a glance. */
const ON_ONE_SCREEN = 5;
/** On a phone the keyboard comes when it is asked for. */
const hasKeyboard = matchMedia("(hover: hover) and (pointer: fine)").matches;

/** @param {{name: string, target?: string}} props */
export function ChannelView({ name, target }) {
  const channel = channels.get(name);
  if (!channel) return html`<main class="main" id="main"><${Empty} title=${`No channel #${name}`} text="It does not exist, or it is not yours to read." glyph="hash"><a class="btn" href="/">Home</a><//></main>`;
  return html`<${Conversation} key=${name} id=${name} target=${target} title=${channel.name.replace(/^topic:/, "")} sub=${channel.description} glyph=${channel.type === "topic" ? "lock" : "hash"} label=${`Message #${channel.name}`} people=${channel.members} />`;
}

/** @param {{name: string, target?: string}} props */
export function DirectView({ name, target }) {
  const mine = me.value?.name ?? "";
  if (!members.get(name)) return html`<main class="main" id="main"><${Empty} title=${`No member ${name}`} glyph="user"><a class="btn" href="/">Home</a><//></main>`;
  const id = `dm:${[mine, name].sort().join(":")}`;
  const agent = agents.get(name);
  const sub = agent ? `${condition(agent).word}${condition(agent).why ? ` · ${condition(agent).why}` : ""}` : members.get(name)?.role;
  return html`<${Conversation} key=${id} id=${id} target=${target} title=${name} sub=${sub} person=${name} label=${`Message ${name}`} people=${[mine, name]} />`;
}

/** @param {{id: string, target?: string, title: string, sub: string, glyph?: string, person?: string, label: string, people: string[]}} props */
function Conversation({ id, target, title, sub, glyph, person, label, people }) {
  const [thread, setThread] = useState(/** @type {string|null} */ (null));
  const exists = channels.rows.value.has(id);
  useEffect(() => { if (exists) void (target ? openAround(id, target) : open(id)); }, [id, target, exists, connection.value.state === "live"]);
  const conversation = conversations.value.get(id);
  const aim = conversation?.list.find((message) => message.id === target);
  useEffect(() => { if (aim?.thread) setThread(aim.thread); }, [aim?.id]);
  const all = conversation?.list ?? [];
  const roots = all.filter((message) => !message.thread || message.thread === message.id);
  const inThread = thread ? all.filter((message) => message.id === thread || message.thread === thread) : [];
  const agent = person ? agents.get(person) : null;
  return html`<div class=${`sheet ${thread ? "two panel-on" : ""}`}>
    <main class="main" id="main">
      <header class="head slim"><a class="btn quiet only phone" href="/m" aria-label="All conversations">${icon("left")}</a>
        <div class="titles row"><h1 class="slim row" tabindex="-1">${person ? html`<${Avatar} name=${person} size="sm" />` : icon(glyph ?? "hash")}${title}</h1>${person && html`<${There} name=${person} />`}<span class="sub cut desk">${sub}</span></div>
        <div class="tools">${agent && html`<a class="btn quiet sm" href=${`/agents/${person}`}><${Glyph} agent=${agent} />${condition(agent).word}</a>`}
          <${ChannelTools} id=${id} people=${people} person=${person} /></div></header>
      <${PinnedBar} id=${id} />
      <${Log} id=${id} roots=${roots} all=${all} conversation=${conversation} exists=${exists} title=${person ?? `#${title}`} target=${target} onThread=${setThread} />
      ${pausedIn(id).map((row) => html`<${GuardNotice} key=${row.id} row=${row} />`)}
      <${Doing} id=${id} people=${people} />
      ${channels.get(id)?.archived ? html`<p class="typing muted">${icon("lock", { class: "sm" })}This channel is archived: it can be read, and nothing is written in it.</p>`
      : html`<${Composer} key=${`composer ${id}`} channel=${id} label=${label} autofocus=${hasKeyboard && !target} />`}
    </main>
    ${thread && html`<${Thread} id=${id} root=${thread} list=${inThread} title=${person ?? `#${title}`} target=${target} onClose=${() => setThread(null)} />`}
  </div>`;
}

/** @param {{id: string, roots: any[], all: any[], conversation: any, exists: boolean, title: string, target?: string, onThread: (id: string) => void}} props */
function Log({ id, roots, all, conversation, exists, title, target, onThread }) {
  const box = useRef(/** @type {HTMLDivElement|null} */ (null));
  const [away, setAway] = useState(false);
  const [opened, setOpened] = useState(/** @type {Opened|undefined} */ (undefined));
  const [closed, close] = useState(false);
  const newestId = all.at(-1)?.id;
  const waiting = pending.value.filter((entry) => entry.channel === id && !entry.reply_to);

  // Where "New" begins is fixed when the conversation is opened, else it would run away from the reader.
  useEffect(() => { if (!opened && conversation?.state === "ready") setOpened(openedNow(id)); }, [conversation?.state]);
  useLayoutEffect(() => { if (!away && !target && box.current) box.current.scrollTop = 0; }, [newestId, waiting.length]);
  useEffect(() => markRead(id, newestId, away || Boolean(conversation?.hasNewer)), [id, newestId, away, conversation?.hasNewer]);
  const isThere = roots.some((message) => message.id === target);
  useLayoutEffect(() => {
    const aim = /** @type {HTMLElement|null} */ (target && isThere ? box.current?.querySelector(`[data-id="${target}"]`) : null);
    aim?.scrollIntoView({ block: "center" });
    aim?.focus({ preventScroll: true });
  }, [target, isThere]);

  function onScroll() {
    const body = box.current;
    if (!body) return;
    setAway(body.scrollTop < -80); // the box is upside down: 0 is the newest
    if (conversation?.state === "ready" && body.scrollHeight + body.scrollTop - body.clientHeight < 400) void loadOlder(id);
  }

  function toNewest() {
    if (conversation?.hasNewer) void openNewest(id);
    if (target) go(location.pathname);
    if (box.current) box.current.scrollTop = 0;
  }

  /** Load page after page until a message is there, and bring it into view. @param {(list: any[]) => any} find */
  async function jump(find) {
    for (let pages = 0; pages < PAGES_AT_MOST && !find(conversations.value.get(id)?.list ?? []); pages += 1) {
      if (!conversations.value.get(id)?.hasMore) break;
      await loadOlder(id);
    }
    const found = find(conversations.value.get(id)?.list ?? []) ?? conversations.value.get(id)?.list[0];
    requestAnimationFrame(() => bringIntoView(box.current, found?.id));
    return found;
  }
  const toFirst = () => jump((list) => firstUnread(list, opened));
  const mentioned = useRef(0);
  const toMention = async () => { mentioned.current = number(await jump((list) => nextMention(list, opened, mentioned.current))); };
  useEffect(() => {
    const onKey = (/** @type {KeyboardEvent} */ event) => {
      if (!opened?.unread || event.ctrlKey || event.metaKey || event.altKey || isWriting(event.target)) return;
      if (event.key === "n") void toFirst();
      if (event.key === "N") void toMention();
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, [opened]);

  const first = opened && firstUnread(all, opened);
  const empty = !exists || (conversation?.state === "ready" && !all.length && !waiting.length);
  return html`<div class="stage">${opened && !closed && (opened.mentions > 0 || opened.unread > ON_ONE_SCREEN) && html`<${CatchUp} unread=${opened.unread} mentions=${opened.mentions} since=${first && number(all[0]) <= opened.last ? first.created_at : undefined} onFirst=${toFirst} onMention=${toMention} onClose=${() => close(true)} />`}<div class="body" ref=${box} tabindex="0" aria-label=${`Messages in ${title}`} onScroll=${onScroll}>
      ${conversation?.state === "error" ? html`<${Failed} title="The messages could not be loaded" text=${conversation.error} onRetry=${() => open(id)} />`
      : empty ? html`<${Empty} title="Nobody has spoken here" text=${id.startsWith("dm:") ? "What you write here only you two read." : "Say hello. Mention with @name whom you want to wake."} glyph="chat" />`
      : !conversation || (conversation.state === "loading" && !all.length) ? html`<${Loading} rows=${6} />`
      : html`<div class="log" role="log" aria-live="polite" aria-relevant="additions" onKeyDown=${onMessageKey}>
          ${conversation.hasMore && html`<p class="note"><button class="btn quiet sm" onClick=${() => loadOlder(id)}>${conversation.state === "loading" ? "Loading…" : "Older messages"}</button></p>`}
          ${roots.map((message, at) => html`<${Entry} key=${message.id} message=${message} before=${roots[at - 1]} news=${message === first && opened ? opened.unread : 0} isTarget=${message.id === target} isLast=${at === roots.length - 1} replies=${all.filter((other) => other.thread === message.id && other.id !== message.id)} onThread=${onThread} />`)}
          ${waiting.map((entry) => html`<${PendingMessage} key=${entry.client_id} entry=${entry} onEdit=${(/** @type {string} */ text) => dispatchEvent(new CustomEvent("bullpen:draft", { detail: { channel: id, text } }))} />`)}
        </div>`}
    </div>
    ${(away || conversation?.hasNewer) && html`<button class="jump-new" onClick=${toNewest}>${icon("newest")}Newest</button>`}</div>`;
}

/** @param {{message: any, before: any, news: number, isTarget: boolean, isLast: boolean, replies: any[], onThread: (id: string) => void}} props */
function Entry({ message, before, news, isTarget, isLast, replies, onThread }) {
  const newDay = !before || dayOf(before.created_at) !== dayOf(message.created_at);
  const same = !newDay && !news && before?.from === message.from && Date.parse(message.created_at) - Date.parse(before.created_at) < SAME_AUTHOR_MS;
  return html`${newDay && html`<div class="day" role="separator"><span>${dayOf(message.created_at)}</span></div>`}
    ${news > 0 && html`<div class="new" role="separator"><span>New · ${shownCount(news)} since ${clock(message.created_at)}</span></div>`}
    <${Message} message=${message} same=${same} isTarget=${isTarget} isLast=${isLast} replies=${replies} onReply=${onThread} />`;
}

/** @typedef {{last: number, unread: number, mentions: number}} Opened how far one had read when the conversation was opened */

/** @param {string} id @returns {Opened} */
function openedNow(id) {
  const read = reads.value.get(id);
  return { last: number(read?.last_read ? { id: read.last_read } : undefined), unread: read?.unread ?? 0, mentions: read?.mentions ?? 0 };
}

/** @param {any} message */
const number = (message) => (message ? Number(message.id.slice(4)) : 0);
/** @param {any} message @param {Opened|undefined} opened */
const isNews = (message, opened) => !!opened && opened.unread > 0 && number(message) > opened.last && message.from !== me.value?.name;

/**
 * The first unread message that stands in the log itself; undefined while an older one may not be loaded yet.
 * @param {any[]} list @param {Opened|undefined} opened
 */
function firstUnread(list, opened) {
  const at = list.findIndex((message) => isNews(message, opened) && (!message.thread || message.thread === message.id));
  const isSure = at > 0 && list.slice(0, at).some((message) => number(message) <= (opened?.last ?? 0));
  return at >= 0 && (isSure || list.filter((message) => isNews(message, opened)).length >= (opened?.unread ?? 0)) ? list[at] : undefined;
}

/** @param {any[]} list @param {Opened|undefined} opened @param {number} after */
function nextMention(list, opened, after) {
  const naming = list.filter((message) => isNews(message, opened) && message.mentions.includes(me.value?.name));
  if (naming.length < (opened?.mentions ?? 0)) return undefined;
  return naming.find((message) => number(message) > after) ?? naming[0];
}

/** @param {EventTarget|null} target */
const isWriting = (target) => target instanceof Element && !!target.closest("input, textarea, select, [contenteditable]");

/**
 * Mark read what is on the screen once the tab was visible and focused for a second.
 * @param {string} id @param {string|undefined} newestId @param {boolean} away
 */
function markRead(id, newestId, away) {
  if (!newestId || away) return undefined;
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  let timer;
  const isUnread = () => (reads.value.get(id)?.unread ?? 0) > 0;
  const begin = () => {
    clearTimeout(timer);
    if (document.visibilityState !== "visible" || !document.hasFocus()) return;
    timer = setTimeout(() => { if (isUnread()) acknowledge(id, newestId).catch(() => undefined); }, READ_AFTER_MS);
  };
  const stop = () => clearTimeout(timer);
  begin();
  addEventListener("focus", begin);
  addEventListener("blur", stop);
  document.addEventListener("visibilitychange", begin);
  return () => { stop(); removeEventListener("focus", begin); removeEventListener("blur", stop); document.removeEventListener("visibilitychange", begin); };
}

/** Who types here, else who works. @param {{id: string, people: string[]}} props */
function Doing({ id, people }) {
  const names = typists.value.get(id) ?? [];
  if (!names.length) return html`<${Working} people=${people} />`;
  const who = names.length > 2 ? `${names[0]} and ${names.length - 1} others` : names.join(" and ");
  return html`<p class="typing" role="status"><span class="cut">${who} ${names.length > 1 ? "are" : "is"} typing…</span></p>`;
}

/** @param {{people: string[]}} props */
function Working({ people }) {
  const busy = people.map((name) => agents.get(name)).filter((agent) => agent && condition(agent).look === "working" && agent.activity === "working");
  if (!busy.length) return html`<p class="typing" aria-hidden="true"></p>`;
  const [first] = busy;
  return html`<p class="typing"><${Glyph} agent=${first} small=${true} /><span class="cut"><span class="name agent">${first.name}</span> is working · ${condition(first).why}${busy.length > 1 ? ` · and ${busy.length - 1} more` : ""}</span></p>`;
}

/** @param {{id: string, root: string, list: any[], title: string, target?: string, onClose: () => void}} props */
function Thread({ id, root, list, title, target, onClose }) {
  const waiting = pending.value.filter((entry) => entry.channel === id && entry.reply_to === root);
  return html`<aside class="panel" aria-label="Thread">
    <header class="head slim"><h2>Thread</h2><span class="sub">${title}</span><div class="tools"><button class="btn quiet only sm" aria-label="Close thread" onClick=${onClose}>${icon("x")}</button></div></header>
    <div class="body flush"><div class="log" onKeyDown=${onMessageKey}>${list.map((message, at) => html`${at === 1 && html`<div class="day"><span>${list.length - 1} ${list.length === 2 ? "reply" : "replies"}</span></div>`}<${Message} key=${message.id} message=${message} inThread=${root} isTarget=${message.id === target} isLast=${at === list.length - 1} />`)}
      ${waiting.map((entry) => html`<${PendingMessage} key=${entry.client_id} entry=${entry} onEdit=${() => undefined} />`)}</div></div>
    ${!channels.get(id)?.archived && html`<${Composer} key=${`thread ${root}`} channel=${id} label="Reply in thread" replyTo=${root} autofocus=${hasKeyboard} />`}
  </aside>`;
}
