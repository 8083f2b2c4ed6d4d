// The page: loads the network, takes a photograph or the camera, shows classes and times.

import { NoPicture, download, fetched, openNetwork } from "./network.js";

const SHOWN = 5;
const AWAKE_MS = 30; // before a picture and between two frames, for the page itself
const at = (id) => document.getElementById(id);
const rest = () => new Promise((resolve) => setTimeout(resolve, AWAKE_MS));

async function load() {
  const settings = await (await fetched("network.json")).json();
  document.title = settings.name;
  at("name").textContent = settings.name;
  const labels = await (await fetched("labels.json")).json();
  const bytes = await download(settings.model, (share) => { at("progress").value = share; });
  at("stage-of-loading").textContent = "Starting the network…";
  at("progress").removeAttribute("value");
  return openNetwork(settings, labels, bytes);
}

function show({ classes, prepareMs, runMs }, threads) {
  at("hint").hidden = true;
  at("classes").replaceChildren(...classes.map(rowOf));
  const on = threads === 1 ? "one thread" : `${threads} threads`;
  at("latency").textContent =
    `${milliseconds(runMs)} for the network on ${on}, ${milliseconds(prepareMs)} to prepare the picture`;
  at("latency").hidden = false;
}

function milliseconds(value) {
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
}

function rowOf({ label, score }) {
  const element = (tag, name, text = "") => {
    const made = document.createElement(tag);
    made.className = name;
    made.textContent = text; // labels are text, never markup
    return made;
  };
  const row = element("div", "row");
  row.append(element("span", "label", label), element("span", "score", percent(score)));
  const bar = element("div", "bar");
  bar.ariaHidden = "true";
  const fill = document.createElement("i");
  fill.style.width = `${100 * Math.min(Math.max(score, 0), 1)}%`;
  bar.append(fill);
  const item = document.createElement("li");
  item.append(row, bar);
  return item;
}

function percent(score) {
  return score < 0 || score > 1 ? score.toFixed(2) : `${(100 * score).toFixed(1)} %`;
}

function complain(words) {
  at("problem").textContent = words;
  at("problem").hidden = !words;
}

/** Takes the last answer away; `words` stand in its place. */
function forget(words) {
  at("classes").replaceChildren();
  at("latency").hidden = true;
  at("hint").textContent = words;
  at("hint").hidden = !words;
  complain("");
}

/** Back to the drop field, with what went wrong, if anything did. */
function reset(problem = "") {
  stopCamera();
  forget(problem ? "" : "The answer appears here.");
  display("drop");
  complain(problem);
}

function failure(error) {
  return error instanceof NoPicture
    ? "This file is no picture that the browser can read. Try a JPEG or a PNG."
    : `The network gives no answer: ${error?.message || error}`;
}

/** Shows a photograph and its classes. */
async function takePhotograph(network, blob) {
  stopCamera();
  const own = turn;
  forget("Classifying…");
  try {
    await rest();
    const answer = await network.classify(blob, SHOWN);
    if (own !== turn) return;
    URL.revokeObjectURL(at("shown").src);
    at("shown").src = URL.createObjectURL(blob);
    at("shown").alt = `Your photograph: ${answer.classes[0].label}`;
    display("shown");
    show(answer, network.threads);
  } catch (error) {
    if (own === turn) reset(failure(error));
  }
}

/** One of the drop field, the photograph and the camera's picture. */
function display(id) {
  for (const each of ["drop", "shown", "video"]) at(each).hidden = each !== id;
  at("again").hidden = id === "drop";
}

let stream = null;
let turn = 0; // of the last photograph or camera, which alone may answer

function stop(one) {
  for (const track of one?.getTracks() ?? []) track.stop();
}

function stopCamera() {
  turn += 1;
  stop(stream);
  stream = null;
  at("camera").ariaPressed = "false";
  at("camera").textContent = "Use camera";
  at("classes").ariaLive = "polite";
}

async function startCamera(network) {
  complain("");
  const before = turn;
  const given = await permitted();
  if (!given) return;
  if (before !== turn) { stop(given); return; } // a photograph was chosen meanwhile
  stopCamera();
  stream = given;
  try {
    await film(network, turn);
  } catch (error) {
    if (stream === given) reset(failure(error));
  }
}

/** The camera's stream, once the visitor allows it; null where there is none. */
async function permitted() {
  at("camera").disabled = true;
  try {
    return await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
  } catch {
    complain("The camera cannot be used: it is not there, or was not allowed.");
    return null;
  } finally {
    at("camera").disabled = false;
  }
}

/** Classifies what the camera sees, frame by frame, until its turn ends. */
async function film(network, own) {
  at("video").srcObject = stream;
  await at("video").play();
  if (own !== turn) return;
  display("video");
  at("camera").ariaPressed = "true";
  at("camera").textContent = "Stop camera";
  at("classes").ariaLive = "off"; // a new answer every few frames is no news
  while (own === turn) {
    const answer = await network.classify(at("video"), SHOWN);
    if (own === turn) show(answer, network.threads);
    await rest();
  }
}

function takeInput(network) {
  const take = (files) => {
    const picture = [...files].find((file) => file.type.startsWith("image/"));
    if (picture) takePhotograph(network, picture);
    else if (files.length) reset("This is no picture. Try a JPEG or a PNG.");
  };
  at("file").addEventListener("change", ({ target }) => { take(target.files); target.value = ""; });
  addEventListener("paste", ({ clipboardData }) => take(clipboardData?.files ?? []));
  const over = (is) => (event) => {
    event.preventDefault();
    at("stage").classList.toggle("is-over", is);
  };
  addEventListener("dragover", over(true));
  addEventListener("dragleave", over(false));
  addEventListener("drop", (event) => { over(false)(event); take(event.dataTransfer.files); });
  at("camera").addEventListener("click", () => {
    if (stream) reset();
    else startCamera(network);
  });
  at("again").addEventListener("click", () => {
    reset();
    at("file").click();
  });
  at("file").disabled = false;
  at("camera").disabled = !navigator.mediaDevices?.getUserMedia;
}

async function start() {
  try {
    const network = await load();
    const { facts } = network.settings;
    at("facts").textContent = facts;
    at("loading").hidden = true;
    at("hint").hidden = false;
    takeInput(network);
    document.body.dataset.ready = "yes";
  } catch (error) {
    at("loading").hidden = true;
    complain(`The network cannot be loaded: ${error?.message || error}`);
    document.body.dataset.ready = "no";
  }
}

start();
