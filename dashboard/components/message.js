// @ts-check
/** One message with its author, text, receipts and actions; and one that is still on its way. */
import { html, icon } from "../ui.js";
import { me } from "../stores/session.js";
import { deliver, discard } from "../stores/messages.js";
import { Attachments } from "./attachments.js";
import { Avatar, Name } from "./avatar.js";
import { Clock, clock } from "./relative-time.js";
import { Markdown } from "./markdown.js";
import { Receipt } from "./receipt.js";

/** @param {{message: any, same?: boolean, replies?: any[], onReply?: (id: string) => void}} props */
export function Message({ message, same, replies = [], onReply }) {
  const tag = message.from_kind === "human" ? null : message.from_kind;
  const reply = () => onReply?.(message.thread ?? message.id);
  return html`<article class=${`msg ${same ? "same" : ""}`} data-id=${message.id} aria-label=${`${message.from}, ${clock(message.created_at)}`}>
    ${same ? html`<span class="at">${clock(message.created_at)}</span>` : html`<${Avatar} name=${message.from} />`}
    <div>
      ${!same && html`<header><${Name} name=${message.from} />${tag && html`<span class="tag">${tag}</span>`}<${Clock} at=${message.created_at} /></header>`}
      ${message.deleted ? html`<div class="text"><p class="muted">This message was deleted.</p></div>` : html`<${Markdown} text=${message.content} /><${Attachments} files=${message.files} />`}
      <div class="under">
        <${Receipt} message=${message} />
        ${replies.length > 0 && onReply && html`<button class="replies" onClick=${reply}>${replies.length} ${replies.length === 1 ? "reply" : "replies"}<span>last ${clock(replies[replies.length - 1].created_at)}</span></button>`}
      </div>
    </div>
    ${onReply && html`<div class="acts pop" role="toolbar" aria-label="Message actions"><button class="btn quiet" aria-label="Reply in thread" onClick=${reply}>${icon("reply")}</button><button class="btn quiet" aria-label="Copy text" onClick=${() => navigator.clipboard?.writeText(message.content)}>${icon("copy")}</button></div>`}
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
