// @ts-check
/** Signing in: by the link that `bullpen up` prints. There is no password to forget and no key to keep. */
import { html, icon, useState } from "../ui.js";
import { signIn } from "../stores/session.js";

/** @param {{problem?: string, onDone: () => void}} props */
export function SignIn({ problem = "", onDone }) {
  const [error, setError] = useState(problem);
  async function submit(/** @type {SubmitEvent} */ event) {
    event.preventDefault();
    const text = String(new FormData(/** @type {HTMLFormElement} */ (event.target)).get("link")).trim();
    try {
      await signIn(text.includes("#k=") ? text.split("#k=")[1] : text);
      onDone();
    } catch (failure) { setError(/** @type {any} */ (failure).sentence ?? String(failure)); }
  }
  return html`<main class="sign-in" id="main"><form class="card" onSubmit=${submit}>
    <h1 tabindex="-1">${icon("mark", { class: "lg" })}Bullpen</h1>
    <p class="dim">Open the link that <code>bullpen up</code> prints. It signs you in once. A new one, on the machine of the server:</p>
    <p class="cmd">bullpen token link</p>
    <div class="field"><label for="link">Or paste it here</label><input class="input mono" id="link" name="link" required autocomplete="one-time-code" spellcheck="false" /></div>
    ${error && html`<p class="fix bad" role="alert">${icon("warn")}${error}</p>`}
    <button class="btn primary">Sign in</button></form></main>`;
}
