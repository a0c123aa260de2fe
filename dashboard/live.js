// @ts-check
/**
 * The live stream: a cursor, what came after it, and what to say when it breaks.
 * Read with fetch, not EventSource: heartbeat comments must be seen, or a dead connection looks quiet.
 */
import { signal } from "./ui.js";
import { get } from "./api.js";

/** booting | live | retrying | catching | offline | signed-out */
export const connection = signal({ state: "booting", retryAt: 0, since: Date.now() });
/** Set when the server that answers is newer than this page. */
export const newVersion = signal("");

const PAUSES_S = [0.5, 1, 2, 4, 8, 15];
const SILENCE_MS = 35_000;
const HELLO_MS = 10_000;
const OFFLINE_MS = 60_000;

/**
 * @typedef {{seq: number, kind: string, at: string, actor: string} & Record<string, any>} LiveEvent
 * @typedef {{onEvent: (event: LiveEvent) => void, onReset: () => Promise<number>}} Handlers
 */

export class Live {
  /** @param {Handlers} handlers */
  constructor(handlers) {
    this.handlers = handlers;
    this.cursor = 0;
    this.epoch = "";
    this.version = "";
    this.failures = 0;
    this.mute = 0;
    this.stopped = true;
    /** @type {AbortController|null} */
    this.abort = null;
    /** @type {() => void} */
    this.wake = () => {};
    const hurry = () => this.retryNow();
    addEventListener("online", hurry);
    addEventListener("focus", hurry);
    document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && hurry());
  }

  /** @param {number} seq @param {string} epoch @param {string} version */
  start(seq, epoch, version) {
    this.cursor = seq;
    this.epoch = epoch;
    this.version = version;
    if (!this.stopped) return;
    this.stopped = false;
    void this.run();
  }

  stop() {
    this.stopped = true;
    this.abort?.abort();
    this.wake();
  }

  retryNow() {
    if (connection.value.state === "retrying" || connection.value.state === "offline") this.wake();
  }

  async run() {
    let brokenSince = 0;
    while (!this.stopped) {
      try {
        // Some proxies hold a stream back: after two without a greeting the same comes by polling.
        await (this.mute >= 2 ? this.poll() : this.stream());
      } catch {
        // Whatever it was, the cursor says where to go on.
      }
      if (this.stopped) return;
      if (connection.value.state === "live") brokenSince = Date.now();
      brokenSince ||= Date.now();
      const pause = PAUSES_S[Math.min(this.failures, PAUSES_S.length - 1)] * 1000 * (0.8 + Math.random() * 0.4);
      this.failures += 1;
      const state = Date.now() - brokenSince > OFFLINE_MS ? "offline" : "retrying";
      connection.value = { state, retryAt: Date.now() + pause, since: brokenSince };
      await new Promise((resolve) => {
        const timer = setTimeout(resolve, pause);
        this.wake = () => { clearTimeout(timer); resolve(undefined); };
      });
    }
  }

  async stream() {
    const abort = new AbortController();
    this.abort = abort;
    let timer = setTimeout(() => abort.abort(), HELLO_MS);
    let greeted = false;
    const alive = () => { clearTimeout(timer); timer = setTimeout(() => abort.abort(), SILENCE_MS); };
    try {
      const response = await fetch(`/api/events?since=${this.epoch}-${this.cursor}`, { signal: abort.signal, headers: { Accept: "text/event-stream" } });
      if (response.status === 401) return this.signedOut();
      if (!response.ok || !response.body) throw new Error(`status ${response.status}`);
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = "";
      for (;;) {
        const { value, done } = await reader.read();
        if (done) return;
        alive();
        const frames = (rest + value).split("\n\n");
        rest = frames.pop() ?? "";
        for (const frame of frames) {
          const { kind, data } = parse(frame);
          if (kind === "hello") { greeted = true; this.mute = 0; this.greeted(data); }
          else if (kind === "reset") await this.reset();
          else if (data) this.take(data);
        }
      }
    } finally {
      clearTimeout(timer);
      if (!greeted && !this.stopped) this.mute += 1;
    }
  }

  async poll() {
    const answer = await get(`/api/events/poll?since=${this.epoch}-${this.cursor}&wait_s=25`);
    this.failures = 0;
    connection.value = { state: "live", retryAt: 0, since: Date.now() };
    if (answer.reset) return this.reset();
    for (const event of answer.events) this.take(event);
    this.cursor = Math.max(this.cursor, answer.next);
    if (!this.stopped) await this.poll();
  }

  /** @param {any} hello */
  greeted(hello) {
    this.failures = 0;
    if (this.version && hello.server_version !== this.version) newVersion.value = hello.server_version;
    const behind = hello.seq - this.cursor;
    connection.value = { state: behind > 0 ? "catching" : "live", retryAt: 0, since: Date.now() };
    this.goal = hello.seq;
    if (behind <= 0) return;
    // Events that others see and we do not leave the cursor behind the goal: what has come by then is all there is.
    setTimeout(() => connection.value.state === "catching" && (connection.value = { state: "live", retryAt: 0, since: Date.now() }), 800);
  }

  /** @param {LiveEvent} event */
  take(event) {
    if (typeof event.seq === "number") {
      if (event.seq <= this.cursor) return; // an overlap of replay and live
      this.cursor = event.seq;
    }
    this.handlers.onEvent(event);
    if (connection.value.state === "catching" && this.cursor >= (this.goal ?? 0)) {
      connection.value = { state: "live", retryAt: 0, since: Date.now() };
    }
  }

  async reset() {
    this.cursor = await this.handlers.onReset();
  }

  signedOut() {
    this.stop();
    connection.value = { state: "signed-out", retryAt: 0, since: Date.now() };
  }
}

/** @param {string} frame @returns {{kind: string, data: any}} */
function parse(frame) {
  let kind = "", data = "";
  for (const line of frame.split("\n")) {
    if (line.startsWith("event: ")) kind = line.slice(7);
    else if (line.startsWith("data: ")) data += line.slice(6);
  }
  return { kind, data: data ? JSON.parse(data) : null };
}
