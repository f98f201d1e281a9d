// One rater's page: asks where it stands, shows that, keeps what is answered until the study has it.
// Everything from the study is set as text, never as HTML.
"use strict";

const QUEUE = "limbeck-queue", DRAFT = "limbeck-draft", WAITS = [500, 1000, 2000, 5000];
const at = (id) => document.getElementById(id);
let about = null, state = null, busy = false, spent = 0, since = null, step = null;

function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (name === "class") node.className = value;
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== null && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children);
  return node;
}
const key = (sign) => el("kbd", {}, sign);
const button = (sign, text, act, props = {}) =>
  el("button", { type: "button", onclick: act, "aria-keyshortcuts": sign.toLowerCase(), ...props }, key(sign), ` ${text}`);
const load = (name) => { try { return JSON.parse(localStorage.getItem(name)); } catch { return null; } };
const save = (name, value) => value === null ? localStorage.removeItem(name) : localStorage.setItem(name, JSON.stringify(value));
const fresh = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, "0")).join("");
const wait = (ms) => new Promise((done) => setTimeout(done, ms));

function say(text, trouble = false) {
  at("status").textContent = text;
  at("status").classList.toggle("trouble", trouble);
}

// The clock stands still while the page is hidden or paused.
function clock(on) {
  if (since !== null) spent += performance.now() - since;
  since = on ? performance.now() : null;
}
document.addEventListener("visibilitychange", () => { if (step) clock(!document.hidden && !at("shade").open); });

async function ask(path, body) {
  const options = body === undefined ? {} : { method: "POST", body: JSON.stringify(body), headers: { "content-type": "application/json", "x-limbeck": "1" } };
  for (let tries = 0; ; tries++) {
    try {
      const answer = await fetch(path, { ...options, credentials: "same-origin" });
      if (answer.ok) { say(""); return await answer.json(); }
      if (answer.status < 500 && answer.status !== 408) return { error: (await answer.json()).error };
    } catch { /* no connection: below */ }
    say(body === undefined ? "No connection to the study. Trying again …" : "Not saved yet: no connection to the study. It is kept here and sent again …", true);
    await wait(WAITS[Math.min(tries, WAITS.length - 1)]);
  }
}

// What was not acknowledged waits in the browser, under the id it was given at first, also through a reload.
async function flush() {
  let found = null;
  for (let queue = load(QUEUE) || []; queue.length; queue = load(QUEUE) || []) {
    found = await ask("/judge", queue[0]);
    save(QUEUE, (load(QUEUE) || []).filter((one) => one.id !== queue[0].id));
  }
  return found;
}

async function send(message) {
  if (busy) return;
  busy = true;
  for (const node of document.querySelectorAll("#stage button")) node.disabled = true;
  say("Saving …");
  save(QUEUE, [...(load(QUEUE) || []), { ...message, id: fresh() }]);
  const found = await flush();
  busy = false;
  if (found.error) { say(found.error, true); for (const node of document.querySelectorAll("#stage button")) node.disabled = false; return; }
  save(DRAFT, null);
  say(message.kind === "undo" ? "Taken back" : "Saved");
  state = found;
  if (found.feedback) feedback(found.feedback); else show();
}

async function begin() {
  await flush();
  const found = await ask("/state");
  if (found.error) { stage(el("h1", {}, "This page needs a link"), el("p", {}, found.error)); return; }
  ({ about, state } = found);
  document.title = about.title;
  at("title").textContent = about.title;
  show();
}

function stage(...children) {
  step = null;
  clock(false);
  at("stage").replaceChildren(...children);
  at("stage").focus();
  window.scrollTo(0, 0);
}

function show() {
  const { done, total } = state.progress;
  at("bar").max = Math.max(total, 1);
  at("bar").value = done;
  at("count").textContent = `${done} of ${total} done`;
  at("progress").hidden = at("guidelines").hidden = at("pause").hidden = !["training", "items"].includes(state.stage);
  ({ consent, training: item, items: item, done: thanks, closed: over })[state.stage]();
}

function consent() {
  const agree = button("Enter", "I agree and begin", () => send({ kind: "consent" }), { class: "main" });
  stage(el("h1", {}, "Before you begin"), el("p", {}, about.consent), ...told(), el("div", { class: "buttons" }, agree));
  step = { enter: () => agree.click() };
}

function thanks() {
  const back = button("U", "Change my last answer", undo, { disabled: !state.last });
  stage(el("h1", {}, "Thank you"), el("p", {}, "Everything is answered and saved. You may close this page."), el("div", { class: "buttons" }, back));
  step = { u: () => back.click() };
}
function over() { stage(el("h1", {}, "This study is closed"), el("p", {}, "Thank you. Nothing more is kept.")); }

function told() {
  const nodes = [];
  for (const { tag, text } of about.guidelines) {
    if (tag !== "li") nodes.push(el(tag, {}, text));
    else {
      if (nodes.at(-1)?.tagName !== "UL") nodes.push(el("ul"));
      nodes.at(-1).append(el("li", {}, text));
    }
  }
  return nodes;
}

function undo() { if (state.last) send({ kind: "undo", question: state.last }); }

function feedback({ right, expected, note }) {
  const go = button("Enter", "Go on", show, { class: "main" });
  const lines = Object.entries(expected).map(([name, values]) => el("p", {}, `${name}: expected ${values.join(" or ")}`));
  stage(el("h1", {}, "Practice"), el("p", { class: "verdict" }, right ? "That is right." : "Not quite."), ...lines,
    ...(note ? [el("p", {}, note)] : []), el("div", { class: "buttons" }, go));
  step = { enter: () => go.click() };
}

