// @ts-check
/** How far the trail reaches, as far as this page has heard. The trail itself is asked for by filter. */
import { signal } from "../ui.js";

export const newestSeq = signal(0);

/** @param {Record<string, any>} event */
export function reduceAudit(event) {
  newestSeq.value = event.seq;
}
