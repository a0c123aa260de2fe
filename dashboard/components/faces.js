// @ts-check
/** The faces of a list that has nothing to show: empty, loading, error. */
import { html, icon, useEffect, useState } from "../ui.js";

/** @param {{title: string, text?: string, glyph?: string, children?: any}} props */
export function Empty({ title, text, glyph = "info", children }) {
  return html`<div class="empty">${icon(glyph, { class: "lg" })}<h2>${title}</h2>${text && html`<p>${text}</p>`}${children}</div>`;
}

/** Skeletons, not before 300 ms: what comes at once needs none. @param {{rows?: number}} props */
export function Loading({ rows = 4 }) {
  const [shown, show] = useState(false);
  useEffect(() => { const timer = setTimeout(() => show(true), 300); return () => clearTimeout(timer); }, []);
  if (!shown) return null;
  return html`<div class="loading" role="status" aria-label="Loading">${Array.from({ length: rows }, (_, at) => html`<div class="row" key=${at}><span class="skel disc"></span><span class=${`skel w${[8, 6, 9, 4][at % 4]}`}></span></div>`)}</div>`;
}

/** @param {{title: string, text: string, onRetry?: () => void}} props */
export function Failed({ title, text, onRetry }) {
  return html`<div class="empty" role="alert">${icon("warn", { class: "lg" })}<h2>${title}</h2><p>${text}</p>${onRetry && html`<button class="btn" onClick=${onRetry}>Retry</button>`}</div>`;
}
