// @ts-check
/**
 * A live terminal: bytes by offset over a WebSocket, drawn by xterm. Looking is free; typing needs the lease.
 * What an agent prints can neither answer for the person, nor set titles, nor copy, nor link their way out.
 */
import { html, icon, signal, useEffect, useRef, useSignal } from "../ui.js";
import { post } from "../api.js";
import { mayOperate, me } from "../stores/session.js";
import { clockSeconds } from "./relative-time.js";

const SCROLLBACK = 5000;
/** Private modes that make a terminal send something by itself: mouse, focus, colour-scheme and paste reports. */
const REPORTING = new Set([9, 1000, 1001, 1002, 1003, 1004, 1005, 1006, 1007, 1015, 1016, 2031]);
const KEYS = [["Esc", "\x1b"], ["Tab", "\t"], ["↑", "\x1b[A"], ["↓", "\x1b[B"], ["Ctrl C", "\x03"], ["y", "y"], ["n", "n"], ["Enter", "\r"]];

let open = 0;
/** @type {null | typeof document.createElement} */
let original = null;

/**
 * Let xterm draw under `style-src 'self'`: its style elements become adopted style sheets, its style attributes are set
 * through the object model (xtermjs/xterm.js issues 4445 and 4133). Returns what undoes it.
 */
function adaptStyles() {
  open += 1;
  if (original === null) {
    const create = document.createElement.bind(document);
    original = create;
    document.createElement = /** @type {any} */ ((/** @type {string} */ name, /** @type {any} */ options) => {
      if (name === "style") return adoptedStyle(create("span"));
      const element = create(name, options);
      if (name === "span") {
        const set = element.setAttribute.bind(element);
        element.setAttribute = (attribute, value) => (attribute === "style" ? void (element.style.cssText = value) : set(attribute, value));
      }
      return element;
    });
  }
  return () => {
    open -= 1;
    if (open === 0 && original) {
      document.createElement = /** @type {any} */ (original);
      original = null;
    }
  };
}

/** @param {HTMLElement} element */
function adoptedStyle(element) {
  const sheet = new CSSStyleSheet();
  element.hidden = true;
  Object.defineProperty(element, "textContent", { set: (text) => sheet.replaceSync(text), get: () => "" });
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
  const remove = element.remove.bind(element);
  element.remove = () => {
    document.adoptedStyleSheets = document.adoptedStyleSheets.filter((other) => other !== sheet);
    remove();
  };
  return element;
}

/** @param {any} terminal */
function silence(terminal) {
  const { parser } = terminal;
  const swallow = () => true;
  for (const id of [{ final: "c" }, { prefix: ">", final: "c" }, { prefix: "=", final: "c" }, { final: "n" }, { prefix: "?", final: "n" },
    { intermediates: "$", final: "p" }, { prefix: "?", intermediates: "$", final: "p" }, { prefix: ">", final: "q" }, { final: "t" }, { prefix: "?", final: "u" }]) {
    parser.registerCsiHandler(id, swallow);
  }
  parser.registerCsiHandler({ prefix: "?", final: "h" }, (/** @type {any[]} */ modes) => modes.some((mode) => REPORTING.has(mode)));
  parser.registerDcsHandler({ intermediates: "$", final: "q" }, swallow);
  for (const code of [0, 1, 2, 4, 8, 10, 11, 12, 52]) parser.registerOscHandler(code, swallow);
}

/** The colours of the tokens. */
function theme() {
  const style = getComputedStyle(document.documentElement);
  const token = (/** @type {string} */ name) => style.getPropertyValue(name).trim() || undefined;
  const names = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"];
  return { background: "#0f1216", foreground: "#e8ebef", cursor: "#e8ebef", ...Object.fromEntries(names.map((name, at) => [name, token(`--ansi-${at}`)]).filter(([, value]) => value)) };
}

class Session {
  /** @param {string} agent @param {any} terminal @param {any} view */
  constructor(agent, terminal, view) {
    this.agent = agent;
    this.terminal = terminal;
    this.view = view;
    /** @type {number|null} */
    this.offset = null;
    this.closed = false;
    this.failures = 0;
    this.wantsInput = false;
    /** @type {WebSocket|null} */
    this.socket = null;
  }

