// @ts-check
/** Schedules: loaded when they are first looked at, live from then on. What they mean is said by the server alone. */
import { computed, signal } from "../ui.js";
import { get, patch, post, request } from "../api.js";
import { collection } from "./collection.js";

const schedules = collection("id", { "schedule.created": "schedule", "schedule.changed": "schedule", "schedule.fired": "schedule" });
/** new | loading | ready | error */
export const state = signal({ word: "new", error: "" });

/** Fetch them; again after the stream has begun anew. */
export async function loadSchedules() {
  state.value = { word: state.value.word === "ready" ? "ready" : "loading", error: "" };
  try {
    schedules.load((await get("/api/schedules?limit=200")).schedules);
    state.value = { word: "ready", error: "" };
  } catch (failure) {
    state.value = { word: "error", error: /** @type {any} */ (failure).sentence ?? String(failure) };
  }
}

/** @param {Record<string, any>} event */
export function reduceSchedules(event) {
  if (state.value.word === "ready") schedules.reduce(event);
}

/** The next to run first, then what rests, then what has ended. */
export const listed = computed(() => [...schedules.rows.value.values()].filter((row) => !row.deleted)
  .sort((a, b) => (a.next_run_at ?? "~" + a.status).localeCompare(b.next_run_at ?? "~" + b.status) || a.id.localeCompare(b.id)));

/** @param {string} id */
export const scheduleOf = (id) => schedules.get(id);
/** @param {string} id */
export const scheduleDetails = (id) => Promise.all([get(`/api/schedules/${id}`), get(`/api/schedules/${id}/runs?limit=20`)]);
/** @param {Record<string, string>} when @param {AbortSignal} abort */
export const preview = (when, abort) => get(`/api/schedules/preview?${new URLSearchParams(when)}`, abort);
/** @param {Record<string, unknown>} fields */
export const createSchedule = (fields) => post("/api/schedules", fields, { key: crypto.randomUUID() });
/** @param {string} id @param {Record<string, unknown>} fields */
export const changeSchedule = (id, fields) => patch(`/api/schedules/${id}`, fields);
/** @param {string} id */
export const runSchedule = (id) => post(`/api/schedules/${id}/run`, {}, { key: crypto.randomUUID() });
/** @param {string} id */
export const cancelSchedule = (id) => request("DELETE", `/api/schedules/${id}`);
