// The page "Your own picture, in this page": opens a picture, runs a model of the book on it in run-worker.js, shows and
// saves the mask. Nothing of it is loaded before a reader clicks; nothing is ever sent.
//   uxRun.read(file) -> picture {height, width, data: Float32Array in [0, 1]}
//   uxRun.features(picture) -> [{stride, channels, height, width, data: Float32Array}, ...] at strides 2, 4, 8 and 16
//   uxRun.segment(picture, model) -> {height, width, data: Uint8Array, classes, logits or null, ms, heap}
//   uxRun.current: what is shown, {name, picture, mask}; the document hears "ux-picture" and "ux-mask" when it changes
(() => {
  const box = document.getElementById("ui-run");
  if (!box) return;
  const here = document.currentScript?.src || location.href;
  const base = new URL(box.dataset.up || ".", location.href).href, theme = new URL(".", here).href;

  // The worker ------------------------------------------------------------------------------------------------------

  let worker, ready, gpu = false, heap = 0, number = 0, life = 0;
  const waiting = new Map(), ready_decoders = new Set();

  const ask = (what, more = {}, give = []) => new Promise((good, bad) => {
    waiting.set(++number, {good, bad});
    worker.postMessage({id: number, ask: what, ...more}, give);
  });
  const forget = why => {
    worker?.terminate();
    worker = ready = null;
    life++;
    ready_decoders.clear();
    for (const {bad} of waiting.values()) bad(why);
    waiting.clear();
  };
  const stopped = () => new DOMException("Stopped.", "AbortError");

  const usable = async () => {
    const adapter = await navigator.gpu?.requestAdapter().catch(() => null);
    const slow = adapter?.info?.isFallbackAdapter ?? adapter?.isFallbackAdapter;  // computed by the processor
    return Boolean(adapter && (!slow || box.dataset.device === "webgpu"));
  };
  const begin = async () => {
    const mine = life;
    if (location.protocol === "file:") {
      throw new Error("A browser loads no program from a file that was opened from a folder. Run `python -m http.server` in the folder of the book, and open localhost:8000/try.html.");
    }
    const about = await models();
    if (about.missing) throw new Error(`This build of the book has no program to run a model: ${about.missing}.`);
    gpu = box.dataset.device !== "wasm" && await usable();
    if (mine !== life) throw stopped();
    worker = new Worker(new URL("run-worker.js", theme), {type: "module"});
    worker.onmessage = ({data: {id, error, ...answer}}) => {
      const asked = waiting.get(id);
      waiting.delete(id);
      heap = Math.max(heap, answer.heap || 0);
      if (error) asked?.bad(new Error(error)); else asked?.good(answer);
    };
    worker.onerror = e => forget(new Error(`the program could not be started (${e.message || "blocked by the browser"})`));
    await ask("start", {base, gpu});
    keepForOffline();
  };
  const start = () => {
    if (!ready) {
      const mine = ready = begin();
      mine.catch(e => { if (ready === mine) forget(e); });
    }
    return ready;
  };

  let about;
  const models = () => about ||= fetch(`${base}models/models.json`).then(r => r.json()).catch(() => {
    about = null;
    throw new Error("The models could not be loaded: there is no connection, or this build of the book has none.");
  });

  // What was loaded once is there without a network: sw.js keeps it, asked for only after the first run.
  const keepForOffline = (...more) => {
    const files = [location.href.split("#")[0], ...performance.getEntriesByType("resource").map(e => e.name)];
    const program = gpu ? ["ort.webgpu.mjs", "ort-wasm-simd-threaded.asyncify.wasm"] : ["ort.wasm.mjs", "ort-wasm-simd-threaded.wasm"];
    files.push(...program.map(f => `${base}vendor/${f}`), `${base}models/encoder.onnx`, `${theme}run-worker.js`, ...more);
    navigator.serviceWorker?.register(`${base}sw.js`).then(() => navigator.serviceWorker.ready)
      .then(r => { r.active.postMessage({keep: [...new Set(files)]}); }).catch(() => {});
  };
  navigator.serviceWorker?.addEventListener("message", e => { if (e.data.kept) box.dataset.kept = e.data.kept; });

  // Tiles: the numbers of nbs/26_tiles.ipynb ------------------------------------------------------------------------

  const WHOLE = 1024 * 1024, TILE = 640 * 640, OVERLAP = 64, STRIDE = 32;
  const STEP = tile => Math.floor((tile - OVERLAP) / STRIDE) * STRIDE;

  const spans = (n, tile) => {
    if (n <= tile) return [[0, n]];
    const last = Math.ceil((n - tile) / STRIDE) * STRIDE, out = [];
    for (let a = 0; a < last; a += STEP(tile)) out.push([a, Math.min(a + tile, n)]);
    return [...out, [last, Math.min(last + tile, n)]];
  };
  const equalSide = (n, most) => {
    if (n <= most) return [n, 1];
    most = Math.floor(most / STRIDE) * STRIDE;
    const tiles = 1 + Math.ceil((n - most) / STEP(most));
    const side = Math.ceil((n + (tiles - 1) * OVERLAP) / (tiles * STRIDE)) * STRIDE;
    return [side, spans(n, side).length];
  };
  const sides = (h, w, pixels) => {
    const least = Math.ceil(OVERLAP / STRIDE) * STRIDE + STRIDE, smaller = (a, b) => a[0] - b[0] || a[1] - b[1] || a[2] - b[2];
    let best = [Infinity, least, least];
    for (let most = h <= least ? h : least; most < h + STRIDE; most += STRIDE) {
      const [height, rows] = equalSide(h, Math.min(most, h));
      if (Math.floor(pixels / height) < Math.min(least, w)) break;
      const [width, columns] = equalSide(w, Math.floor(pixels / height)), found = [rows * height * columns * width, height, width];
      if (smaller(found, best) < 0) best = found;
    }
    return best.slice(1);
  };
  // How much each tile counts: a ramp where two overlap, together 1 everywhere.
  const weights = all => {
    const shared = all.slice(1).map((b, i) => all[i][1] - b[0]), total = new Float64Array(all.at(-1)[1]);
    const ramp = (i, n) => Math.sin(Math.PI / 2 * (i + 0.5) / Math.max(n, 1)) ** 2;
    const raw = all.map(([a, b], k) => {
      const before = shared[k - 1] ?? 0, after = shared[k] ?? 0, n = b - a;
      return Float64Array.from({length: n}, (_, i) => (i < before ? ramp(i, before) : 1) * (i >= n - after ? ramp(n - 1 - i, after) : 1));
    });
    raw.forEach((w, k) => w.forEach((v, i) => { total[all[k][0] + i] += v; }));
    return raw.map((w, k) => Float32Array.from(w, (v, i) => v / total[all[k][0] + i]));
  };

  const cut = ({width, data}, [top, bottom], [left, right]) => {
    const out = new Float32Array((bottom - top) * (right - left));
    for (let y = top; y < bottom; y++) out.set(data.subarray(y * width + left, y * width + right), (y - top) * (right - left));
    return out;
  };
  // the class of each pixel of some rows: the largest of k logits, or class 1 where the only one is positive
  const decide = (logits, k, rowSize, rows, mask, at) => {
    for (let i = 0; i < rows * rowSize; i++) {
      let best = 0;
      if (k === 1) best = logits[0][i] > 0 ? 1 : 0;
      else for (let c = 1; c < k; c++) if (logits[c][i] > logits[best][i]) best = c;
      mask[at + i] = best;
    }
  };

  const pass = async (model, height, width, data, ms) => {
    const answer = await ask("logits", {model, height, width, data}, [data.buffer]), n = height * width;
    ms.encoder += answer.ms.encoder;
    ms.decoder += answer.ms.decoder;
    return Array.from({length: answer.k}, (_, c) => answer.data.subarray(c * n, (c + 1) * n));
  };

  // In memory: the picture, the mask, and one band of logits; as `tiles.segment_tiled(model, image, most=2**20)`.
  const segment = async (picture, model, tell = () => {}) => {
    await start();
    if (!ready_decoders.has(model)) {
      await ask("decoder", {model});
      ready_decoders.add(model);
      keepForOffline(`${base}models/${model}.onnx`);
    }
    const {height: h, width: w} = picture, mask = new Uint8Array(h * w), ms = {encoder: 0, decoder: 0};
    const {classes} = (await models()).models.find(m => m.name === model);
    if (h * w <= WHOLE) {
      tell(0, 1);
      const logits = await pass(model, h, w, picture.data.slice(), ms);
      decide(logits, logits.length, w, h, mask, 0);
      return {height: h, width: w, data: mask, classes, logits, ms, tiles: 1, heap};
    }
    const [th, tw] = sides(h, w, TILE), ys = spans(h, th), xs = spans(w, tw), down = weights(ys), across = weights(xs);
    let carried, done = 0;
    for (let r = 0; r < ys.length; r++) {
      const [top, bottom] = ys[r], end = ys[r + 1]?.[0] ?? h;
      let band;
      for (let c = 0; c < xs.length; c++) {
        tell(done++, ys.length * xs.length);
        const [left, right] = xs[c], n = right - left, y = await pass(model, bottom - top, n, cut(picture, ys[r], xs[c]), ms);
        band ||= y.map((_, k) => { const b = new Float32Array((bottom - top) * w); if (carried) b.set(carried[k]); return b; });
        y.forEach((logits, k) => {
          for (let i = 0; i < bottom - top; i++) for (let j = 0; j < n; j++) {
            band[k][i * w + left + j] += logits[i * n + j] * Math.fround(down[r][i] * across[c][j]);
          }
        });
      }
      decide(band, band.length, w, end - top, mask, top * w);
      carried = band.map(b => b.slice((end - top) * w));
    }
    return {height: h, width: w, data: mask, classes, logits: null, ms, tiles: ys.length * xs.length, heap};
  };

  const features = async picture => {
    await start();
    const {height, width, data} = picture, {maps, ms} = await ask("features", {height, width, data});
    maps.ms = ms;
    return maps;
  };

  const loaded = {};
  const script = src => loaded[src] ||= new Promise((onload, onerror) => {  // not import(), which file:// refuses
    document.head.append(Object.assign(document.createElement("script"), {src, onload, onerror}));
  }).catch(() => { delete loaded[src]; throw new Error(`${src.split("/").pop()} could not be loaded`); });
  const geotiff = () => script(`${base}vendor/geotiff.js`).then(() => window.GeoTIFF);
  const read = file => script(`${theme}pictures.js`).then(() => window.UX_PICTURES.read(file, geotiff));

  // What is seen ----------------------------------------------------------------------------------------------------

  const $ = name => box.querySelector(`[data-run=${name}]`), say = text => { $("status").textContent = text; };
  const one = (n, word) => `${n.toLocaleString("en")} ${word}${n === 1 ? "" : "s"}`;
  const seconds = ms => ms < 9950 ? `${(ms / 1000).toFixed(ms < 995 ? 2 : 1)} s` : `${Math.round(ms / 1000)} s`;
  const run = window.uxRun = {read, features, segment, current: {name: "", picture: null, mask: null}, get heap() { return heap; }};
  let busy = 0;

  const paint = (canvas, {height, width}, pixel) => {
    Object.assign(canvas, {width, height});
    const context = canvas.getContext("2d"), all = context.createImageData(width, height), data = new Uint32Array(all.data.buffer);
    for (let i = 0; i < data.length; i++) data[i] = pixel(i);
    context.putImageData(all, 0, 0);
  };
  const showPicture = ({name, picture}) => {
    $("view").hidden = false;
    paint($("picture"), picture, i => { const v = Math.round(picture.data[i] * 255); return 0xff000000 | v << 16 | v << 8 | v; });
    $("picture").setAttribute("aria-label", `${name}, ${picture.width} x ${picture.height} pixels`);
    $("mask").hidden = $("result").hidden = true;
  };
  const showMask = (mask, took) => {
    const colours = mask.classes.map((_, k) => { const [r, g, b] = window.UX_PICTURES.colour(k); return k ? (0xff000000 | b << 16 | g << 8 | r) >>> 0 : 0; });
    paint($("mask"), mask, i => colours[mask.data[i]]);
    $("mask").hidden = $("result").hidden = false;
    const counts = new Array(mask.classes.length).fill(0);
    for (const k of mask.data) counts[k]++;
    $("legend").replaceChildren(...mask.classes.map((name, k) => {
      const item = document.createElement("li"), patch = document.createElement("span");
      patch.style.background = k ? `rgb(${window.UX_PICTURES.colour(k)})` : "none";
      item.append(patch, `${name}: ${(100 * counts[k] / mask.data.length).toFixed(1)} %`);
      return item;
    }));
    const used = performance.memory ? ` The page itself holds ${Math.round(performance.memory.usedJSHeapSize / 2 ** 20)} MB.` : "";
    const way = mask.tiles > 1 ? ` in ${mask.tiles} tiles` : "";
    $("facts").textContent = `${mask.width} x ${mask.height} pixels${way} took ${seconds(took)} (encoder ${seconds(mask.ms.encoder)}, decoder ${seconds(mask.ms.decoder)}), ` +
      `on the ${gpu ? "graphics card (WebGPU)" : "processor (WebAssembly, one thread)"}. The model needed at most ${Math.round(mask.heap / 2 ** 20)} MB of memory.${used}`;
    Object.assign(box.dataset, {encoder: mask.ms.encoder.toFixed(0), took: took.toFixed(0), heap: mask.heap, tiles: mask.tiles});
  };
  const hear = (name, detail) => document.dispatchEvent(new CustomEvent(name, {detail}));

  const working = on => {
    box.dataset.busy = on ? "yes" : "no";
    for (const name of ["stop", "progress"]) $(name).hidden = !on;
    if (on) $("progress").removeAttribute("value");
  };
  const tell = mine => (done, all) => {
    if (mine !== busy) throw stopped();
    if (all > 1) Object.assign($("progress"), {max: all, value: done});
    say(all > 1 ? `Tile ${done + 1} of ${all} ...` : "The network looks at the picture ...");
  };
  const segmentCurrent = async () => {
    const {picture, name} = run.current, mine = ++busy, model = $("model").value;
    if (!picture) return;
    working(true);
    say(`The model is loaded (${$("model").selectedOptions[0].dataset.load}, once) ...`);
    try {
      await start();
      if (mine !== busy) return;
      const begun = performance.now(), mask = await segment(picture, model, tell(mine));
      if (mine !== busy) return;
      run.current.mask = mask;
      showMask(mask, performance.now() - begun);
      say(`${name}: done.${picture.note ? ` ${picture.note}` : ""}`);
      hear("ux-mask", run.current);
    } catch (e) {
      if (mine === busy) say(`This did not work: ${e.message}`);
    } finally {
      if (mine === busy) working(false);
    }
  };
  const open = async (file, name) => {
    say(`${name} is read ...`);
    try {
      const picture = await read(file);
      run.current = {name, picture, mask: null};
      showPicture(run.current);
      hear("ux-picture", run.current);
    } catch (e) {
      return say(`${name}: ${e.message}.`);
    }
    await segmentCurrent();
  };
  run.open = open;

  const save = (blob, name) => {
    const link = Object.assign(document.createElement("a"), {href: URL.createObjectURL(blob), download: name});
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  };
  const stem = () => run.current.name.replace(/\.[^.]*$/, "") || "picture";

  for (const e of box.querySelectorAll("[data-run-hidden]")) e.hidden = false;
  $("file").addEventListener("change", e => { const [file] = e.target.files; if (file) open(file, file.name); e.target.value = ""; });
  $("model").addEventListener("change", segmentCurrent);
  $("stop").addEventListener("click", () => { busy++; forget(stopped()); working(false); say("Stopped."); });
  $("slider").addEventListener("input", e => {
    $("mask").style.opacity = e.target.value / 100;
    e.target.setAttribute("aria-valuetext", `${e.target.value} %`);
  });
  $("save").addEventListener("click", async () => save(await window.UX_PICTURES.maskFile(run.current.mask), `${stem()}_mask.png`));
  box.addEventListener("click", async e => {
    const button = e.target.closest("[data-sample]");
    if (!button) return;
    try {
      const answer = await fetch(`${base}models/${button.dataset.sample}`);
      if (!answer.ok) throw new Error(answer.status);
      $("model").value = button.dataset.model;
      await open(await answer.blob(), button.dataset.sample);
    } catch {
      say(location.protocol === "file:" ? "A sample cannot be loaded from a folder; open a picture of your own, or see below." : "The sample could not be loaded.");
    }
  });
  for (const kind of ["dragenter", "dragover"]) box.addEventListener(kind, e => { e.preventDefault(); box.classList.add("over"); });
  for (const kind of ["dragleave", "drop"]) box.addEventListener(kind, () => box.classList.remove("over"));
  box.addEventListener("drop", e => { e.preventDefault(); const [file] = e.dataTransfer.files; if (file) open(file, file.name); });
  $("slider").dispatchEvent(new Event("input"));
})();
