// @ts-check
/** One message with its author, text, receipts and actions; and one that is still on its way. */
import { html, icon, useState } from "../ui.js";
import { me } from "../stores/session.js";
import { deliver, discard, editing } from "../stores/messages.js";
import { Attachments } from "./attachments.js";
import { Avatar, Name } from "./avatar.js";
import { EditBox, MessageActions, Versions } from "./message-actions.js";
import { Reactions } from "./reactions.js";
import { Clock, clock } from "./relative-time.js";
import { Markdown } from "./markdown.js";
import { Receipt } from "./receipt.js";

/** @param {{message: any, same?: boolean, isTarget?: boolean, isLast?: boolean, inThread?: string|null, replies?: any[], onReply?: (id: string) => void}} props */
export function Message({ message, same, isTarget, isLast, inThread = null, replies = [], onReply }) {
  const [isShown, show] = useState(false);
  const [past, setPast] = useState(false);
  const tag = message.from_kind === "human" ? null : message.from_kind;
  const reply = () => onReply?.(message.thread ?? message.id);
  const isEdited = message.edited_at && !message.deleted;
  return html`<article class=${`msg ${same ? "same" : ""} ${isShown ? "on" : ""} ${isTarget ? "target" : ""}`} data-id=${message.id} tabindex=${isLast ? "0" : "-1"} aria-label=${`${message.from}, ${clock(message.created_at)}`}>
    ${same ? html`<span class="at">${clock(message.created_at)}</span>` : html`<${Avatar} name=${message.from} />`}
    <div>
      ${!same && html`<header><${Name} name=${message.from} />${tag && html`<span class="tag">${tag}</span>`}<${Clock} at=${message.created_at} />${message.pinned && icon("pin", { class: "sm", label: "pinned" })}</header>`}
      ${message.deleted ? html`<div class="text"><p class="muted">${icon("trash", { class: "sm" })} This message was deleted.</p></div>`
      : editing.value === message.id ? html`<${EditBox} message=${message} />` : html`<${Markdown} text=${message.content} />`}
      ${!message.deleted && html`<${Attachments} files=${message.files} />`}
      <div class="under">
        ${isEdited && html`<button class="edited" onClick=${() => setPast(true)}>edited ${clock(message.edited_at)}</button>`}
        <${Reactions} message=${message} />
        <${Receipt} message=${message} />
        ${replies.length > 0 && onReply && html`<button class="replies" onClick=${reply}>${replies.length} ${replies.length === 1 ? "reply" : "replies"}<span>last ${clock(replies[replies.length - 1].created_at)}</span></button>`}
      </div>
    </div>
    ${!message.deleted && html`<${MessageActions} message=${message} replyTo=${inThread} isShown=${isShown} onShow=${show} onReply=${onReply && reply} />`}
    ${past && html`<${Versions} message=${message} onClose=${() => setPast(false)} />`}
  </article>`;
}

/** @param {{entry: import("../stores/messages.js").Pending, onEdit: (text: string) => void}} props */
export function PendingMessage({ entry, onEdit }) {
  const failed = entry.state === "failed";
  const back = () => { discard(entry.client_id); onEdit(entry.content); };
  return html`<article class=${`msg ${failed ? "failed" : "pending"}`}>
    <${Avatar} name=${me.value?.name ?? ""} />
    <div><header><${Name} name=${me.value?.name ?? ""} /><span class="muted">${failed ? "not sent" : "sending…"}</span></header>
      <${Markdown} text=${entry.content} />
      ${failed && html`<p class="fix" role="alert">${icon("warn")}${entry.error}
        <button class="btn sm" onClick=${() => deliver(entry)}>Retry</button><button class="btn quiet sm" onClick=${back}>Edit</button>
        <button class="btn quiet sm" onClick=${() => navigator.clipboard?.writeText(entry.content)}>Copy</button><button class="btn quiet sm" onClick=${() => discard(entry.client_id)}>Delete</button></p>`}
    </div></article>`;
}
