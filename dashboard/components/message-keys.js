// @ts-check
/** Messages by keyboard: arrows go from one to the next; on one, a letter does what its toolbar offers. */

const STEPS = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1 };
const ACTS = { r: ["Reply in thread"], R: ["Quote"], "+": ["React"], e: ["Edit"], "#": ["Delete"], t: ["Make a task"], p: ["Pin", "Unpin"] };

/** @param {KeyboardEvent} event on the list of messages */
export function onMessageKey(event) {
  const message = /** @type {HTMLElement} */ (event.target);
  if (!message.matches("article.msg") || event.ctrlKey || event.metaKey || event.altKey) return;
  const step = STEPS[/** @type {keyof STEPS} */ (event.key)];
  const labels = ACTS[/** @type {keyof ACTS} */ (event.key)];
  if (step) {
    const all = [.../** @type {HTMLElement} */ (event.currentTarget).querySelectorAll("article.msg[tabindex]")];
    const next = /** @type {HTMLElement|undefined} */ (all[all.indexOf(message) + step]);
    if (next) {
      message.tabIndex = -1; // one stop of the Tab key, wherever it has been taken
      next.tabIndex = 0;
      next.focus();
    }
  } else if (labels) {
    const button = labels.map((label) => message.querySelector(`.acts > [aria-label="${label}"]`)).find((found) => found);
    if (!button) return;
    /** @type {HTMLElement} */ (button).click();
  } else return;
  event.preventDefault();
}
