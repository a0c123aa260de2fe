// @ts-check
/** Starts everything: session, snapshot, live stream, router; draws the shell around the view. */
import { effect, html, icon, render, useEffect, useState } from "./ui.js";
import { get, whenSignedOut } from "./api.js";
import { Live, connection, newVersion } from "./live.js";
import { route, startRouter } from "./router.js";
import { agents, ranked } from "./stores/agents.js";
import { approvals, reduceApprovals } from "./stores/approvals.js";
import { channels, directs, loadReads, places, reduceChannels, reduceReads, shownCount, unreadOf } from "./stores/channels.js";
import { guards, reduceGuards } from "./stores/guards.js";
import { forget, newest, reduceMessages } from "./stores/messages.js";
import { members } from "./stores/members.js";
import { waits } from "./stores/needs.js";
import { reducePresence } from "./stores/presence.js";
import { reducePins } from "./stores/pins.js";
import { reduceAudit } from "./stores/audit.js";
import { reduceFiles } from "./stores/files.js";
import { loadNotifications, reduceNotifications, state as notificationState } from "./stores/notifications.js";
import { showNotice } from "./stores/notices.js";
import { loadSchedules, reduceSchedules, state as scheduleState } from "./stores/schedules.js";
import { loadState, reduceState, state as sharedState } from "./stores/state.js";
import { load as loadSession, me, signIn, signOut, signedIn } from "./stores/session.js";
import { loadTasks, reduceTasks, state as taskState } from "./stores/tasks.js";
import { PAID, cost, loadUsage, reduceUsage, short, today } from "./stores/usage.js";
import { theme, nextTheme } from "./stores/theme.js";
import { AgentView } from "./views/agent.js";
import { AgentsView } from "./views/agents.js";
import { ChannelView, DirectView } from "./views/conversation.js";
import { AuditView } from "./views/audit.js";
import { ConversationsView } from "./views/conversations.js";
import { FilesView } from "./views/files.js";
import { DecideView } from "./views/decide.js";
import { MoreView, PLACES } from "./views/more.js";
import { NeedsView } from "./views/needs.js";
import { NowView } from "./views/now.js";
import { Palette } from "./views/palette.js";
import { SettingsView } from "./views/settings.js";
import { SchedulesView } from "./views/schedules.js";
import { SearchView } from "./views/search.js";
import { SignIn } from "./views/sign-in.js";
import { StateView } from "./views/state.js";
import { Sidebar } from "./views/sidebar.js";
import { TasksView } from "./views/tasks.js";
import { UsageView } from "./views/usage.js";
import { TerminalView } from "./views/terminal.js";
import { TerminalsView } from "./views/terminals.js";
import { Avatar } from "./components/avatar.js";
import { Empty } from "./components/faces.js";
import { Glyph } from "./components/state.js";
import { clockSeconds } from "./components/relative-time.js";

const REDUCERS = [
  reduceUsage,
  members.reduce,
  reduceChannels,
  agents.reduce,
  reduceReads,
  reduceMessages,
  reducePins,
  reduceTasks,
  reduceApprovals,
  reduceGuards,
  reduceSchedules,
  reduceState,
  reduceAudit,
  reducePresence,
  reduceFiles,
  reduceNotifications,
  (/** @type {any} */ event) => void showNotice(event),
];
const live = new Live({ onEvent: (event) => REDUCERS.forEach((reduce) => reduce(event)), onReset: async () => (await loadSnapshot()).seq });

async function loadSnapshot() {
  const snapshot = await get("/api/snapshot");
  members.load(snapshot.members);
  channels.load(snapshot.channels);
  agents.load(snapshot.agents);
  loadReads(snapshot.reads);
  approvals.load(snapshot.approvals);
  guards.load(snapshot.guards);
  me.value = snapshot.me;
  if (taskState.value.word !== "new") void loadTasks();
  if (scheduleState.value.word !== "new") void loadSchedules();
  if (sharedState.value.word !== "new") void loadState();
  if (notificationState.value.word !== "new") void loadNotifications();
  document.documentElement.dataset.team = snapshot.team;
  forget();
  const page = await get("/api/history?channel=general&limit=8").catch(() => ({ messages: [] }));
  newest.value = page.messages;
  return snapshot;
}

async function enter() {
  const snapshot = await loadSnapshot();
  live.start(snapshot.seq, snapshot.epoch, snapshot.server_version);
}

