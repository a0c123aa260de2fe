// @ts-check
/** Tasks: what is open, and what was closed lately. Loaded when the board is first looked at, live from then on. */
import { computed, signal } from "../ui.js";
import { get, patch, post } from "../api.js";
import { collection } from "./collection.js";

const KINDS = { "task.created": "task", "task.changed": "task" };
const RANK = { urgent: 0, high: 1, medium: 2, low: 3 };
export const COLUMNS = /** @type {const} */ (["todo", "doing", "blocked", "review", "done"]);
const CLOSED = new Set(["done", "failed", "cancelled"]);

const tasks = collection("id", KINDS);
/** new | loading | ready | error */
export const state = signal({ word: "new", error: "" });

/** Fetch what the board shows; again after the stream has begun anew. */
export async function loadTasks() {
  state.value = { word: state.value.word === "ready" ? "ready" : "loading", error: "" };
  try {
    const [open, closed] = await Promise.all([get("/api/tasks?limit=200"), get("/api/tasks?status=done,failed,cancelled&sort=-updated_at&limit=30")]);
    tasks.load([...open.tasks, ...closed.tasks]);
    state.value = { word: "ready", error: "" };
  } catch (failure) {
    state.value = { word: "error", error: /** @type {any} */ (failure).sentence ?? String(failure) };
  }
}

/** @param {Record<string, any>} event */
export function reduceTasks(event) {
  if (state.value.word === "ready") tasks.reduce(event);
}

/** Column → its tasks, most urgent first; the closed ones newest first. */
export const board = computed(() => {
  const all = [...tasks.rows.value.values()].filter((task) => !task.deleted);
  return COLUMNS.map((column) => {
    const own = all.filter((task) => (column === "done" ? CLOSED.has(task.status) : task.status === column));
    own.sort((a, b) => (column === "done" ? b.seq - a.seq : RANK[/** @type {keyof RANK} */ (a.priority)] - RANK[/** @type {keyof RANK} */ (b.priority)] || number(a) - number(b)));
    return { column, tasks: own };
  });
});

/** @param {string} id */
export const taskOf = (id) => tasks.get(id);
/** @param {{id: string}} task */
export const number = (task) => Number(task.id.slice(5));
/** @param {Record<string, unknown>} fields */
export const createTask = (fields) => post("/api/tasks", fields, { key: crypto.randomUUID() });
/** @param {string} id @param {Record<string, unknown>} fields */
export const changeTask = (id, fields) => patch(`/api/tasks/${id}`, fields);
/** @param {string} id */
export const taskDetails = (id) => get(`/api/tasks/${id}`);
