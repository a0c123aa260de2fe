// @ts-check
/** The files that are to go with the next message: chosen, dropped or pasted; uploaded at once, sent by their ids. */
import { useRef, useState } from "../ui.js";
import { deleteFile, putFile } from "../stores/files.js";

const AT_MOST = 20;
let keys = 0;

/** @returns {{uploads: import("./attachments.js").Upload[], add: (files: Iterable<File>) => void, remove: (key: number) => void, clear: () => void, ids: string[], busy: boolean}} */
export function useUploads() {
  const [uploads, setUploads] = useState(/** @type {any[]} */ ([]));
  const running = useRef(/** @type {Map<number, AbortController>} */ (new Map()));
  /** @param {number} key @param {Record<string, unknown>} fields */
  const change = (key, fields) => setUploads((before) => before.map((entry) => (entry.key === key ? { ...entry, ...fields } : entry)));

  /** @param {number} key @param {File} file */
  async function start(key, file) {
    const ending = new AbortController();
    running.current.set(key, ending);
    change(key, { error: "", share: 0 });
    try {
      change(key, { file: await putFile(file, { onProgress: (share) => change(key, { share }), signal: ending.signal }) });
    } catch (failure) {
      if (!ending.signal.aborted) change(key, { error: /** @type {any} */ (failure).sentence ?? "It was not uploaded." });
    }
  }
  /** @param {Iterable<File>} files */
  function add(files) {
    for (const file of [...files].slice(0, AT_MOST - uploads.length)) {
      const key = ++keys;
      setUploads((before) => [...before, { key, name: file.name || "pasted.png", size: file.size, share: 0, file: null, error: "", again: () => void start(key, file) }]);
      void start(key, file);
    }
  }
  /** @param {number} key */
  function remove(key) {
    running.current.get(key)?.abort();
    const stored = uploads.find((entry) => entry.key === key)?.file;
    if (stored) void deleteFile(stored.id).catch(() => {}); // it stays its uploader's alone, and in the list of files
    setUploads((before) => before.filter((entry) => entry.key !== key));
  }
  return {
    uploads, add, remove, clear: () => setUploads([]),
    ids: uploads.filter((entry) => entry.file).map((entry) => entry.file.id),
    busy: uploads.some((entry) => !entry.file),
  };
}
