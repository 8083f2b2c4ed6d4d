// A visitor of the page in the frame: chooses a file, reads the answer.

import { serve } from "./serve.js";

const frame = document.querySelector("iframe");
const page = () => frame.contentDocument;

async function until(holds) {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 20));
}

async function ready() {
  await until(() => page()?.body?.dataset.ready);
  return { fields: { ready: page().body.dataset.ready, problem: text("problem") } };
}

async function choose({ name, type }, { file }) {
  const files = new DataTransfer();
  files.items.add(new File([file.data], name, { type }));
  const input = page().getElementById("file");
  input.files = files.files;
  const before = page().getElementById("shown").src;
  input.dispatchEvent(new Event("change"));
  await until(() => page().getElementById("shown").src !== before || text("problem"));
  await until(() => text("problem") || page().querySelectorAll("#classes li").length);
  return { fields: answer() };
}

/** Clicks the camera's button twice before it is allowed, reads a class, and stops it. */
async function film() {
  const canvas = Object.assign(document.createElement("canvas"), { width: 16, height: 16 });
  const context = canvas.getContext("2d");
  context.fillStyle = "blue";
  const paint = setInterval(() => context.fillRect(0, 0, 16, 16), 20);
  const stream = canvas.captureStream();
  let asked = 0;
  page().defaultView.navigator.mediaDevices.getUserMedia = async () => {
    asked += 1;
    await new Promise((resolve) => setTimeout(resolve, 100));
    return stream;
  };
  const button = page().getElementById("camera");
  button.click();
  button.click();
  await until(() => text("problem") || page().querySelector("#classes li"));
  const { labels: [label] } = answer();
  button.click();
  clearInterval(paint);
  const { labels } = answer();
  return { fields: { asked, label, tracks: stream.getTracks()[0].readyState, left: labels.length } };
}

function answer() {
  const labels = [...page().querySelectorAll("#classes .label")].map((each) => each.textContent);
  const scores = [...page().querySelectorAll("#classes .score")].map((each) => each.textContent);
  return {
    labels, scores, problem: text("problem"), latency: text("latency"), facts: text("facts"),
    elements: page().querySelectorAll("#classes .label *").length,
    tooWide: page().documentElement.scrollWidth > frame.clientWidth,
  };
}

function text(id) {
  const element = page().getElementById(id);
  return element.hidden ? "" : element.textContent;
}

serve({ ready, choose, film });
