"use strict";
const $ = id => document.getElementById(id);
const STATUS = {
  401: "A token is needed, or this one is wrong.",
  413: "The text is too long for this server.",
  429: "The server is busy.",
  503: "The model is not ready.",
};
let token = "";
let found = null;
let again = null;

function make(tag, text, parent) {
  const element = document.createElement(tag);
  element.textContent = text;
  parent.append(element);
  return element;
}

async function ask(path, options = {}) {
  const headers = { ...options.headers, ...(token ? { Authorization: `Bearer ${token}` } : {}) };
  let response;
  try {
    response = await fetch(path, { ...options, headers });
  } catch {
    throw new Error("The server cannot be reached.");
  }
  if (response.ok) return response.json();
  if (response.status === 401) {
    $("login").hidden = false;
    $("token").focus();
  }
  let detail = "";
  try { detail = (await response.json()).detail; } catch { /* no JSON: a proxy's own page */ }
  const wait = response.headers.get("Retry-After");
  throw new Error([STATUS[response.status] || `The server answers ${response.status}.`, detail, wait ? `Try again in ${wait} s.` : ""].filter(Boolean).join(" "));
}

function hue(name) {
  let sum = 0;
  for (const letter of name) sum = (31 * sum + letter.codePointAt(0)) % 360;
  return sum;
}

function show() {
  const least = Number($("threshold").value);
  $("chosen").textContent = least.toFixed(2);
  if (!found) return;
  const shown = found.entities.filter(entity => entity.confidence === null || entity.confidence >= least);
  const text = $("result"), table = $("rows").querySelector("tbody");
  text.replaceChildren();
  table.replaceChildren();
  let last = 0;
  for (const entity of shown) {
    const sure = entity.confidence === null ? "–" : entity.confidence.toFixed(2);
    text.append(found.characters.slice(last, entity.start).join(""));
    const mark = make("mark", found.characters.slice(entity.start, entity.end).join(""), text);
    mark.style.setProperty("--hue", hue(entity.path[0]));
    mark.title = `${entity.path.join(" › ")}, confidence ${sure}`;
    make("small", `${entity.label} ${sure}`, mark);
    const row = make("tr", "", table);
    for (const cell of [entity.text, entity.label, sure, entity.start, entity.end, entity.path.join(" › ")]) make("td", cell, row);
    last = entity.end;
  }
  text.append(found.characters.slice(last).join(""));
  text.hidden = $("rows").hidden = false;
  $("state").textContent = `${shown.length} of ${found.entities.length} entities shown, found by ${found.version} in ${found.ms} ms.`;
}

async function run(action) {
  again = action;
  const button = $("form").querySelector("button");
  button.disabled = true;
  $("problem").textContent = "";
  try {
    await action();
    $("login").hidden = true;
  } catch (error) {
    $("problem").textContent = error.message;
    $("state").textContent = "";
  } finally {
    button.disabled = false;
  }
}

async function extract() {
  const text = $("text").value, started = performance.now();
  $("state").textContent = "Reading …";
  const answer = await ask("v1/extract", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ text }) });
  found = { characters: Array.from(text), entities: answer.entities, version: answer.model_version, ms: Math.round(performance.now() - started) };
  show();
}

async function describe() {
  const model = await ask("v1/model");
  $("model").textContent = `${model.model_version}, ${model.labels.length} labels (${model.kind})`;
  const table = $("versions").querySelector("tbody");
  table.replaceChildren();
  for (const version of model.versions) {
    const row = make("tr", "", table);
    const f1 = version.f1 === null ? "–" : (100 * version.f1).toFixed(1);
    for (const cell of [version.model_version, version.created, version.annotations, f1, version.serves ? "yes" : ""]) make("td", cell, row);
  }
  $("versions").hidden = !model.versions.length;
}

$("form").addEventListener("submit", event => { event.preventDefault(); run(async () => { await extract(); await describe(); }); });
$("text").addEventListener("keydown", event => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) $("form").requestSubmit(); });
$("threshold").addEventListener("input", show);
$("login").addEventListener("submit", event => { event.preventDefault(); token = $("token").value; run(again); });
run(describe);
