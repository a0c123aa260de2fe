// @ts-check
/** The ways to answer a question: by an option, in words, or several questions at once. */
import { html, useState } from "../ui.js";

/** @param {{row: any, busy: boolean, onAnswer: (decision: any) => void}} props */
export function Questions({ row, busy, onAnswer }) {
  const several = row.request?.questions.length > 1 || row.request?.questions[0]?.several;
  return several ? html`<${Several} row=${row} busy=${busy} onAnswer=${onAnswer} />` : html`<${One} row=${row} busy=${busy} onAnswer=${onAnswer} />`;
}

/** @param {{row: any, busy: boolean, onAnswer: (decision: any) => void}} props */
function One({ row, busy, onAnswer }) {
  const [answer, setAnswer] = useState("");
  const submit = (/** @type {Event} */ event) => { event.preventDefault(); if (answer.trim()) onAnswer({ answer }); };
  return html`${row.options.map((/** @type {string} */ option, /** @type {number} */ at) => html`<button key=${option} class=${`btn ${at ? "" : "primary"}`} data-key=${at ? undefined : "a"} disabled=${busy} onClick=${() => onAnswer({ answer: option })}>${option}</button>`)}
    ${row.kind !== "guard" && html`<form class="row" onSubmit=${submit}><input class="input" data-key="r" aria-label=${`Answer ${row.id}`} placeholder="Answer in words" maxlength="2000" value=${answer} onInput=${(/** @type {any} */ event) => setAnswer(event.target.value)} /><button class="btn" disabled=${busy}>Answer</button></form>`}`;
}

/** @param {{row: any, busy: boolean, onAnswer: (decision: any) => void}} props */
function Several({ row, busy, onAnswer }) {
  const { questions } = row.request;
  const submit = (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    const fields = new FormData(/** @type {HTMLFormElement} */ (event.target));
    const answers = Object.fromEntries(questions.map((/** @type {any} */ one, /** @type {number} */ at) => [one.question, [...fields.getAll(`q${at}`), fields.get(`words${at}`)].filter(Boolean).join(", ")]));
    if (Object.values(answers).every(Boolean)) onAnswer({ answers });
  };
  return html`<form class="stack several" onSubmit=${submit}>${questions.map((/** @type {any} */ one, /** @type {number} */ at) => html`<fieldset key=${at} class="stack"><legend>${one.question}</legend>
      ${one.options.map((/** @type {any} */ option) => html`<label class="check" key=${option.label}><input type=${one.several ? "checkbox" : "radio"} name=${`q${at}`} value=${option.label} />${option.label} <span class="muted">${option.description}</span></label>`)}
      <input class="input" name=${`words${at}`} aria-label=${`Answer in words: ${one.question}`} placeholder="or in words" maxlength="500" /></fieldset>`)}<button class="btn primary" disabled=${busy}>Answer</button></form>`;
}
