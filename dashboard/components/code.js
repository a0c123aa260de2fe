// @ts-check
/** A code to be scanned: black on white in every theme, drawn as one path. */
import { html } from "../ui.js";

const BORDER = 3;

/** @param {{rows: string[], label: string}} props Rows of 0 and 1. */
export function Code({ rows, label }) {
  const size = rows.length + 2 * BORDER;
  const runs = rows.flatMap((row, y) => [...row.matchAll(/1+/g)].map((run) => `M${(run.index ?? 0) + BORDER} ${y + BORDER}h${run[0].length}v1h-${run[0].length}z`));
  return html`<svg class="scan-code" viewBox=${`0 0 ${size} ${size}`} role="img" aria-label=${label} shape-rendering="crispEdges"><rect width=${size} height=${size} fill="#fff" /><path d=${runs.join("")} fill="#000" /></svg>`;
}
