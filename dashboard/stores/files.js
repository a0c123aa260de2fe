// @ts-check
/** Shared files: uploads with progress, the list of a place, and what was deleted. */
import { signal } from "../ui.js";
import { get, request, upload } from "../api.js";

/** Files that are gone, whose chips in messages say so. */
export const deletedFiles = signal(/** @type {ReadonlySet<string>} */ (new Set()));
/** Grows with every change to a file or folder: lists that are open load anew. */
export const filesChanged = signal(0);

/** @param {Record<string, any>} event */
export function reduceFiles(event) {
  if (event.kind !== "file.changed" && event.kind !== "folder.changed") return;
  if (event.file?.deleted) deletedFiles.value = new Set(deletedFiles.value).add(event.file.id);
  filesChanged.value += 1;
}

/**
 * @param {File} file @param {{channel?: string, onProgress?: (share: number) => void, signal?: AbortSignal}} [options]
 * @returns {Promise<any>}
 */
export function putFile(file, { channel, onProgress, signal: ended } = {}) {
  const query = channel ? `?channel=${encodeURIComponent(channel)}` : "";
  return upload(`/api/files${query}`, file, file.name || "pasted.png", { onProgress, signal: ended });
}

/** @param {string} channel @param {string|null} [cursor] */
export const listFiles = (channel, cursor) => get(`/api/files?limit=50${channel ? `&channel=${encodeURIComponent(channel)}` : ""}${cursor ? `&cursor=${cursor}` : ""}`);
/** @param {string} id */
export const deleteFile = (id) => request("DELETE", `/api/files/${id}`);
/** @param {string} id */
export const addressOf = (id) => `/api/files/${id}`;

/** @param {number} size */
export function shownSize(size) {
  if (size < 1000) return `${size} B`;
  return size < 1e6 ? `${Math.round(size / 1000)} kB` : `${(size / 1e6).toFixed(1)} MB`;
}
