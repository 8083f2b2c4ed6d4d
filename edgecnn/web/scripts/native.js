// Plans of edgecnn-native in WebAssembly: the C library in a module of its own memory, one for each model.
// Addresses, sizes and structures are those of edgecnn_native.h on a processor of 32 bits.

const ALIGNMENT = 64;
const PAGE = 65536;
const TYPES = { uint8: Uint8Array, float32: Float32Array };
const TYPE_NAMES = ["uint8", "float32"];
const [ERROR_BYTES, TENSOR_BYTES, OPTIONS_BYTES] = [196, 36, 16];

/**
 * Open a plan.
 *
 * @param {WebAssembly.Module} module edgecnn_native.wasm.
 * @param {Uint8Array} plan the file.
 * @param {string} kernels a family, such as "portable"; null for the best.
 * @returns {object} inputs, outputs: [{name, dtype, shape}], the first extent null, any batch;
 *   version, kernels; run(feeds): feeds {name: {data}} and a batch to {name: {dtype, shape, data}}.
 */
export function openPlan(module, plan, kernels = null) {
  const { exports } = new WebAssembly.Instance(module);
  const memory = new Memory(exports);
  const error = memory.take(ERROR_BYTES);
  const options = memory.take(OPTIONS_BYTES);
  const bytes = memory.takeCopy(plan);
  const words = kernels === null ? 0 : memory.takeCopy(new TextEncoder().encode(`${kernels}\0`));
  const check = (result) => {
    if (!result) throw new Error(memory.text(error + 4));
    return result;
  };
  memory.write(options, [1, words, 0, 0]);
  const size = check(exports.edgecnn_memory_size(bytes, plan.length, options, error)) >>> 0;
  memory.write(options, [1, words, memory.take(size), size]);
  const model = check(exports.edgecnn_open_memory(bytes, plan.length, options, error));
  const [inputs, outputs] = [exports.edgecnn_input, exports.edgecnn_output].map((describe) =>
    tensorsOf(memory, (index, to) => describe(model, index, to)));
  const arrays = new Arrays(memory, inputs, outputs);
  return {
    inputs: inputs.map(specOf),
    outputs: outputs.map(specOf),
    version: memory.text(exports.edgecnn_version()),
    kernels: memory.text(exports.edgecnn_chosen_kernels(model)),
    run(feeds) {
      const batch = arrays.feed(feeds);
      const code = exports.edgecnn_run(model, batch, arrays.inputs, arrays.outputs, error);
      check(code === 0);
      return arrays.results(batch);
    },
  };
}

/** The module's memory, handed out piece by piece and never taken back. */
class Memory {
  constructor({ memory, __heap_base: heap }) {
    this.memory = memory;
    this.end = heap.value;
  }

  /** Address of zeroed memory. */
  take(bytes) {
    const address = Math.ceil(this.end / ALIGNMENT) * ALIGNMENT;
    const lacking = address + bytes - this.memory.buffer.byteLength;
    if (lacking > 0) {
      try {
        this.memory.grow(Math.ceil(lacking / PAGE));
      } catch {
        throw new Error(`out of memory: ${bytes} bytes`);
      }
    }
    this.end = address + bytes;
    return address;
  }

  takeCopy(array) {
    const address = this.take(array.byteLength);
    this.bytes().set(array, address);
    return address;
  }

  bytes() {
    return new Uint8Array(this.memory.buffer);
  }

  write(address, words) {
    new Uint32Array(this.memory.buffer, address, words.length).set(words);
  }

  text(address) {
    const bytes = this.bytes();
    return new TextDecoder().decode(bytes.slice(address, bytes.indexOf(0, address)));
  }
}

function tensorsOf(memory, describe) {
  const [to, tensors] = [memory.take(TENSOR_BYTES), []];
  while (describe(tensors.length, to)) {
    const [name, type, dimensions, ...rest] = new Int32Array(memory.memory.buffer, to, TENSOR_BYTES / 4);
    const shape = rest.slice(0, dimensions);
    const length = shape.reduce((product, extent) => product * extent, 1);
    tensors.push({ name: memory.text(name), dtype: TYPE_NAMES[type], shape, length });
  }
  return tensors;
}

const specOf = ({ name, dtype, shape }) => ({ name, dtype, shape: [null, ...shape] });

/** A model's inputs and outputs in the module's memory, for the largest batch so far. */
class Arrays {
  constructor(memory, inputs, outputs) {
    this.memory = memory;
    this.tensors = [inputs, outputs];
    [this.inputs, this.outputs] = this.tensors.map((tensors) => memory.take(4 * tensors.length));
    this.room = 0;
    this.makeRoom(1);
  }

  makeRoom(batch) {
    if (batch <= this.room) return;
    this.addresses = this.tensors.map((tensors) => tensors.map(({ dtype, length }) =>
      this.memory.take(batch * length * TYPES[dtype].BYTES_PER_ELEMENT)));
    this.memory.write(this.inputs, this.addresses[0]);
    this.memory.write(this.outputs, this.addresses[1]);
    this.room = batch;
  }

  /** Copy what goes in; the number of images. */
  feed(feeds) {
    const [inputs] = this.tensors;
    const batch = Math.trunc(feeds[inputs[0].name].data.length / inputs[0].length);
    this.makeRoom(batch);
    for (const [index, { name, dtype, length }] of inputs.entries()) {
      const { data } = feeds[name];
      if (!(data instanceof TYPES[dtype]) || data.length !== batch * length || batch < 1) {
        throw new Error(`input ${name}: ${data.length} values, expected a batch of ${length} ${dtype}`);
      }
      this.view(0, index, batch).set(data);
    }
    return batch;
  }

  results(batch) {
    return Object.fromEntries(this.tensors[1].map(({ name, dtype, shape }, index) =>
      [name, { dtype, shape: [batch, ...shape], data: this.view(1, index, batch).slice() }]));
  }

  view(kind, index, batch) {
    const { dtype, length } = this.tensors[kind][index];
    return new TYPES[dtype](this.memory.memory.buffer, this.addresses[kind][index], batch * length);
  }
}