function item() {
  const { id, context, texts } = state.question;
  const draft = load(DRAFT)?.question === id ? load(DRAFT) : { question: id, answers: {}, comment: "", seconds: 0 };
  const two = texts.length > 1;
  const sets = about.criteria.map((one, place) => criterion(one, place, draft));
  const comment = el("textarea", { rows: 2, maxlength: 4000, id: "comment", "aria-keyshortcuts": "c" });
  comment.value = draft.comment;
  const keep = () => save(DRAFT, { ...draft, comment: comment.value, seconds: seconds() });
  const seconds = () => (spent + (since === null ? 0 : performance.now() - since)) / 1000;
  const complete = () => about.criteria.every((one) => one.name in draft.answers);
  const main = button("Enter", "Save and go on", () => {
    if (!complete()) { say("Every question needs an answer.", true); return; }
    send({ kind: "answer", question: id, answers: draft.answers, comment: comment.value, seconds: seconds() });
  }, { class: "main" });
  const skip = button("S", "Skip …", () => leave(id, comment, seconds));
  const back = button("U", "Undo", undo, { disabled: !state.last });
  const outputs = texts.map((text, place) => el("section", {},
    el("h2", {}, two ? ["First", "Second"][place] : "To judge"), el("p", { class: "output", dir: "auto" }, text)));
  const { done, total } = state.progress;
  stage(
    el("h1", {}, state.stage === "training" ? "Practice" : `Page ${Math.min(done + 1, total)} of ${total}`),
    ...(context ? [el("p", { class: "context", dir: "auto" }, context)] : []),
    el("div", { class: two ? "outputs two" : "outputs" }, ...outputs),
    ...sets,
    el("label", { class: "field" }, el("span", {}, key("C"), " Comment, if you like"), comment),
    el("div", { class: "buttons" }, main, skip, back),
  );
  spent = draft.seconds * 1000;
  clock(!document.hidden);
  comment.addEventListener("input", keep);
  mark(sets);
  for (const set of sets) {
    set.addEventListener("focusin", () => mark(sets, sets.indexOf(set)));
    set.addEventListener("change", (event) => {
      draft.answers[set.dataset.name] = Number(event.target.value);
      keep();
      say("");
    });
  }
  step = {
    enter: () => main.click(), s: () => skip.click(), u: () => back.click(), c: () => comment.focus(),
    number: (value) => {
      const place = Math.max(0, sets.findIndex((set) => set.classList.contains("active")));
      const input = sets[place].querySelectorAll("input")[value - 1];
      if (!input) return;
      input.checked = true;
      input.dispatchEvent(new Event("change", { bubbles: true }));
      mark(sets, Math.min(place + 1, sets.length - 1));
    },
    up: () => mark(sets, active(sets) - 1), down: () => mark(sets, active(sets) + 1),
  };
}

const active = (sets) => sets.findIndex((set) => set.classList.contains("active"));
function mark(sets, place = Math.max(0, sets.findIndex((set) => !set.querySelector(":checked")))) {
  sets.forEach((set, own) => set.classList.toggle("active", own === Math.max(0, Math.min(place, sets.length - 1))));
}

function criterion({ name, question, answers }, place, draft) {
  const choices = answers.map(({ value, name: shown, anchor }) => {
    const input = el("input", { type: "radio", name: `c${place}`, value, checked: draft.answers[name] === value });
    const sign = String(value + 1);
    return el("label", {}, input, key(sign), el("span", {}, shown === sign ? "" : shown, ...(anchor ? [shown === sign ? anchor : el("small", {}, anchor)] : [])));
  });
  const set = el("fieldset", {}, el("legend", {}, question), el("div", { class: "answers" }, ...choices));
  set.dataset.name = name;
  return set;
}

function leave(id, comment, seconds) {
  const why = el("input", { type: "text", maxlength: 400, id: "why" });
  const go = el("button", { type: "button", class: "main" }, key("Enter"), " Skip this page");
  go.addEventListener("click", () => {
    if (!why.value.trim()) { why.focus(); return; }
    at("shade").close();
    send({ kind: "skip", question: id, reason: why.value, comment: comment.value, seconds: seconds() });
  });
  why.addEventListener("keydown", (event) => { if (event.key === "Enter") { event.preventDefault(); event.stopPropagation(); go.click(); } });
  shade("Skip this page", [el("label", { class: "field" }, el("span", {}, "Why can it not be judged?"), why), go], "Go back");
  why.focus();
}

function shade(title, children, end = "Go on") {
  clock(false);
  at("shade-title").textContent = title;
  at("shade-body").replaceChildren(...children);
  at("shade-close").lastChild.textContent = ` ${end}`;
  at("shade").showModal();
  at("shade-title").focus();
}
at("shade").addEventListener("close", () => { if (step?.number) clock(!document.hidden); });
at("shade-close").addEventListener("click", () => at("shade").close());
const rules = () => shade("Guidelines", told());
const pause = () => shade("Paused", [el("p", {}, "Take your time. Everything so far is saved; the clock stands still.")]);
at("guidelines").addEventListener("click", rules);
at("pause").addEventListener("click", pause);

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.repeat || busy || at("shade").open) return;
  const typing = event.target.matches?.("textarea, input[type=text]");
  if (typing) { if (event.key === "Escape") { event.target.blur(); event.preventDefault(); } return; }
  const name = event.key.toLowerCase();
  if (name === "enter" && event.target.matches?.("button, a, summary")) return;
  const act = /^[1-9]$/.test(name) ? step?.number && (() => step.number(Number(name)))
    : name === "g" && !at("guidelines").hidden ? rules
    : name === "p" && !at("pause").hidden ? pause
    : step?.[name];
  if (act) { event.preventDefault(); act(); }
});

begin();
