// @ts-check
/** The WeChat bridge: sign it in by a code, see who is reached by it and who was not heard. */
import { html, icon, useEffect, useState } from "../ui.js";
import { bridge, loadBridge, signInBridge, signOutBridge } from "../stores/notifications.js";
import { Code } from "../components/code.js";

const WORDS = { signed_out: "Signed out", waiting: "Waits for a phone", scanned: "Scanned: confirm on the phone", connected: "Connected", unreachable: "Not reached" };

export function WeChat() {
  const found = bridge.value;
  const [problem, setProblem] = useState("");
  const isWaiting = Boolean(found?.loginInProgress);
  useEffect(() => {
    if (!isWaiting) return undefined;
    const timer = setInterval(() => void loadBridge().catch(() => {}), 1000);
    return () => clearInterval(timer);
  }, [isWaiting]);
  if (!found?.configured) return null;
  /** @param {() => Promise<void>} act */
  async function attempt(act) {
    setProblem("");
    try { await act(); } catch (failure) { setProblem(/** @type {any} */ (failure).sentence ?? String(failure)); }
  }
  const people = Object.entries(found.people ?? {});
  return html`<section class="tile" aria-labelledby="set-wechat"><header>${icon("chat")}<h2 id="set-wechat">WeChat</h2><span class="sub" role="status">${WORDS[/** @type {"waiting"} */ (found.state)]}</span>
      ${found.connected ? html`<button class="btn sm push" onClick=${() => { if (confirm("Sign WeChat out?")) void attempt(signOutBridge); }}>Sign out</button>` : !isWaiting && html`<button class="btn sm push" onClick=${() => void attempt(signInBridge)}>Sign in</button>`}</header>
    <div class="in stack">${found.reason && html`<p class="fix">${icon("warn")}${found.reason}</p>`}${problem && html`<p class="fix bad" role="alert">${icon("warn")}${problem}</p>`}
      ${isWaiting && html`<div class="scan"><${Code} rows=${found.matrix} label="Code to scan with WeChat" /><p class="dim">Scan it with WeChat, and confirm there. The code lasts five minutes.</p></div>`}
      <ul class="stack">${people.map(([name, isReached]) => html`<li key=${name} class="row">${icon("user")}<span>${name}</span><span class="muted">${isReached ? "can be written to" : "must write to it first"}</span></li>`)}</ul>
      ${found.refused?.length > 0 && html`<section class="stack" aria-label="Not heard"><p class="muted">These wrote and are not on the list, so nobody heard them. Put them under senders in agents.yaml if they belong there:</p><ul class="stack">${found.refused.map((/** @type {any} */ row) => html`<li key=${row.sender} class="row"><code class="cut">${row.sender}</code><span class="muted">${row.count} ${row.count === 1 ? "time" : "times"}</span></li>`)}</ul></section>`}</div></section>`;
}
