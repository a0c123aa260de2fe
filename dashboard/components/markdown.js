// @ts-check
/**
 * Markdown → vnodes. Only the lexer of the library is used: no HTML is ever made, so none can be smuggled in.
 * What a message says is data; links go to http, https and mailto alone.
 */
import { html, icon } from "../ui.js";
import { Lexer } from "../vendor/marked.js";
import { members } from "../stores/members.js";
import { me } from "../stores/session.js";

const SCHEMES = new Set(["http:", "https:", "mailto:"]);
const BIDI = /[\u202a-\u202e\u2066-\u2069]/g;
const MENTION = /(?<![\w@/.-])@(role:[a-z][a-z0-9_-]{0,31}|[a-z][a-z0-9_-]{0,31})(?![a-z0-9_-])/gi;
const GROUP = /^(all|working|role:.+)$/;
const ENTITIES = { amp: "&", lt: "<", gt: ">", quot: '"', "#39": "'" };
const DEEPEST = 20;

/** @param {{text: string}} props */
export function Markdown({ text }) {
  const shown = text.replace(BIDI, (mark) => `[U+${mark.charCodeAt(0).toString(16).toUpperCase()}]`);
  return html`<div class="text">${blocks(new Lexer({ gfm: true, breaks: true }).lex(shown), 0)}</div>`;
}

/** @param {any[]} tokens @param {number} depth @returns {any[]} */
function blocks(tokens, depth) {
  return tokens.map((token) => block(token, depth + 1));
}

/** @param {any} token @param {number} depth @returns {any} */
function block(token, depth) {
  if (depth > DEEPEST) return html`<p>${token.raw}</p>`;
  switch (token.type) {
    case "space": return null;
    case "heading": return html`<p class="heading">${inlines(token.tokens, depth)}</p>`;
    case "paragraph": return html`<p>${inlines(token.tokens, depth)}</p>`;
    case "text": return token.tokens ? html`<p>${inlines(token.tokens, depth)}</p>` : html`<p>${words(plain(token.text))}</p>`;
    case "code": return html`<${Code} text=${token.text} language=${(token.lang ?? "").split(/\s/)[0]} />`;
    case "blockquote": return html`<blockquote>${blocks(token.tokens, depth)}</blockquote>`;
    case "hr": return html`<hr />`;
    case "list": return list(token, depth);
    case "table": return table(token, depth);
    default: return html`<p>${words(token.raw ?? "")}</p>`; // raw HTML too: shown, never made
  }
}

/** @param {any} token @param {number} depth */
function list(token, depth) {
  const items = token.items.map((/** @type {any} */ item) => html`<li>${item.task && html`<input type="checkbox" disabled checked=${item.checked} aria-label=${item.checked ? "done" : "open"} />`}${
    item.tokens.map((/** @type {any} */ part) => (part.type === "text" && part.tokens ? inlines(part.tokens, depth) : block(part, depth)))}</li>`);
  return token.ordered ? html`<ol start=${token.start || 1}>${items}</ol>` : html`<ul>${items}</ul>`;
}

/** @param {any} token @param {number} depth */
function table(token, depth) {
  return html`<div class="table"><table><thead><tr>${token.header.map((/** @type {any} */ cell) => html`<th>${inlines(cell.tokens, depth)}</th>`)}</tr></thead>
    <tbody>${token.rows.map((/** @type {any[]} */ row) => html`<tr>${row.map((cell) => html`<td>${inlines(cell.tokens, depth)}</td>`)}</tr>`)}</tbody></table></div>`;
}

/** @param {any[]} tokens @param {number} depth @returns {any[]} */
function inlines(tokens, depth) {
  return (tokens ?? []).map((token) => inline(token, depth + 1));
}

/** @param {any} token @param {number} depth @returns {any} */
function inline(token, depth) {
  if (depth > DEEPEST) return token.raw;
  switch (token.type) {
    case "strong": return html`<strong>${inlines(token.tokens, depth)}</strong>`;
    case "em": return html`<em>${inlines(token.tokens, depth)}</em>`;
    case "del": return html`<del>${inlines(token.tokens, depth)}</del>`;
    case "codespan": return html`<code>${plain(token.text)}</code>`;
    case "br": return html`<br />`;
    case "link": return link(token.href, inlines(token.tokens, depth));
    case "image": return link(token.href, [token.text || token.href]); // no foreign picture is ever fetched
    case "text": return token.tokens ? inlines(token.tokens, depth) : words(plain(token.text));
    case "escape": return plain(token.text);
    default: return words(token.raw ?? "");
  }
}

/** @param {string} href @param {any} content */
function link(href, content) {
  let url;
  try { url = new URL(href, location.href); } catch { return content; }
  if (!SCHEMES.has(url.protocol)) return content;
  const own = url.origin === location.origin;
  return own ? html`<a href=${url.pathname + url.search}>${content}</a>` : html`<a href=${url.href} target="_blank" rel="noopener noreferrer nofollow">${content}</a>`;
}

/** @param {string} text */
const plain = (text) => text.replace(/&(amp|lt|gt|quot|#39);/g, (_, name) => ENTITIES[/** @type {keyof ENTITIES} */ (name)]);

/** Text with its mentions marked. @param {string} text */
function words(text) {
  const parts = [];
  let end = 0;
  for (const match of text.matchAll(MENTION)) {
    const name = match[1].toLowerCase();
    if (!GROUP.test(name) && !members.get(name)) continue;
    parts.push(text.slice(end, match.index), html`<span class=${`mention ${name === me.value?.name ? "me" : ""}`}>${match[0]}</span>`);
    end = match.index + match[0].length;
  }
  return [...parts, text.slice(end)];
}

/** @param {{text: string, language: string}} props */
function Code({ text, language }) {
  const diff = language === "diff";
  const copy = () => navigator.clipboard?.writeText(text);
  const lines = diff ? text.split("\n").map((line) => html`<span class=${line[0] === "+" ? "add" : line[0] === "-" ? "del" : line.startsWith("@@") ? "at" : ""}>${line}</span>`) : text;
  return html`<figure class=${`code ${diff ? "diff" : ""}`}><header><span>${language || "text"}</span><button class="btn quiet only sm push" aria-label="Copy code" onClick=${copy}>${icon("copy")}</button></header><pre tabindex="0">${lines}</pre></figure>`;
}
