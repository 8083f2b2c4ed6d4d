// A page that runs plans of edgecnn-native, whose inputs come in their order.

import { openPlan } from "./native.js";
import { serve } from "./serve.js";

const module = await WebAssembly.compileStreaming(fetch("edgecnn_native.wasm"));

async function run({ kernels, runs }, { plan, ...inputs }) {
  const model = openPlan(module, plan.data, kernels);
  const feeds = Object.fromEntries(model.inputs.map(({ name }, index) => [name, inputs[index]]));
  let outputs = {};
  for (let done = 0; done < runs; done += 1) outputs = model.run(feeds);
  return { fields: { kernels: model.kernels, inputs: model.inputs }, arrays: outputs };
}

serve({ run });
