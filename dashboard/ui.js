// @ts-check
/** The only import of preact, htm and signals: views and components import from here. */
import { h, render, Fragment } from "preact";
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import htm from "./vendor/htm.js";
import { batch, computed, effect, signal, useComputed, useSignal } from "./vendor/signals.js";

export const html = htm.bind(h);
export { batch, computed, effect, Fragment, render, signal, useComputed, useEffect, useLayoutEffect, useMemo, useRef, useSignal, useState };

const sprite = new URL("./icons.svg", import.meta.url).pathname;

/** @param {string} name */
export const iconAddress = (name) => `${sprite}#${name}`;

/**
 * One icon of the sprite. Without a label it is decoration.
 * @param {string} name
 * @param {{class?: string, label?: string, state?: string}} [options]
 */
export function icon(name, options = {}) {
  const classes = `icon ${options.class ?? ""}`;
  return options.label
    ? html`<svg class=${classes} data-s=${options.state} role="img" aria-label=${options.label}><use href=${iconAddress(name)} /></svg>`
    : html`<svg class=${classes} data-s=${options.state} aria-hidden="true"><use href=${iconAddress(name)} /></svg>`;
}
