// @ts-check
/** A native modal dialog: focus stays in it and goes back where it was. */
import { html, icon, useEffect, useRef } from "../ui.js";

/** @param {{title: string, onClose: () => void, children?: any}} props */
export function Dialog({ title, onClose, children }) {
  const box = useRef(/** @type {HTMLDialogElement|null} */ (null));
  useEffect(() => {
    const dialog = box.current;
    dialog?.showModal();
    return () => dialog?.close();
  }, []);
  return html`<dialog ref=${box} class="dialog" aria-label=${title} onClose=${onClose} onCancel=${onClose}>
    <header><h2>${title}</h2><button class="btn quiet only sm push" aria-label="Close" onClick=${onClose}>${icon("x")}</button></header>
    ${children}</dialog>`;
}
