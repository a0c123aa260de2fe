// @ts-check
/** One look at an agent's terminal: a WebSocket that comes back by itself, bytes by offset, and who has the keyboard. */
import { post } from "../api.js";
import { mayOperate } from "../stores/session.js";

const ACKNOWLEDGE_BYTES = 64 * 1024;

/**
 * What is known of a terminal.
 * @typedef {{state: "connecting"|"live"|"lost"|"refused"|"ended", cols: number, rows: number, holder: string|null, mine: boolean, mayType: boolean,
 *   until: string, asking: string[], asked: boolean, problem: string, at: number}} View
 */

/** @type {View} */
export const NOTHING_YET = { state: "connecting", cols: 0, rows: 0, holder: null, mine: false, mayType: false, until: "", asking: [], asked: false, problem: "", at: 0 };

export class Session {
  /** @param {string} agent @param {any} terminal @param {{value: View}} view @param {() => void} onSize */
  constructor(agent, terminal, view, onSize) {
    this.agent = agent;
    this.terminal = terminal;
    this.view = view;
    this.onSize = onSize;
    /** @type {number|null} */
    this.offset = null;
    this.acknowledged = 0;
    this.closed = false;
    this.failures = 0;
    /** @type {WebSocket|null} */
    this.socket = null;
  }

  async connect() {
    this.change({ state: "connecting", mine: false });
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
      this.change({ state: "refused", problem: /** @type {any} */ (failure).sentence ?? String(failure) });
      this.again();
    }
  }

  again() {
    if (this.closed) return;
    if (this.view.value.state === "live") this.change({ state: "lost", mine: false, holder: null, asking: [], at: Date.now() });
    this.terminal.options.disableStdin = true;
    this.failures += 1;
    const pause = this.view.value.state === "ended" ? 2000 : Math.min(15000, 500 * 2 ** this.failures);
    setTimeout(() => !this.closed && this.connect(), pause);
  }

  /** @param {any} frame */
  onFrame(frame) {
    if (frame.type === "hello") {
      this.failures = 0;
      if (frame.fresh) this.begin(frame.offset, frame.preamble);
      this.resize(frame.cols, frame.rows);
      this.change({ state: "live", holder: frame.holder, asking: frame.asking, until: frame.until, mayType: frame.mode === "input", asked: false, problem: "" });
      this.say({ type: "ack", offset: frame.offset });
    } else if (frame.type === "lock") {
      const asked = this.view.value.asked && !frame.mine;
      if (frame.cols) this.resize(frame.cols, frame.rows);
      this.change({ holder: frame.holder, mine: frame.mine, until: frame.until, asking: frame.asking, asked, problem: "" });
      this.terminal.options.disableStdin = !frame.mine;
      if (asked && frame.holder === null) this.say({ type: "take" });
    } else if (frame.type === "gap") {
      this.begin(frame.to, frame.preamble);
    } else if (frame.type === "exit") {
      this.change({ state: "ended", mine: false, holder: null, asking: [], problem: frame.reason + (frame.code === null ? "" : `, exit ${frame.code}`) });
    } else if (frame.type === "error") {
      this.change({ problem: `${frame.message} ${frame.hint}` });
    }
  }

  /** @param {number} offset @param {string} preamble */
  begin(offset, preamble) {
    this.terminal.reset();
    this.terminal.write(preamble);
    this.offset = offset;
    this.acknowledged = offset;
  }

  /** @param {ArrayBuffer} data */
  onOutput(data) {
    const at = Number(new DataView(data).getBigUint64(0));
    const bytes = new Uint8Array(data, 8);
    const known = this.offset ?? at, end = at + bytes.length;
    if (end <= known) return;
    this.offset = end;
    // Said once it is drawn: the server sends no more ahead than can be.
    this.terminal.write(at < known ? bytes.subarray(known - at) : bytes, () => {
      if (end - this.acknowledged < ACKNOWLEDGE_BYTES) return;
      this.acknowledged = end;
      this.say({ type: "ack", offset: end });
    });
  }

  /** @param {number} cols @param {number} rows */
  resize(cols, rows) {
    if (cols !== this.terminal.cols || rows !== this.terminal.rows) this.terminal.resize(cols, rows);
    this.change({ cols, rows });
    this.onSize();
  }

  ask() {
    this.change({ asked: true });
    this.say({ type: "ask" });
  }

  /** @param {Partial<View>} changes */
  change(changes) {
    this.view.value = { ...this.view.value, ...changes };
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
