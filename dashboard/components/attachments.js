// @ts-check
/** Files with a message: pictures shown, everything else as a chip that downloads; and those being uploaded. */
import { html, icon } from "../ui.js";
import { addressOf, deletedFiles, shownSize } from "../stores/files.js";

const PICTURES = new Set(["image/png", "image/jpeg", "image/gif", "image/webp"]);

/** @param {{files: any[]}} props */
export function Attachments({ files }) {
  if (!files?.length) return null;
  const gone = deletedFiles.value;
  return html`<ul class="attached" aria-label="Files">${files.map((file) => html`<li key=${file.id}>${gone.has(file.id)
    ? html`<span class="chip file gone">${icon("file")}<span class="cut">${file.name}</span><span class="muted">deleted</span></span>`
    : PICTURES.has(file.media_type) ? html`<a class="picture" href=${addressOf(file.id)} target="_blank" rel="noopener"><img src=${addressOf(file.id)} alt=${file.name} loading="lazy" /></a>`
    : html`<${FileChip} file=${file} />`}</li>`)}</ul>`;
}

/** @param {{file: any}} props */
function FileChip({ file }) {
  const opens = file.media_type === "text/plain";
  return html`<a class="chip file" href=${addressOf(file.id)} target="_blank" rel="noopener" download=${opens ? undefined : file.name} title=${file.name}>${icon("file")}<span class="cut">${file.name}</span><span class="muted">${shownSize(file.size)}</span></a>`;
}

/**
 * @typedef {{key: number, name: string, size: number, share: number, file: any, error: string, again: () => void}} Upload
 * @param {{uploads: Upload[], onRemove: (key: number) => void}} props
 */
export function Uploads({ uploads, onRemove }) {
  if (!uploads.length) return null;
  return html`<div class="files" role="list" aria-label="Files to send">${uploads.map((entry) => html`<span key=${entry.key} role="listitem" class=${`chip file ${entry.error ? "bad" : ""}`}>${icon(entry.error ? "warn" : "file")}<span class="cut">${entry.name}</span>
    ${entry.error ? html`<span role="alert">${entry.error}</span><button type="button" class="btn quiet sm" onClick=${entry.again}>Retry</button>`
    : entry.file ? html`<span class="muted">${shownSize(entry.size)}</span>` : html`<progress max="1" value=${entry.share} aria-label=${`Uploading ${entry.name}`}></progress>`}
    <button type="button" class="btn quiet only sm" aria-label=${`Remove ${entry.name}`} onClick=${() => onRemove(entry.key)}>${icon("x")}</button></span>`)}</div>`;
}
