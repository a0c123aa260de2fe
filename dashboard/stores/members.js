// @ts-check
/** Members of the team: humans, agents and bots. */
import { collection } from "./collection.js";

export const members = collection("name", { "member.created": "member", "member.changed": "member" });
/** @param {string} name */
export const kindOf = (name) => (name === "system" ? "system" : members.get(name)?.kind ?? "agent");
