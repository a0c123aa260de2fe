// @ts-check
/** Requests to the server: one shape of errors, the CSRF header, idempotency keys. Knows no screen. */

/** What the server said was wrong, or that it could not be reached. */
export class ApiError extends Error {
  /** @param {number} status @param {{code?: string, message?: string, hint?: string, field?: string|null}} error */
  constructor(status, error) {
    super(error.message ?? "Something went wrong.");
    this.status = status;
    this.code = error.code ?? "failed";
    this.hint = error.hint ?? "";
  }

  /** One sentence, with what to do next. */
  get sentence() {
    return this.hint ? `${this.message} ${this.hint}` : this.message;
  }
}

let csrf = "";
/** @type {() => void} */
let onSignedOut = () => {};

/** @param {string} value */
export function setCsrf(value) {
  csrf = value;
}

/** @param {() => void} act */
export function whenSignedOut(act) {
  onSignedOut = act;
}

/**
 * Send one request and return its JSON. Throws ApiError; status 0 means that the server was not reached.
 * @param {string} method @param {string} path @param {unknown} [body]
 * @param {{key?: string, signal?: AbortSignal}} [options] `key`: a repeat has no second effect
 * @returns {Promise<any>}
 */
export async function request(method, path, body, options = {}) {
  /** @type {Record<string, string>} */
  const headers = { Accept: "application/json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (method !== "GET") headers["X-CSRF"] = csrf;
  if (options.key) headers["Idempotency-Key"] = options.key;
  let response;
  try {
    response = await fetch(path, {
      method, headers, signal: options.signal, credentials: "same-origin",
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (failure) {
    if (options.signal?.aborted) throw failure;
    throw new ApiError(0, { code: "unreachable", message: "The server was not reached.", hint: "It is tried again." });
  }
  const answer = await response.json().catch(() => ({}));
  if (response.ok) return answer;
  if (response.status === 401 && path !== "/api/session") onSignedOut();
  throw new ApiError(response.status, answer.error ?? { message: `The server answered ${response.status}.` });
}

/** @param {string} path @param {AbortSignal} [signal] */
export const get = (path, signal) => request("GET", path, undefined, { signal });
/** @param {string} path @param {unknown} body */
export const patch = (path, body) => request("PATCH", path, body);
/** @param {string} path @param {unknown} [body] @param {{key?: string}} [options] */
export const post = (path, body = {}, options) => request("POST", path, body, options);

/**
 * Upload one file with its bytes as the body. Throws ApiError.
 * @param {string} path @param {Blob} file @param {string} name
 * @param {{onProgress?: (share: number) => void, signal?: AbortSignal}} [options]
 * @returns {Promise<any>}
 */
export function upload(path, file, name, { onProgress, signal } = {}) {
  // fetch tells nothing of how far an upload has come.
  const sending = new XMLHttpRequest();
  return new Promise((resolve, reject) => {
    sending.open("POST", path);
    sending.responseType = "json";
    sending.setRequestHeader("X-CSRF", csrf);
    sending.setRequestHeader("X-File-Name", encodeURIComponent(name));
    sending.setRequestHeader("Content-Type", "application/octet-stream");
    sending.upload.onprogress = (event) => onProgress?.(event.lengthComputable ? event.loaded / event.total : 0);
    sending.onload = () => {
      if (sending.status < 300) return resolve(sending.response);
      if (sending.status === 401) onSignedOut();
      return reject(new ApiError(sending.status, sending.response?.error ?? { message: `The server answered ${sending.status}.` }));
    };
    sending.onerror = () => reject(new ApiError(0, { code: "unreachable", message: "It was not uploaded: the server was not reached, or the file is too large." }));
    sending.onabort = () => reject(new ApiError(0, { message: "The upload was ended." }));
    signal?.addEventListener("abort", () => sending.abort());
    sending.send(file);
  });
}
