// @ts-check
/**
 * What makes xterm fit in here: its styles pass a strict policy, and what a program prints can neither answer for the
 * person, nor set titles, nor copy, nor link its way out.
 */

/** Private modes that make a terminal send something by itself: mouse, focus, colour-scheme and paste reports. */
const REPORTING = new Set([9, 1000, 1001, 1002, 1003, 1004, 1005, 1006, 1007, 1015, 1016, 2031]);
/** What is done as often as it says: xterm would count to a thousand million, or ask for the memory to. */
const REPEATING = [..."@bILMPSTXZ"].map((final) => /** @type {any} */ ({ final })).concat([
  { intermediates: " ", final: "@" }, { intermediates: " ", final: "A" }, { intermediates: "'", final: "}" }, { intermediates: "'", final: "~" }]);
const MOST_TIMES = 1000;

let open = 0;
/** @type {null | typeof document.createElement} */
let original = null;

/**
 * Let xterm draw under `style-src 'self'`: its style elements become adopted style sheets, its style attributes are set
 * through the object model (xtermjs/xterm.js issues 4445 and 4133). Returns what undoes it.
 */
export function adaptStyles() {
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

/**
 * Swallow every sequence that makes a terminal do something beyond its screen.
 * @param {any} terminal
 */
export function silence(terminal) {
  const { parser } = terminal;
  const swallow = () => true;
  for (const id of [{ final: "c" }, { prefix: ">", final: "c" }, { prefix: "=", final: "c" }, { final: "n" }, { prefix: "?", final: "n" },
    { intermediates: "$", final: "p" }, { prefix: "?", intermediates: "$", final: "p" }, { prefix: ">", final: "q" }, { final: "t" }, { prefix: "?", final: "u" }]) {
    parser.registerCsiHandler(id, swallow);
  }
  parser.registerCsiHandler({ prefix: "?", final: "h" }, (/** @type {any[]} */ modes) => modes.some((mode) => REPORTING.has(mode)));
  for (const id of REPEATING) parser.registerCsiHandler(id, (/** @type {any[]} */ counts) => counts[0] > MOST_TIMES);
  parser.registerDcsHandler({ intermediates: "$", final: "q" }, swallow);
  for (const code of [0, 1, 2, 4, 8, 10, 11, 12, 52]) parser.registerOscHandler(code, swallow);
}

/** The colours of the tokens: those that pictures of screens have too. */
export function theme() {
  const style = getComputedStyle(document.documentElement);
  const token = (/** @type {string} */ name) => style.getPropertyValue(name).trim() || undefined;
  const names = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"];
  const colours = names.flatMap((name, at) => [[name, token(`--a${at}`)], [`bright${name[0].toUpperCase()}${name.slice(1)}`, token(`--a${at}`)]]);
  return { background: token("--term"), foreground: token("--term-text"), cursor: token("--term-text"), ...Object.fromEntries(colours) };
}
