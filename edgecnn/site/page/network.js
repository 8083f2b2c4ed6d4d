// The network of the page: its files, the engine that runs it, the classes of a picture.

import { openModel, zerosOf } from "./engines.js";
import { pixelsOf, preprocess } from "./preprocess.js";

const MOST_THREADS = 4;

/** A file that the browser cannot decode. */
export class NoPicture extends Error {}

/** Everything that one network needs, once it is loaded. */
class Network {
  constructor(settings, labels, model, threads) {
    Object.assign(this, { settings, labels, model, threads });
  }

  /** The `count` likeliest classes of a picture, best first, and the milliseconds that it took. */
  async classify(source, count) {
    const { input, output, preprocess: spec, softmax } = this.settings;
    const began = performance.now();
    const pixels = await pixelsOf(source).catch((error) => { throw new NoPicture(error?.message); });
    const { shape, data } = preprocess(pixels, spec);
    const prepared = performance.now();
    const feeds = this.model.prepare({ [input.name]: { dtype: input.dtype, shape, data } });
    const answers = await this.model.run(feeds);
    const ended = performance.now();
    const scores = softmax ? softmaxOf(answers[output.name].data) : answers[output.name].data;
    const best = [...scores.keys()].sort((a, b) => scores[b] - scores[a]).slice(0, count);
    return {
      classes: best.map((index) => ({ label: this.labels[index], score: scores[index] })),
      prepareMs: prepared - began,
      runMs: ended - prepared,
    };
  }
}

function softmaxOf(logits) {
  const values = Float64Array.from(logits);
  const largest = values.reduce((most, value) => Math.max(most, value), -Infinity);
  const powers = values.map((value) => Math.exp(value - largest));
  const sum = powers.reduce((total, power) => total + power, 0);
  return powers.map((power) => power / sum);
}

/** The network of these bytes, ready to answer. */
export async function openNetwork(settings, labels, bytes) {
  const [model, threads] = await openOnMostThreads(settings.library, bytes);
  const network = new Network(settings, labels, model, threads);
  await warmUp(network);
  return network;
}

export async function fetched(name) {
  const response = await fetch(name);
  if (!response.ok) throw new Error(`${name} is not there (${response.status})`);
  return response;
}

/** The bytes of a file; tells the share that has come. */
export async function download({ file, size }, progress) {
  const reader = (await fetched(file)).body.getReader();
  const bytes = new Uint8Array(size);
  let there = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    if (there + value.length > size) throw new Error(`${file} is longer than ${size} bytes`);
    bytes.set(value, there);
    there += value.length;
    progress(there / size);
  }
  if (there < size) throw new Error(`${file} was cut off after ${there} of ${size} bytes`);
  return bytes;
}

/** A browser without threads, or without the instructions that they need, gets one. */
async function openOnMostThreads(library, bytes) {
  const folder = new URL("engine/", location.href).href;
  const open = (threads) => openModel({ library, accelerator: "wasm", threads, folder }, bytes);
  const most = Math.min(MOST_THREADS, navigator.hardwareConcurrency || 1);
  const threads = globalThis.crossOriginIsolated ? most : 1;
  try {
    const model = await open(threads);
    return [model, model.threads ?? threads];
  } catch (error) {
    if (threads === 1) throw error;
    return [await open(1), 1];
  }
}

/** One run before the first photograph: the first is always slow. */
async function warmUp({ settings: { input }, model }) {
  const shape = input.shape.map((extent) => extent ?? 1);
  const length = shape.reduce((product, extent) => product * extent, 1);
  const zeros = { dtype: input.dtype, shape, data: zerosOf(input.dtype, length) };
  await model.run(model.prepare({ [input.name]: zeros }));
}