/** @param {{problem: string}} props */
function App({ problem }) {
  const state = signedIn.value;
  const [searching, search] = useState(false);
  useEffect(() => {
    const onKey = (/** @type {KeyboardEvent} */ event) => {
      if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") { event.preventDefault(); search(true); }
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, []);
  if (state === "unknown") return html`<main class="sign-in" id="main"><p role="status" class="muted">${problem || "Opening…"}</p></main>`;
  if (state === "out") return html`<${SignIn} problem=${problem} onDone=${() => void enter()} />`;
  return html`<div class="shell">
    <${Top} onSearch=${() => search(true)} /><${Sidebar} /><${View} /><${Status} /><${TabBar} />
    ${searching && html`<${Palette} onClose=${() => search(false)} />`}
    ${connection.value.state === "signed-out" && html`<div class="veil"></div><div class="over"><${SignIn} problem="You were signed out. What you wrote is kept." onDone=${() => void enter()} /></div>`}
  </div>`;
}

function View() {
  const { view, name = "" } = route.value;
  switch (view) {
    case "now": return html`<${NowView} />`;
    case "channel": return html`<${ChannelView} name=${name} target=${route.value.message} />`;
    case "direct": return html`<${DirectView} name=${name} target=${route.value.message} />`;
    case "conversations": return html`<${ConversationsView} />`;
    case "needs": return html`<${NeedsView} name=${name} />`;
    case "tasks": return html`<${TasksView} />`;
    case "schedules": return html`<${SchedulesView} />`;
    case "state": return html`<${StateView} />`;
    case "files": return html`<${FilesView} />`;
    case "usage": return html`<${UsageView} />`;
    case "search": return html`<${SearchView} />`;
    case "audit": return html`<${AuditView} />`;
    case "settings": return html`<${SettingsView} />`;
    case "more": return html`<${MoreView} />`;
    case "agents": return html`<${AgentsView} />`;
    case "agent": return html`<${AgentView} name=${name} />`;
    case "terminals": return html`<${TerminalsView} />`;
    case "terminal": return html`<${TerminalView} name=${name} />`;
    default: return html`<div class="sheet"><main class="main" id="main"><${Empty} title="There is nothing at this address" text=${name} glyph="help"><a class="btn" href="/">Home</a><//></main></div>`;
  }
}

/** @param {{onSearch: () => void}} props */
function Top({ onSearch }) {
  const label = { light: "Light", dark: "Dark", system: "As the system" }[theme.value];
  return html`<header class="top">
    <a class="team" href="/" aria-label=${`Team ${document.documentElement.dataset.team}, home`}>${icon("mark")}${document.documentElement.dataset.team}</a>
    <button class="jump desk" onClick=${onSearch}>${icon("search")}<span>Search or jump to…</span><kbd class="push">Ctrl K</kbd></button><span class="phone"></span>
    <div class="end"><${Pill} />
      ${today.value.length > 0 && html`<a class="spent desk" href="/usage" aria-label="Used today">${today.value.map((used) => html`<span key=${used.billing} title=${`${PAID[used.billing]}, today`}>${used.billing === "plan" ? `plan ${short(used.tokens)} tok` : used.cost_usd === null ? `${short(used.tokens)} tok` : `${cost(used)}`}</span>`)} today</a>`}
      ${waits() > 0 && html`<a class="needs-pill desk" href="/needs">${icon("s-needs")}<span>${waits()} need${waits() === 1 ? "s" : ""} you</span></a>`}
      ${newVersion.value && html`<button class="btn sm" onClick=${() => location.reload()}>New version ready · Reload</button>`}
      <button class="btn quiet only phone" aria-label="Search" onClick=${onSearch}>${icon("search")}</button>
      <button class="btn quiet only" aria-label=${`Colours: ${label}. Change`} title=${`Colours: ${label}`} onClick=${nextTheme}>${icon(theme.value === "dark" ? "moon" : "sun")}</button>
      <details class="mine"><summary class="btn quiet only" aria-label=${`${me.value?.name}, your menu`}><${Avatar} name=${me.value?.name ?? "?"} size="sm" /></summary><div class="pop menu"><p class="muted">${me.value?.name} · ${me.value?.role}</p><button class="btn quiet" onClick=${() => void signOut()}>Sign out</button></div></details>
    </div></header>`;
}

function Pill() {
  const { state, retryAt, since } = connection.value;
  const [, tick] = useState(0);
  useEffect(() => {
    if (state === "live") return undefined;
    const timer = setInterval(() => tick((count) => count + 1), 500);
    return () => clearInterval(timer);
  }, [state]);
  const seconds = Math.max(0, Math.ceil((retryAt - Date.now()) / 1000));
  const words = { booting: "Opening…", live: "Live", catching: "Catching up", retrying: `Reconnecting${seconds ? ` in ${seconds} s` : "…"}`, offline: "Offline", "signed-out": "Signed out" }[state] ?? state;
  const stale = state === "retrying" || state === "offline";
  return html`<span class="live" role="status" data-c=${state}>${words}</span>${stale && html`<span class="muted desk">as of ${clockSeconds(since)}</span><button class="btn sm" onClick=${() => live.retryNow()}>Retry now</button>`}`;
}

function Status() {
  const count = (/** @type {string} */ word) => ranked.value.filter((agent) => agent.state === "ready" && agent.activity === word);
  const working = count("working"), failed = ranked.value.filter((agent) => agent.state === "fatal" || agent.state === "backoff");
  return html`<footer class="status">${working.length > 0 && html`<span><${Glyph} agent=${working[0]} small=${true} />${working.length} working</span>`}
    ${failed.length > 0 && html`<span><${Glyph} agent=${failed[0]} small=${true} />${failed.length} failing</span>`}
    <span>${ranked.value.filter((agent) => agent.state === "ready").length} of ${ranked.value.length} agents up</span></footer>`;
}

function TabBar() {
  const here = (/** @type {string[]} */ ...views) => (views.includes(route.value.view) ? "page" : undefined);
  const unread = [...places.value, ...directs.value].reduce((sum, channel) => sum + unreadOf(channel.id), 0);
  return html`<nav class="tabbar" aria-label="Main">
    <a href="/" aria-current=${here("now")}>${icon("home", { class: "lg" })}Now</a>
    <a href="/needs" aria-current=${here("needs")}>${icon("s-needs", { class: "lg" })}Needs you${waits() > 0 && html`<span class="badge needs">${waits()}</span>`}</a>
    <a href="/m" aria-current=${here("conversations", "channel", "direct")}>${icon("chat", { class: "lg" })}Chat${unread > 0 && html`<span class="badge">${shownCount(unread)}</span>`}</a>
    <a href="/tasks" aria-current=${here("tasks")}>${icon("tasks", { class: "lg" })}Tasks</a>
    <a href="/more" aria-current=${here("more", "agents", "agent", "terminal", ...PLACES.map(([, view]) => view))}>${icon("more", { class: "lg" })}More</a></nav>`;
}

// Ticks of use are not in the log: what was told while the stream was broken is asked for.
effect(() => { if (connection.value.state === "live") void loadUsage(); });

effect(() => {
  const { view, name } = route.value;
  const place = view === "channel" ? `#${name}` : view === "now" ? "Now" : view === "needs" ? "Needs you" : name || view;
  document.title = `${waits() ? `(${waits()}) ` : ""}${place} · Bullpen`;
});

async function start() {
  const root = /** @type {HTMLElement} */ (document.getElementById("app"));
  whenSignedOut(() => live.signedOut());
  let problem = "";
  if (location.pathname === "/decide") {
    const link = location.hash.slice(1);
    history.replaceState(null, "", location.pathname);
    render(html`<${DecideView} code=${link} />`, root);
    return;
  }
  startRouter();
  const code = /^#k=(.+)$/.exec(location.hash)?.[1];
  if (code) history.replaceState(null, "", location.pathname); // the code is of use once, and no longer to be seen
  render(html`<${App} problem="" />`, root);
  for (;;) {
    try {
      if (code && signedIn.value === "unknown") await signIn(code).catch((failure) => { if (!failure.status) throw failure; problem = failure.sentence; });
      if (signedIn.value !== "in") await loadSession();
      if (signedIn.value === "in") await enter();
      break;
    } catch (failure) {
      render(html`<${App} problem=${/** @type {any} */ (failure).sentence ?? "The server does not answer. Trying again…"} />`, root);
      await new Promise((resolve) => setTimeout(resolve, 1500));
    }
  }
  render(html`<${App} problem=${signedIn.value === "out" ? problem : ""} />`, root);
}

void start();