  async connect() {
    this.view.value = { ...this.view.value, state: "connecting", mine: false };
    try {
      const { ticket } = await post(`/api/agents/${this.agent}/terminal/ticket`, { mode: mayOperate() ? "input" : "view" });
      if (this.closed) return;
      const since = this.offset === null ? "" : `&since=${this.offset}`;
      const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws/terminal?ticket=${ticket}${since}`);
      socket.binaryType = "arraybuffer";
      this.socket = socket;
      socket.onmessage = (event) => (typeof event.data === "string" ? this.onFrame(JSON.parse(event.data)) : this.onOutput(event.data));
      socket.onclose = () => this.again();
    } catch (failure) {
      this.view.value = { ...this.view.value, state: "refused", problem: /** @type {any} */ (failure).sentence ?? String(failure) };
      this.again();
    }
  }

  again() {
    if (this.closed) return;
    if (this.view.value.state === "live") this.view.value = { ...this.view.value, state: "lost", mine: false, holder: null, at: Date.now() };
    this.failures += 1;
    const pause = this.view.value.state === "ended" ? 2000 : Math.min(15000, 500 * 2 ** this.failures);
    setTimeout(() => !this.closed && this.connect(), pause);
  }

  /** @param {any} frame */
  onFrame(frame) {
    const { view } = this;
    if (frame.type === "hello") {
      this.failures = 0;
      if (this.offset === null || frame.offset > this.offset) this.terminal.reset();
      this.offset = frame.offset;
      if (!view.value.mine) this.terminal.resize(frame.cols, frame.rows);
      view.value = { ...view.value, state: "live", cols: frame.cols, rows: frame.rows, holder: frame.holder, mayType: frame.mode === "input", problem: "" };
    } else if (frame.type === "lock") {
      view.value = { ...view.value, holder: frame.holder, mine: frame.mine, until: frame.until, problem: "" };
      this.terminal.options.disableStdin = !frame.mine;
      if (frame.mine) this.terminal.focus();
    } else if (frame.type === "gap") {
      this.terminal.reset();
      this.offset = frame.to;
    } else if (frame.type === "exit") {
      view.value = { ...view.value, state: "ended", mine: false, holder: null, problem: frame.reason + (frame.code === null ? "" : `, exit ${frame.code}`) };
    } else if (frame.type === "error") {
      view.value = { ...view.value, problem: `${frame.message} ${frame.hint}` };
    }
  }

  /** @param {ArrayBuffer} data */
  onOutput(data) {
    const at = Number(new DataView(data).getBigUint64(0));
    const bytes = new Uint8Array(data, 8);
    const known = this.offset ?? at;
    if (at + bytes.length <= known) return;
    this.terminal.write(at < known ? bytes.subarray(known - at) : bytes);
    this.offset = at + bytes.length;
  }

  /** @param {Record<string, unknown>} frame */
  say(frame) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(frame));
  }

  close() {
    this.closed = true;
    this.socket?.close();
  }
}

/** @param {{agent: string}} props */
export function Terminal({ agent }) {
  const host = useRef(/** @type {HTMLDivElement|null} */ (null));
  const session = useRef(/** @type {Session|null} */ (null));
  const view = useSignal({ state: "connecting", cols: 0, rows: 0, holder: /** @type {string|null} */ (null), mine: false, mayType: false, until: "", problem: "", at: 0 });

  useEffect(() => {
    let gone = false;
    const undo = adaptStyles();
    /** @type {any} */
    let terminal;
    void (async () => {
      const { Terminal: Xterm } = await import("../vendor/xterm.mjs");
      if (gone || !host.current) return;
      terminal = new Xterm({ scrollback: SCROLLBACK, fontSize: 13, disableStdin: true, convertEol: false, theme: theme(), screenReaderMode: readerMode.value,
        fontFamily: getComputedStyle(document.documentElement).getPropertyValue("--mono"), linkHandler: null, allowProposedApi: false });
      silence(terminal);
      terminal.open(host.current);
      const live = new Session(agent, terminal, view);
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
    })();
    return () => { gone = true; session.current?.close(); terminal?.dispose(); undo(); };
  }, [agent]);

  const { state, holder, mine, mayType, problem } = view.value;
  const take = (/** @type {boolean} */ force) => session.current?.say({ type: "take", force });
  return html`<section class=${`term ${mine ? "mine" : ""} ${state === "live" ? "" : "off"}`} aria-label=${`Terminal of ${agent}, ${mine ? "you type here" : "view only"}`}>
    <header><span class="name agent">${agent}</span><span class="cut">${state === "live" ? "live" : state}</span><span class="push num desk">${view.value.cols ? `${view.value.cols}×${view.value.rows}` : ""}</span></header>
    <div class="lease" role="status">${icon(mine ? "keyboard" : "eye")}${mine
      ? html`<b>You type here</b><span class="cut desk">recorded in audit</span><span class="push desk">leave <kbd>Ctrl Shift Esc</kbd></span><button class="btn sm" onClick=${() => session.current?.say({ type: "release" })}>Release</button>`
      : html`<b>View only</b><span class="cut">${lease(state, holder, problem, view.value.at)}</span>${state === "live" && mayType && html`<button class="btn sm push" onClick=${() => take(false)}>Take input</button>`}
        ${state === "live" && holder && holder !== me.value?.name && me.value?.role === "chairman" && html`<button class="btn sm" onClick=${() => take(true)}>Take it from ${holder}</button>`}`}</div>
    <div class="screen" ref=${host}></div>
    ${mine && html`<div class="keys phone">${KEYS.map(([label, data]) => html`<button class="btn sm" key=${label} onClick=${() => session.current?.say({ type: "in", data })}>${label}</button>`)}</div>`}
  </section>`;
}

/** Screen readers get the terminal's lines as text. */
export const readerMode = signal(localStorage.getItem("terminal reader") === "on");

/** @param {string} state @param {string|null} holder @param {string} problem @param {number} at */
function lease(state, holder, problem, at) {
  if (state === "ended") return `not running: ${problem}`;
  if (state === "lost") return `disconnected at ${clockSeconds(at)}, keys are refused; trying again`;
  if (problem) return problem;
  if (state !== "live") return "connecting…";
  return holder ? `${holder} types` : "nobody types";
}
