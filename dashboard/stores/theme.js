// @ts-check
/** Colours: as the system, light or dark. */
import { effect, signal } from "../ui.js";

/** @typedef {"system"|"light"|"dark"} Theme */
const ORDER = /** @type {Theme[]} */ (["system", "light", "dark"]);
export const theme = signal(/** @type {Theme} */ (localStorage.getItem("theme") ?? "system"));

effect(() => {
  if (theme.value === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme.value;
  localStorage.setItem("theme", theme.value);
});

export function nextTheme() {
  theme.value = ORDER[(ORDER.indexOf(theme.value) + 1) % ORDER.length];
}
