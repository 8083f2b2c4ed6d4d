// The engines of a page behind one interface: open a model, run it, know its inputs and outputs.

import { openPlan } from "./native.js";

const ARRAYS = {
  float32: Float32Array, int8: Int8Array, uint8: Uint8Array, int32: Int32Array, bool: Uint8Array,
  int64: globalThis.BigInt64Array, float16: globalThis.Float16Array ?? Uint16Array,
};

/** A typed array over a copy of bytes: `arrayOf("float32", buffer)`. */
export function arrayOf(dtype, buffer) {
  if (!(dtype in ARRAYS)) throw new Error(`type ${dtype} is not supported`);
  return new ARRAYS[dtype](buffer);
}

/** A typed array of zeros. */
export function zerosOf(dtype, length) {
  return new ARRAYS[dtype](length);
}

/**
 * Open a model on an engine.
 *
 * @param {object} how
 *   library: "native-web", "litert.js" or "onnxruntime-web"; accelerator: "wasm" or "webgpu"; threads: of the
 *   processor; folder: URL of the engine's files.
 * @param {Uint8Array} bytes the model file.
 * @returns {Promise<object>} threads, where they are others than wanted;
 *   inputs and outputs: [{name, dtype, shape}], null for a dynamic extent;
 *   prepare(feeds): feeds {name: {dtype, shape, data}} in the engine's own form;
 *   run(prepared): the outputs, in the same form as feeds; close().
 */
export async function openModel(how, bytes) {
  if (how.threads > 1 && !globalThis.crossOriginIsolated) {
    throw new Error("more than one thread needs a page that is isolated from other origins");
  }
  const open = { "native-web": openNative, "litert.js": openLiteRt, "onnxruntime-web": openOnnx };
  return open[how.library](how, bytes);
}

/** On one thread, whatever is wanted. */
async function openNative({ folder }, bytes) {
  const response = fetch(new URL("edgecnn_native.wasm", folder));
  const model = openPlan(await WebAssembly.compileStreaming(response), bytes);
  return {
    threads: 1,
    inputs: model.inputs,
    outputs: model.outputs,
    prepare: (feeds) => feeds,
    run: async (feeds) => model.run(feeds),
    close: () => {}, // its memory goes with it
  };
}

async function openOnnx({ accelerator, threads, folder }, bytes) {
  const module = accelerator === "webgpu" ? "ort.webgpu.min.mjs" : "ort.wasm.min.mjs";
  const ort = await import(new URL(module, folder).href);
  ort.env.wasm.wasmPaths = folder;
  ort.env.wasm.numThreads = threads;
  ort.env.logLevel = "error";
  const session = await ort.InferenceSession.create(bytes, { executionProviders: [accelerator] });
  const spec = ({ name, type, shape }) => ({
    name, dtype: type, shape: shape.map((extent) => (Number.isInteger(extent) ? extent : null)),
  });
  return {
    inputs: session.inputMetadata.map(spec),
    outputs: session.outputMetadata.map(spec),
    prepare: (feeds) => Object.fromEntries(Object.entries(feeds).map(
      ([name, { dtype, shape, data }]) => [name, new ort.Tensor(dtype, data, shape)])),
    run: async (prepared) => {
      const results = await session.run(prepared);
      return Object.fromEntries(Object.entries(results).map(([name, tensor]) =>
        [name, { dtype: tensor.type, shape: [...tensor.dims], data: tensor.data }]));
    },
    close: () => session.release(),
  };
}

/** LiteRT.js 2.5 knows tensors of float32, int32 and uint8 alone. */
function explain(error) {
  const unknown = /Element type (\w+) is not supported/.exec(error?.message);
  if (!unknown) throw error;
  throw new Error(`it takes no inputs or outputs of ${unknown[1].toLowerCase()}; ` +
    "export the bundle again with --tflite-io float32");
}

async function openLiteRt({ accelerator, threads, folder }, bytes) {
  const litert = await import(new URL("litert.js", folder).href);
  await litert.loadLiteRt(folder, { threads: threads > 1 });
  const options = threads > 1 ? { cpuOptions: { numThreads: threads } } : {};
  const model = await litert.loadAndCompile(bytes, { accelerator, ...options }).catch(explain);
  // Without this check it would run on the processor, in part or as a whole, and only log that.
  if (model.options.accelerator !== accelerator || (accelerator === "webgpu" && !model.isFullyAccelerated)) {
    throw new Error("the GPU does not run every operator of it");
  }
  const spec = ({ name, dtype, shape }) => ({ name, dtype, shape: [...shape] });
  const [inputs, outputs] = [model.getInputDetails(), model.getOutputDetails()];
  return {
    inputs: inputs.map(spec),
    outputs: outputs.map(spec),
    prepare: (feeds) => feeds,
    run: async (feeds) => {
      // Its tensors lie in the engine's memory: what goes in and comes out is copied in every run.
      const tensors = inputs.map(({ name }) =>
        new litert.Tensor(feeds[name].data, feeds[name].shape));
      const results = await model.run(tensors);
      const answers = {};
      for (const [index, { name, dtype }] of outputs.entries()) {
        const shape = [...results[index].type.layout.dimensions];
        answers[name] = { dtype, shape, data: await results[index].data() };
        results[index].delete();
      }
      for (const tensor of tensors) tensor.delete();
      return answers;
    },
    close: () => model.delete(),
  };
}
