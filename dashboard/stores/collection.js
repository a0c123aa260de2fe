// @ts-check
/**
 * A collection of the snapshot: rows by key, changed only by whole rows. Snapshot + events = new snapshot.
 */
import { signal } from "../ui.js";

/**
 * @template Row
 * @param {string} key field that identifies a row
 * @param {Record<string, string>} kinds event kind → field that holds the new row
 */
export function collection(key, kinds) {
  /** @type {import("../vendor/signals-core.js").Signal<ReadonlyMap<string, any>>} */
  const rows = signal(new Map());
  return {
    rows,
    /** @param {any[]} list */
    load(list) {
      rows.value = new Map(list.map((row) => [row[key], row]));
    },
    /** @param {Record<string, any>} event */
    reduce(event) {
      rows.value = reduceRows(rows.value, event, key, kinds);
    },
    /** @param {string} name */
    get: (name) => rows.value.get(name),
  };
}

/**
 * Pure: the rows after an event.
 * @param {ReadonlyMap<string, any>} rows @param {Record<string, any>} event @param {string} key @param {Record<string, string>} kinds
 * @returns {ReadonlyMap<string, any>}
 */
export function reduceRows(rows, event, key, kinds) {
  const noun = kinds[event.kind];
  if (!noun || !event[noun]) return rows;
  const next = new Map(rows);
  next.set(event[noun][key], event[noun]);
  return next;
}
