// Runs the encoder and the decoders beside the page, so that it never stands still: ONNX Runtime Web in a worker.
// The page asks {id, ask, ...}; the answer is {id, ...} or {id, error}. What `ask` may be: the keys of `answers`.

// WebAssembly memory only grows, so that its length is the most that was ever needed.
const memories = [];
const Memory = WebAssembly.Memory;
WebAssembly.Memory = class extends Memory {
  constructor(limits) { super(limits); memories.push(this); }
};
const heap = () => Math.max(0, ...memories.map(m => m.buffer.byteLength));

const STRIDES = [2, 4, 8, 16, 32], MAPS = STRIDES.map(s => `f${s}`);
let ort, home, encoder, providers;
const decoders = new Map();

const session = async url => {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`${url.split("/").pop()} could not be loaded (${answer.status})`);
  const options = {executionProviders: providers, logSeverityLevel: 3};  // errors, no advice
  return ort.InferenceSession.create(new Uint8Array(await answer.arrayBuffer()), options);
};

const encoded = async ({height, width, data}) => {
  const start = performance.now(), image = new ort.Tensor("float32", data, [1, 1, height, width]);
  const maps = await encoder.run({image});
  return {maps, ms: performance.now() - start};
};

const answers = {
  async start({base, gpu}) {
    home = base;
    ort = await import(`${home}vendor/ort.${gpu ? "webgpu" : "wasm"}.mjs`);
    const file = gpu ? "ort-wasm-simd-threaded.asyncify.wasm" : "ort-wasm-simd-threaded.wasm";
    Object.assign(ort.env.wasm, {numThreads: 1, wasmPaths: {wasm: `${home}vendor/${file}`}});
    ort.env.logLevel = "error";
    providers = gpu ? ["webgpu", "wasm"] : ["wasm"];
    encoder = await session(`${home}models/encoder.onnx`);
    return {};
  },

  async decoder({model}) {
    if (!decoders.has(model)) decoders.set(model, await session(`${home}models/${model}.onnx`));
    return {};
  },

  // the maps of a picture at strides 2 to 16, finest first: what a head is taught on
  async features(picture) {
    const {maps, ms} = await encoded(picture), found = [];
    for (const stride of STRIDES.slice(0, 4)) {
      const map = maps[`f${stride}`], [, channels, height, width] = map.dims;
      found.push({stride, channels, height, width, data: await map.getData()});
    }
    return {maps: found, ms, heap: heap(), give: found.map(m => m.data.buffer)};
  },

  // logits (k h w) of a picture, cut back to its size
  async logits({model, ...picture}) {
    const {maps, ms} = await encoded(picture), {height, width} = picture;
    const start = performance.now(), {logits} = await decoders.get(model).run(maps), all = await logits.getData();
    const [, k, h, w] = logits.dims, data = new Float32Array(k * height * width);
    for (let c = 0; c < k; c++) for (let y = 0; y < height; y++) {
      const from = (c * h + y) * w;
      data.set(all.subarray(from, from + width), (c * height + y) * width);
    }
    for (const t of [...MAPS.map(f => maps[f]), logits]) t.dispose();
    return {data, k, ms: {encoder: ms, decoder: performance.now() - start}, heap: heap(), give: [data.buffer]};
  },
};

onmessage = async ({data: {id, ask, ...what}}) => {
  try {
    const {give = [], ...answer} = await answers[ask](what);
    postMessage({id, ...answer}, give);
  } catch (e) {
    postMessage({id, error: String(e.message || e)});
  }
};
