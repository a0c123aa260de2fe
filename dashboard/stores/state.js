// @ts-check
/** Shared state: projects, and the fields of the one that is looked at, live. */
import { computed, signal } from "../ui.js";
import { get, post } from "../api.js";
import { collection } from "./collection.js";

const fields = collection("id", { "state.changed": "state" });
/** new | loading | ready | error */
export const state = signal({ word: "new", error: "", project: "" });
export const projects = signal(/** @type {any[]} */ ([]));

/** Fetch the projects, and the fields of one. @param {string} [project] */
export async function loadState(project) {
  const chosen = project ?? state.value.project;
  state.value = { word: "loading", error: "", project: chosen };
  try {
    projects.value = (await get("/api/state/projects")).projects;
    const shown = chosen || projects.value[0]?.project_id || "";
    const found = shown ? (await get(`/api/state?project_id=${encodeURIComponent(shown)}&limit=200`)).items : [];
    fields.load(found);
    state.value = { word: "ready", error: "", project: shown };
  } catch (failure) {
    state.value = { word: "error", error: /** @type {any} */ (failure).sentence ?? String(failure), project: chosen };
  }
}

/** @param {Record<string, any>} event */
export function reduceState(event) {
  if (event.kind !== "state.changed" || state.value.word !== "ready") return;
  const project = event.state.project_id;
  if (!projects.value.some((row) => row.project_id === project)) projects.value = [...projects.value, { project_id: project, fields: 1 }];
  if (!state.value.project) state.value = { ...state.value, project };
  if (project === state.value.project) fields.reduce(event);
}

export const listed = computed(() => [...fields.rows.value.values()].sort((a, b) => a.field.localeCompare(b.field)));
/** @param {string} id */
export const fieldOf = (id) => fields.get(id);
/** @param {any} row */
const query = (row) => `project_id=${encodeURIComponent(row.project_id)}&field=${encodeURIComponent(row.field)}`;
/** @param {any} row */
export const fieldHistory = (row) => get(`/api/state/history?${query(row)}&limit=50`);
/** @param {any} row @param {number} a @param {number} b */
export const fieldDiff = (row, a, b) => get(`/api/state/diff?${query(row)}&a=${a}&b=${b}`);
/** @param {Record<string, unknown>} change */
export const writeField = (change) => post("/api/state", change, { key: crypto.randomUUID() });
/** @param {Record<string, unknown>} change */
export const restoreField = (change) => post("/api/state/restore", change, { key: crypto.randomUUID() });
