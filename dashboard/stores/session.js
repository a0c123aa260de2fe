// @ts-check
/** Who is signed in. The cookie is the browser's; nothing secret is kept here. */
import { signal } from "../ui.js";
import { request, setCsrf } from "../api.js";

/** @type {import("../vendor/signals-core.js").Signal<null | {name: string, kind: string, role: string}>} */
export const me = signal(null);
/** unknown | in | out */
export const signedIn = signal("unknown");

/** Look whether the browser has a session. Throws ApiError when the server is not there. */
export async function load() {
  try {
    take(await request("GET", "/api/session"));
  } catch (failure) {
    if (/** @type {any} */ (failure).status !== 401) throw failure;
    signedIn.value = "out";
  }
}

/** @param {string} link the code of a sign-in link */
export async function signIn(link) {
  take(await request("POST", "/api/session", { link }));
}

export async function signOut() {
  await request("DELETE", "/api/session");
  signedIn.value = "out";
}

/** @param {{member: any, csrf: string}} session */
function take(session) {
  setCsrf(session.csrf);
  me.value = session.member;
  signedIn.value = "in";
}

/** Whether the signed-in human may start and stop agents, and type into terminals. */
export const mayOperate = () => me.value?.role === "chairman" || me.value?.role === "operator";
/** Whether they may set what agents may cost. */
export const maySetBudgets = mayOperate;
export const maySpeak = () => me.value?.role !== "viewer";
