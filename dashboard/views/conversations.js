// @ts-check
/** All conversations on one page: what the phone shows instead of the sidebar. */
import { html } from "../ui.js";
import { ChannelLinks, DirectLinks } from "./sidebar.js";

export function ConversationsView() {
  return html`<div class="sheet"><main class="main" id="main"><header class="head"><h1 tabindex="-1">Chat</h1></header>
    <div class="body side-like"><${ChannelLinks} /><${DirectLinks} /></div></main></div>`;
}
