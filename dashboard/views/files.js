// @ts-check
/** Files: what is shared, by place; drop one to share it; pictures and text are shown, the rest is saved. */
import { html, icon, useEffect, useState } from "../ui.js";
import { addressOf, deleteFile, filesChanged, listFiles, putFile, shownSize } from "../stores/files.js";
import { directs, otherParty, places } from "../stores/channels.js";
import { maySpeak, me } from "../stores/session.js";
import { Name } from "../components/avatar.js";
import { Empty, Failed, Loading } from "../components/faces.js";
import { Age } from "../components/relative-time.js";

export function FilesView() {
  const [channel, choose] = useState("");
  const [found, setFound] = useState({ word: "loading", error: "", files: /** @type {any[]} */ ([]), folders: /** @type {any[]} */ ([]), next: /** @type {string|null} */ (null) });
  const [working, work] = useState({ says: "", share: 0, bad: false });
  const may = maySpeak();

  /** @param {string} [cursor] */
  async function load(cursor) {
    try {
      const page = await listFiles(channel, cursor);
      setFound((before) => ({ word: "ready", error: "", files: cursor ? [...before.files, ...page.files] : page.files, folders: page.folders, next: page.next_cursor }));
    } catch (failure) { setFound((before) => ({ ...before, word: "error", error: /** @type {any} */ (failure).sentence ?? String(failure) })); }
  }
  useEffect(() => { const timer = setTimeout(() => void load(), 100); return () => clearTimeout(timer); }, [channel, filesChanged.value]);

  /** @param {Iterable<File>} files */
  async function share(files) {
    for (const file of files) {
      try {
        await putFile(file, { channel: channel || "general", onProgress: (done) => work({ says: `Uploading ${file.name}`, share: done, bad: false }) });
        work({ says: "", share: 0, bad: false });
      } catch (failure) { work({ says: `${file.name}: ${/** @type {any} */ (failure).sentence ?? failure}`, share: 0, bad: true }); return; }
    }
  }
  /** @param {any} file */
  const remove = (file) => { if (confirm(`Delete ${file.name}? Messages keep its name.`)) void deleteFile(file.id).catch((failure) => work({ says: failure.sentence, share: 0, bad: true })); };
  const mayRemove = (/** @type {any} */ file) => file.uploaded_by === me.value?.name || me.value?.role === "chairman" || me.value?.role === "operator";
  const drop = (/** @type {DragEvent} */ event) => { event.preventDefault(); if (may) void share(event.dataTransfer?.files ?? []); };
  const folder = (/** @type {any} */ file) => found.folders.find((each) => each.id === file.folder_id)?.name;
  return html`<div class="sheet"><main class="main" id="main" onDragOver=${(/** @type {Event} */ event) => event.preventDefault()} onDrop=${drop}>
      <header class="head"><h1 tabindex="-1">Files</h1><div class="tools">
        <select class="input" aria-label="Place" value=${channel} onChange=${(/** @type {any} */ event) => choose(event.target.value)}><option value="">everywhere</option>${places.value.map((place) => html`<option key=${place.id} value=${place.id}>#${place.id}</option>`)}${directs.value.map((place) => html`<option key=${place.id} value=${place.id}>with ${otherParty(place)}</option>`)}</select>
        ${may && html`<label class="btn sm">${icon("plus")}Share<input type="file" class="hush" multiple aria-label=${`Share files in ${channel || "general"}`} onChange=${(/** @type {any} */ event) => void share([...event.target.files]).then(() => { event.target.value = ""; })} /></label>`}</div></header>
      ${working.says && html`<p class=${`note ${working.bad ? "bad" : ""}`} role=${working.bad ? "alert" : "status"}>${icon(working.bad ? "warn" : "file")}${working.says}${!working.bad && html`<progress max="1" value=${working.share}></progress>`}</p>`}
      <div class="body flush">${found.word === "error" ? html`<${Failed} title="The files could not be loaded" text=${found.error} onRetry=${() => void load()} />`
      : found.word === "loading" ? html`<${Loading} rows=${6} />`
      : !found.files.length ? html`<${Empty} title="No files here" text=${may ? `Drop one here to share it in #${channel || "general"}.` : ""} glyph="folder" />`
      : html`<ul class="rows shared">${found.files.map((file) => html`<li key=${file.id}><span class="row">${icon("file")}<a class="cut" href=${addressOf(file.id)} target="_blank" rel="noopener">${folder(file) ? `${folder(file)}/` : ""}${file.name}</a><span class="muted num">${shownSize(file.size)}</span>
          <span class="push muted desk">${file.channel ? (file.channel.startsWith("dm:") ? "direct" : `#${file.channel}`) : file.task_id ? `task ${file.task_id.replace("task_", "#")}` : "yours alone"}</span><${Name} name=${file.uploaded_by} /><span class="muted when"><${Age} at=${file.created_at} /></span>
          <a class="btn quiet only sm" aria-label=${`Download ${file.name}`} href=${`${addressOf(file.id)}?download=1`} download=${file.name}>${icon("download")}</a>${mayRemove(file) && html`<button class="btn quiet only sm" aria-label=${`Delete ${file.name}`} onClick=${() => remove(file)}>${icon("trash")}</button>`}</span></li>`)}</ul>${found.next && html`<p class="in"><button class="btn" onClick=${() => void load(found.next ?? undefined)}>Older</button></p>`}`}</div></main></div>`;
}
