// The page of a bench: holds one model, answers on arrays, and times its own runs.

import { openModel, zerosOf } from "./engines.js";
import { serve } from "./serve.js";

let model = null;
let feeds = null;

const here = new URL("./", location.href).href;

async function open({ library, accelerator, threads }, arrays) {
  model = await openModel({ library, accelerator, threads, folder: here }, arrays.model.data);
  return { fields: { inputs: model.inputs, outputs: model.outputs } };
}

async function run(_, arrays) {
  return { arrays: await model.run(model.prepare(arrays)) };
}

async function feed(_, arrays) {
  feeds = model.prepare(arrays);
  return {};
}

// Ten ticks of the page's clock.
const SHORTEST_MS = 0.05;

/**
 * Milliseconds of each of some runs, one right after the other. Shorter runs than the clock can tell
 * are timed together: each is given the mean of those within `SHORTEST_MS`.
 */
async function block({ runs }) {
  const groups = [];
  let [began, count] = [performance.now(), 0];
  for (let done = 1; done <= runs; done += 1) {
    await model.run(feeds);
    count += 1;
    const now = performance.now();
    if (now - began < SHORTEST_MS && done < runs) continue;
    const last = now - began < SHORTEST_MS && groups.length ? groups.pop() : { count: 0, ms: 0 };
    groups.push({ count: last.count + count, ms: last.ms + now - began });
    [began, count] = [now, 0];
  }
  return { fields: { samples_ms: groups.flatMap(({ count, ms }) => Array(count).fill(ms / count)) } };
}

/** Open a model and run it once, on zeros: milliseconds since the page began to load. */
async function cold(how, arrays) {
  await open(how, arrays);
  const zeros = model.inputs.map(({ name, dtype, shape }) => {
    const extents = shape.map((extent) => extent ?? 1);
    const length = extents.reduce((product, extent) => product * extent, 1);
    return [name, { dtype, shape: extents, data: zerosOf(dtype, length) }];
  });
  await model.run(model.prepare(Object.fromEntries(zeros)));
  return { fields: { sample_ms: performance.now() } };
}

async function adapter() {
  const found = await navigator.gpu?.requestAdapter();
  if (!found) return { fields: { adapter: null } };
  const { vendor, architecture, description, isFallbackAdapter } = found.info;
  return { fields: { adapter: { vendor, architecture, description, isFallbackAdapter } } };
}

serve({ open, run, feed, block, cold, adapter });
