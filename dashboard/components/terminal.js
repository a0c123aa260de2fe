// @ts-check
/** A live terminal: drawn by xterm as wide as its agent sees it, scaled to the room there is. Looking is free; typing needs the keyboard. */
import { html, icon, signal, useEffect, useRef, useSignal, useState } from "../ui.js";
import { me } from "../stores/session.js";
import { Dialog } from "./dialog.js";
import { adaptStyles, silence, theme } from "./quiet-xterm.js";
import { clockSeconds } from "./relative-time.js";
import { NOTHING_YET, Session } from "./terminal-session.js";

const SCROLLBACK = 5000;
const KEYS = [["Esc", "\x1b"], ["Tab", "\t"], ["↑", "\x1b[A"], ["↓", "\x1b[B"], ["Ctrl C", "\x03"], ["y", "y"], ["n", "n"], ["Enter", "\r"]];
const LARGEST_FONT = 13, SMALLEST_FONT = 6;
const RESIZED_AFTER_MS = 150;

/** @param {{agent: string, actions?: any}} props */
export function Terminal({ agent, actions }) {
  const host = useRef(/** @type {HTMLDivElement|null} */ (null));
  const session = useRef(/** @type {Session|null} */ (null));
  const xterm = useRef(/** @type {any} */ (null));
  const view = useSignal(NOTHING_YET);
  const [pasted, setPasted] = useState("");
  const [searching, search] = useState(false);

  useEffect(() => {
    let gone = false;
    const undo = adaptStyles();
    const room = /** @type {HTMLDivElement} */ (host.current);
    const scale = () => xterm.current && fitFont(xterm.current, room);
    // Only who has the keyboard sets the size; for all others the letters shrink.
    let timer = 0;
    const watcher = new ResizeObserver(() => {
      clearTimeout(timer);
      timer = setTimeout(() => (view.value.mine ? fitSize(xterm.current, room, session.current) : scale()), RESIZED_AFTER_MS);
    });
    const ask = (/** @type {ClipboardEvent} */ event) => {
      const text = event.clipboardData?.getData("text") ?? "";
      if (!view.value.mine || !/[\r\n]/.test(text.trimEnd())) return;
      event.preventDefault();
      event.stopPropagation();
      setPasted(text);
    };
    room.addEventListener("paste", ask, true);
    void (async () => {
      const { Terminal: Xterm } = await import("../vendor/xterm.mjs");
      if (gone) return;
      const terminal = new Xterm({ scrollback: SCROLLBACK, fontSize: LARGEST_FONT, disableStdin: true, convertEol: false, theme: theme(), screenReaderMode: readerMode.value,
        minimumContrastRatio: 4.5, fontFamily: getComputedStyle(document.documentElement).getPropertyValue("--mono"), linkHandler: null, allowProposedApi: false });
      xterm.current = terminal;
      silence(terminal);
      terminal.open(room);
      const live = new Session(agent, terminal, view, scale);
      session.current = live;
      terminal.onData((/** @type {string} */ data) => view.value.mine && live.say({ type: "in", data }));
      terminal.attachCustomKeyEventHandler((/** @type {KeyboardEvent} */ event) => {
        if (event.ctrlKey && event.shiftKey && event.key === "Escape") {
          live.say({ type: "release" });
          /** @type {HTMLElement|null} */ (document.querySelector(".term > .lease .btn, main h1"))?.focus();
          return false;
        }
        return true;
      });
      await live.connect();
      watcher.observe(room);
    })();
    return () => { gone = true; clearTimeout(timer); watcher.disconnect(); room.removeEventListener("paste", ask, true); session.current?.close(); xterm.current?.dispose(); undo(); };
  }, [agent]);

  const { state, mine } = view.value;
  useEffect(() => {
    if (!mine || !host.current) return;
    fitSize(xterm.current, host.current, session.current);
    xterm.current.focus();
  }, [mine]);
  const say = (/** @type {Record<string, unknown>} */ frame) => session.current?.say(frame);
  return html`<section class=${`term ${mine ? "mine" : ""} ${state === "live" ? "" : "off"}`} aria-label=${`Terminal of ${agent}, ${mine ? "you type here" : "view only"}`}>
    <header><span class="name agent">${agent}</span><span class="cut">${state === "live" ? "live" : state}</span><span class="push num desk">${view.value.cols ? `${view.value.cols}×${view.value.rows}` : ""}</span>
      <button class="btn quiet only sm" aria-label="Search in terminal" aria-expanded=${searching} onClick=${() => search(!searching)}>${icon("search")}</button>
      <a class="btn quiet only sm" href=${`/api/agents/${agent}/logs/download`} download=${`${agent}.txt`} aria-label="Download what was printed">${icon("download")}</a>${actions}</header>
    <${Lease} view=${view.value} say=${say} onAsk=${() => session.current?.ask()} />
    <div class="screen"><div ref=${host}></div></div>
    ${searching && html`<${Search} terminal=${xterm.current} onClose=${() => { search(false); xterm.current?.focus(); }} />`}
    ${mine && html`<div class="keys phone">${KEYS.map(([label, data]) => html`<button class="btn sm" key=${label} onClick=${() => say({ type: "in", data })}>${label}</button>`)}</div>`}
    ${pasted && html`<${Dialog} title=${`Paste ${pasted.trimEnd().split(/\r\n|\r|\n/).length} lines?`} onClose=${() => setPasted("")}><div class="in"><p>Each line may be run as it comes.</p><pre class="cmd">${pasted}</pre></div>
      <footer><button class="btn" onClick=${() => setPasted("")}>Cancel</button><button class="btn primary" autofocus onClick=${() => { xterm.current.paste(pasted); setPasted(""); xterm.current.focus(); }}>Paste</button></footer><//>`}
  </section>`;
}

/** @param {{view: import("./terminal-session.js").View, say: (frame: Record<string, unknown>) => void, onAsk: () => void}} props */
function Lease({ view, say, onAsk }) {
  const { state, holder, mine, mayType, asking, asked } = view;
  const others = asking.filter((name) => name !== me.value?.name);
  if (mine) {
    return html`<div class="lease" role="status">${icon("keyboard")}<b>You type here</b>${others.length > 0
      ? html`<span>${others.join(", ")} would like to type</span>` : html`<${TimeLeft} until=${view.until} /><span class="cut desk">renewed by typing, recorded in audit</span>`}
      <span class="push desk">leave <kbd>Ctrl Shift Esc</kbd></span><button class="btn sm" onClick=${() => say({ type: "release" })}>${others.length ? "Hand over" : "Release"}</button></div>`;
  }
  const isLive = state === "live" && mayType;
  return html`<div class="lease" role="status">${icon("eye")}<b>View only</b><span class="cut">${words(view)}</span>
    ${isLive && !holder && html`<button class="btn sm push" onClick=${() => say({ type: "take" })}>Take input</button>`}
    ${isLive && holder && html`<button class="btn sm push" disabled=${asked} onClick=${onAsk}>${asked ? "Asked" : "Ask for it"}</button>`}
    ${isLive && holder && me.value?.role === "chairman" && html`<button class="btn sm" onClick=${() => say({ type: "take", force: true })}>Take it from ${holder}</button>`}</div>`;
}

/** @param {{until: string}} props */
function TimeLeft({ until }) {
  const [, tick] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => tick((count) => count + 1), 1000);
    return () => clearInterval(timer);
  }, []);
  const left = Math.max(0, Math.round((Date.parse(until) - Date.now()) / 1000));
  return html`<span class="num" aria-hidden="true">${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")} left</span>`;
}

/** @param {{terminal: any, onClose: () => void}} props */
function Search({ terminal, onClose }) {
  const [found, setFound] = useState("");
  const place = useRef({ row: -1, column: 0 });
  const box = useRef(/** @type {HTMLInputElement|null} */ (null));
  useEffect(() => box.current?.focus(), []);
  const find = (/** @type {string} */ text, /** @type {1|-1} */ step) => {
    const next = text ? nextMatch(terminal.buffer.active, text, place.current, step) : null;
    setFound(text && !next ? "Not found" : "");
    if (!next) return terminal.clearSelection();
    place.current = next;
    terminal.select(next.column, next.row, text.length);
    return terminal.scrollToLine(Math.max(0, next.row - 3));
  };
  const onKey = (/** @type {any} */ event) => {
    if (event.key === "Escape") onClose();
    if (event.key === "Enter") find(event.target.value, event.shiftKey ? 1 : -1);
  };
  return html`<form class="find" role="search" onSubmit=${(/** @type {Event} */ event) => event.preventDefault()}><input class="input" type="search" aria-label="Search in what was printed" placeholder="Search, Enter for the one before" autocomplete="off" autofocus
    ref=${box} onKeyDown=${onKey} onInput=${(/** @type {any} */ event) => { place.current = { row: terminal.buffer.active.length, column: 0 }; find(event.target.value, -1); }} /><span role="status">${found}</span>
    <button type="button" class="btn quiet only sm" aria-label="Close search" onClick=${onClose}>${icon("x")}</button></form>`;
}

/**
 * The next place of a text, upwards (-1) or downwards, or null. Case is of no account.
 * @param {any} buffer @param {string} text @param {{row: number, column: number}} from @param {1|-1} step
 */
function nextMatch(buffer, text, from, step) {
  const wanted = text.toLowerCase();
  for (let row = from.row; row >= 0 && row <= buffer.length; row += step) {
    const line = buffer.getLine(row)?.translateToString(true).toLowerCase() ?? "";
    const here = row === from.row;
    const column = step < 0 ? (here && from.column === 0 ? -1 : line.lastIndexOf(wanted, here ? from.column - 1 : Infinity)) : line.indexOf(wanted, here ? from.column + 1 : 0);
    if (column >= 0) return { row, column };
  }
  return null;
}

/** @param {any} terminal @param {HTMLElement} room */
function fitFont(terminal, room) {
  const drawn = room.querySelector(".xterm-screen");
  const width = drawn instanceof HTMLElement ? drawn.offsetWidth : 0;
  if (!width || !room.clientWidth) return;
  const size = Math.floor((terminal.options.fontSize * (room.clientWidth - 14)) / width * 10) / 10;
  terminal.options.fontSize = Math.max(SMALLEST_FONT, Math.min(LARGEST_FONT, size));
}

/** @param {any} terminal @param {HTMLElement} room @param {Session|null} session */
function fitSize(terminal, room, session) {
  terminal.options.fontSize = LARGEST_FONT;
  const drawn = room.querySelector(".xterm-screen"), frame = room.parentElement;
  if (!(drawn instanceof HTMLElement) || !frame || !drawn.offsetWidth) return;
  const cols = Math.floor((room.clientWidth - 14) / (drawn.offsetWidth / terminal.cols));
  const rows = Math.floor((frame.clientHeight - 16) / (drawn.offsetHeight / terminal.rows));
  if (cols < 20 || rows < 5 || (cols === terminal.cols && rows === terminal.rows)) return;
  session?.say({ type: "resize", cols: Math.min(500, cols), rows: Math.min(300, rows) });
}

/** Screen readers get the terminal's lines as text. */
export const readerMode = signal(localStorage.getItem("terminal reader") === "on");

/** @param {import("./terminal-session.js").View} view */
function words({ state, holder, problem, at }) {
  if (state === "ended") return `not running: ${problem}`;
  if (state === "lost") return `disconnected at ${clockSeconds(at)}, keys are refused; trying again`;
  if (problem) return problem;
  if (state !== "live") return "connecting…";
  return holder ? `${holder} types` : "nobody types";
}
