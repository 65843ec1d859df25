// Paint a few strokes, and a small head learns from them what the features of a trained encoder already know.
// One source for two places: a page of the book (features from ONNX, in the page) and JupyterLab (features from torch,
// through anywidget). The first half is pure numbers, and equal to `fit_head` and `Head` of 44_strokes.ipynb;
// the second half draws. No library, no request.
//
//   mount(root, { picture, features, classes })
//     picture  = { height, width, data }                        grey values in [0, 1], row by row
//     features = [{ stride, channels, height, width, data }]    maps of the encoder, or a function that promises them

export const IGNORE = 255;                             // a pixel without paint
export const STRIDES = [1, 2, 4, 8, 16];               // 1 is the picture itself
export const FORMAT = 1;                               // of a head as JSON
const PIXELS = 256;                                    // so many painted pixels of each class are learned from
const STEPS = 30;
const RATE = { linear: 0.1, hidden: 0.05 };           // of Adam
const DECAY = 0.01;                                    // pulls the weights to 0
const NEVER = -1e4;                                    // logit of a class without a stroke

// ---- the head: numbers --------------------------------------------------------------------------------------------

// Numbers in [0, 1), the same in Python (mulberry32).
function random(seed) {
  let a = seed | 0;
  return () => {
    a = (a + 0x6D2B79F5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

// The maps that a head looks at, finest first. Each is standardised so that all its channels together vary by 1: or a map of
// 112 channels would count more than the picture itself.
export function prepare(picture, features) {
  const { height, width } = picture;
  const own = { stride: 1, channels: 1, height, width, data: picture.data };
  const maps = [own, ...features.filter(f => f.stride > 1 && STRIDES.includes(f.stride))];
  maps.sort((a, b) => a.stride - b.stride);
  return { height, width, maps: maps.map(m => ({ ...m, ...statistics(m) })) };
}

function statistics({ channels, height, width, data }) {
  const n = height * width, mean = new Float64Array(channels), std = new Float64Array(channels);
  for (let c = 0; c < channels; c++) {
    let sum = 0, squares = 0;
    for (let i = c * n; i < (c + 1) * n; i++) sum += data[i];
    mean[c] = sum / n;
    for (let i = c * n; i < (c + 1) * n; i++) squares += (data[i] - mean[c]) ** 2;
    std[c] = Math.sqrt((squares / n + 1e-6) * channels);
  }
  return { mean, std };
}

// Where a row or column of the picture lies on a map: two neighbours, and how far it is from the first.
function place(i, stride, size) {
  const at = Math.max((i + 0.5) / stride - 0.5, 0), first = Math.floor(at);
  return [first, Math.min(first + 1, size - 1), at - first];
}

// At most PIXELS painted pixels of each class, evenly spread: a function of the labels alone, not of their history.
export function chosen(labels, nClasses) {
  const found = Array.from({ length: nClasses }, () => []);
  for (let i = 0; i < labels.length; i++) if (labels[i] < nClasses) found[labels[i]].push(i);
  const present = found.map((at, k) => k).filter(k => found[k].length);
  const pixels = present.map(k => {
    const at = found[k], m = Math.min(at.length, PIXELS);
    return Array.from({ length: m }, (_, j) => at[Math.floor(j * at.length / m)]);
  });
  return { present, pixels };
}

// The features of some pixels: one row each, every channel of every map, standardised.
function rowsOf({ maps, width }, at) {
  const d = maps.reduce((n, m) => n + m.channels, 0), x = new Float64Array(at.length * d);
  let from = 0;
  for (const { stride, channels, height: h, width: w, data, mean, std } of maps) {
    at.forEach((pixel, i) => {
      const [y0, y1, dy] = place(Math.floor(pixel / width), stride, h), [x0, x1, dx] = place(pixel % width, stride, w);
      for (let c = 0, o = 0; c < channels; c++, o += h * w) {
        const top = data[o + y0 * w + x0] * (1 - dx) + data[o + y0 * w + x1] * dx;
        const bottom = data[o + y1 * w + x0] * (1 - dx) + data[o + y1 * w + x1] * dx;
        x[i * d + from + c] = (top * (1 - dy) + bottom * dy - mean[c]) / std[c];
      }
    });
    from += channels;
  }
  return { x, d };
}

// One step of Adam on one array of weights.
function adam(p, g, state, step, rate) {
  const c1 = 1 - 0.9 ** step, c2 = 1 - 0.999 ** step;
  for (let i = 0; i < p.length; i++) {
    state.m[i] = 0.9 * state.m[i] + 0.1 * g[i];
    state.v[i] = 0.999 * state.v[i] + 0.001 * g[i] * g[i];
    p[i] -= rate * (state.m[i] / c1) / (Math.sqrt(state.v[i] / c2) + 1e-8);
  }
}

// The sum of x[a + j] * w[b + j]. Four sums at once: a processor need not wait for one addition to begin the next.
function dot(x, a, w, b, d) {
  let s0 = 0, s1 = 0, s2 = 0, s3 = 0, j = 0;
  for (; j + 3 < d; j += 4) {
    s0 += x[a + j] * w[b + j];
    s1 += x[a + j + 1] * w[b + j + 1];
    s2 += x[a + j + 2] * w[b + j + 2];
    s3 += x[a + j + 3] * w[b + j + 3];
  }
  for (; j < d; j++) s0 += x[a + j] * w[b + j];
  return s0 + s1 + s2 + s3;
}

// z = b + W x for each row of x
function affine(x, n, d, weights, bias, out) {
  const k = bias.length;
  for (let i = 0; i < n; i++)
    for (let u = 0; u < k; u++) out[i * k + u] = bias[u] + dot(x, i * d, weights, u * d, d);
}

// What an error dz in z = b + W x says about W and b.
function affineBack(x, n, d, dz, gWeights, gBias) {
  const k = gBias.length;
  gWeights.fill(0);
  gBias.fill(0);
  for (let i = 0; i < n; i++) {
    for (let u = 0; u < k; u++) {
      const e = dz[i * k + u];
      if (e === 0) continue;                           // a unit that is off learns nothing
      gBias[u] += e;
      for (let j = 0, a = i * d, b = u * d; j < d; j++) gWeights[b + j] += e * x[a + j];
    }
  }
}

// Softmax of each row of z, less 1 where the truth is, times the row's weight: the error of the logits.
function softmaxError(z, k, truth, weight) {
  for (let i = 0; i < truth.length; i++) {
    let top = -Infinity, sum = 0;
    for (let u = 0; u < k; u++) top = Math.max(top, z[i * k + u]);
    for (let u = 0; u < k; u++) sum += z[i * k + u] = Math.exp(z[i * k + u] - top);
    for (let u = 0; u < k; u++) z[i * k + u] = weight[i] * (z[i * k + u] / sum - (u === truth[i]));
  }
}

const uniform = (next, n, fanIn) => Float64Array.from({ length: n }, () => (2 * next() - 1) * Math.sqrt(3 / fanIn));

// Train a head from nothing on the painted pixels. Each class counts the same, however much of it is painted.
// null if fewer than two classes are painted.
export function fitHead(prepared, labels, { classes, hidden = 0, seed = 0, encoder = "lite0" }) {
  const { present, pixels } = chosen(labels, classes.length);
  if (present.length < 2) return null;
  const k = present.length, at = pixels.flat(), n = at.length, { x, d } = rowsOf(prepared, at);
  const truth = pixels.flatMap((p, u) => p.map(() => u));
  const weight = pixels.flatMap(p => p.map(() => 1 / (p.length * k)));
  const next = random(seed), units = hidden || k;
  const layers = [[hidden ? uniform(next, units * d, d) : new Float64Array(units * d), new Float64Array(units)]];
  if (hidden) layers.push([uniform(next, k * hidden, hidden), new Float64Array(k)]);
  const parameters = layers.flat(), gradients = parameters.map(p => new Float64Array(p.length));
  const states = parameters.map(p => ({ m: new Float64Array(p.length), v: new Float64Array(p.length) }));
  const z = new Float64Array(n * units), out = hidden ? new Float64Array(n * k) : z;
  for (let step = 1; step <= STEPS; step++) {
    affine(x, n, d, ...layers[0], z);
    if (hidden) {
      for (let i = 0; i < z.length; i++) if (z[i] < 0) z[i] = 0;
      affine(z, n, hidden, ...layers[1], out);
    }
    softmaxError(out, k, truth, weight);
    if (hidden) {
      affineBack(z, n, hidden, out, gradients[2], gradients[3]);
      const second = layers[1][0];
      for (let i = 0; i < n; i++) {
        for (let u = 0; u < hidden; u++) {
          if (z[i * hidden + u] === 0) continue;
          let sum = 0;
          for (let o = 0; o < k; o++) sum += out[i * k + o] * second[o * hidden + u];
          z[i * hidden + u] = sum;
        }
      }
    }
    affineBack(x, n, d, z, gradients[0], gradients[1]);
    for (let p = 0; p < parameters.length; p += 2)
      for (let i = 0; i < parameters[p].length; i++) gradients[p][i] += DECAY * parameters[p][i];
    parameters.forEach((p, i) => adam(p, gradients[i], states[i], step, hidden ? RATE.hidden : RATE.linear));
  }
  return asHead(prepared, layers, { classes, present, hidden, seed, encoder, painted: n });
}

// The trained weights as JSON: standardising folded in, and classes without a stroke never chosen.
function asHead({ maps }, [[first, bias], second], { classes, present, hidden, seed, encoder, painted }) {
  const units = bias.length, d = first.length / units, weights = {}, b = Array.from(bias);
  let from = 0;
  for (const { stride, channels, mean, std } of maps) {
    weights[stride] = Array.from({ length: units }, (_, u) => Array.from({ length: channels }, (_, c) => {
      const w = first[u * d + from + c] / std[c];
      b[u] -= w * mean[c];
      return w;
    }));
    from += channels;
  }
  const all = (rows, none) => classes.map((_, k) => present.includes(k) ? rows[present.indexOf(k)] : none);
  const head = { format: FORMAT, kind: hidden ? "hidden" : "linear", encoder, strides: maps.map(m => m.stride), classes };
  const about = { seed, steps: STEPS, pixels: painted };
  if (hidden) {
    const rows = present.map((_, u) => Array.from(second[0].subarray(u * hidden, (u + 1) * hidden)));
    const out = { weights: all(rows, new Array(hidden).fill(0)), bias: all(Array.from(second[1]), NEVER) };
    return { ...head, weights, bias: b, out, about };
  }
  for (const s in weights) weights[s] = all(weights[s], new Array(weights[s][0].length).fill(0));
  return { ...head, weights, bias: all(b, NEVER), out: null, about };
}

// Calls `row(y, z)` for each row of the picture, z[u * width + x] being the logits: b + sum of enlarged W f.
function logitRows(head, { height, width, maps }, row) {
  const units = head.bias.length, small = maps.map(m => mixed(m, head.weights[m.stride], units));
  const columns = maps.map(m => Array.from({ length: width }, (_, x) => place(x, m.stride, m.width)));
  const left = columns.map(c => Int32Array.from(c, p => p[0])), right = columns.map(c => Int32Array.from(c, p => p[1]));
  const part = columns.map(c => Float64Array.from(c, p => p[2]));
  const z = new Float64Array(units * width), line = new Float64Array(width);
  for (let y = 0; y < height; y++) {
    for (let u = 0; u < units; u++) z.fill(head.bias[u], u * width, (u + 1) * width);
    maps.forEach((m, i) => {
      const [y0, y1, dy] = place(y, m.stride, m.height), l = left[i], r = right[i], dx = part[i], w = m.width;
      for (let u = 0; u < units; u++) {
        const a = (u * m.height + y0) * w, b = (u * m.height + y1) * w, f = small[i], o = u * width;
        if (m.stride === 1) {
          for (let x = 0; x < width; x++) z[o + x] += f[a + x];
          continue;
        }
        for (let x = 0; x < w; x++) line[x] = f[a + x] * (1 - dy) + f[b + x] * dy;
        for (let x = 0; x < width; x++) z[o + x] += line[l[x]] * (1 - dx[x]) + line[r[x]] * dx[x];
      }
    });
    row(y, head.out ? through(head.out, z, units, width) : z);
  }
}

// A 1x1 convolution: W f on the small map, which is cheaper than on the large one, and the same.
function mixed({ channels, height, width, data }, weights, units) {
  const n = height * width, out = new Float64Array(units * n), block = 2048;     // a block at a time stays in the cache
  for (let start = 0; start < n; start += block) {
    const end = Math.min(start + block, n);
    for (let u = 0; u < units; u++)
      for (let c = 0; c < channels; c++)
        for (let i = start, w = weights[u][c], from = c * n, to = u * n; i < end; i++) out[to + i] += w * data[from + i];
  }
  return out;
}

function through(out, z, units, width) {
  const y = new Float64Array(out.bias.length * width);
  out.bias.forEach((b, k) => {
    y.fill(b, k * width, (k + 1) * width);
    for (let u = 0; u < units; u++)
      for (let x = 0, w = out.weights[k][u]; x < width; x++) y[k * width + x] += w * Math.max(z[u * width + x], 0);
  });
  return y;
}

// The class of each pixel, and the margin: how far the probability of the first class is above that of the second.
export function predict(head, prepared) {
  const { height, width } = prepared, k = head.classes.length;
  const mask = new Uint8Array(height * width), margin = new Float32Array(height * width);
  logitRows(head, prepared, (y, z) => {
    for (let x = 0; x < width; x++) {
      let first = 0, second = -1;
      for (let u = 1; u < k; u++) {
        if (z[u * width + x] > z[first * width + x]) { second = first; first = u; }
        else if (second < 0 || z[u * width + x] > z[second * width + x]) second = u;
      }
      let sum = 0;
      for (let u = 0; u < k; u++) sum += Math.exp(z[u * width + x] - z[first * width + x]);
      mask[y * width + x] = first;
      margin[y * width + x] = second < 0 ? 1 : (1 - Math.exp(z[second * width + x] - z[first * width + x])) / sum;
    }
  });
  return { mask, margin };
}

// Where a stroke would teach most: the middle of the square of 16 pixels, without paint, with the smallest mean margin.
export function whereNext(margin, labels, { height, width }, side = 16) {
  let best = null, least = Infinity;
  for (let top = 0; top + side <= height; top += side) {
    for (let leftmost = 0; leftmost + side <= width; leftmost += side) {
      let sum = 0;
      for (let y = top; y < top + side; y++)
        for (let x = leftmost; x < leftmost + side; x++)
          sum += labels[y * width + x] === IGNORE ? margin[y * width + x] : Infinity;
      if (sum < least) { least = sum; best = { y: top + side / 2, x: leftmost + side / 2 }; }
    }
  }
  return best;
}

// ---- files: labels as text, masks as PNG ----------------------------------------------------------------------------

// Labels as "3x255 2x0 ...": short, since paint is in strokes. For undo, and for the browser's storage.
export function pack(labels) {
  const runs = [];
  for (let i = 0, j = 0; i < labels.length; i = j) {
    while (j < labels.length && labels[j] === labels[i]) j++;
    runs.push(`${j - i}x${labels[i]}`);
  }
  return runs.join(" ");
}

// null if the text does not say what `size` pixels are.
export function unpack(text, size) {
  const labels = new Uint8Array(size).fill(IGNORE);
  let at = 0;
  for (const run of String(text).split(" ")) {
    const [n, value] = run.split("x").map(Number);
    if (!(n > 0) || !(value >= 0 && value <= IGNORE) || at + n > size) return null;
    labels.fill(value, at, at + n);
    at += n;
  }
  return at === size ? labels : null;
}

function crc(bytes) {
  let c = ~0;
  for (const b of bytes) {
    c ^= b;
    for (let k = 0; k < 8; k++) c = c & 1 ? (c >>> 1) ^ 0xEDB88320 : c >>> 1;
  }
  return ~c >>> 0;
}

// A grey PNG of 8 bits whose numbers are exactly those of `values`. (A canvas would make colours of them.)
export async function greyPng(values, height, width) {
  const raw = new Uint8Array(height * (width + 1));    // a 0 before each row: no filter
  for (let y = 0; y < height; y++) raw.set(values.subarray(y * width, (y + 1) * width), y * (width + 1) + 1);
  const packed = new Response(new Blob([raw]).stream().pipeThrough(new CompressionStream("deflate")));
  const head = new DataView(new ArrayBuffer(13));
  head.setUint32(0, width);
  head.setUint32(4, height);
  head.setUint8(8, 8);                                 // bits; the zeros behind it: grey, deflate, not interlaced
  const chunk = (name, data) => {
    const bytes = new Uint8Array(12 + data.length), view = new DataView(bytes.buffer);
    view.setUint32(0, data.length);
    bytes.set([...name].map(s => s.charCodeAt(0)), 4);
    bytes.set(data, 8);
    view.setUint32(8 + data.length, crc(bytes.subarray(4, 8 + data.length)));
    return bytes;
  };
  const parts = [chunk("IHDR", new Uint8Array(head.buffer)), chunk("IDAT", new Uint8Array(await packed.arrayBuffer()))];
  return new Blob([new Uint8Array([137, 80, 78, 71, 13, 10, 26, 10]), ...parts, chunk("IEND", new Uint8Array(0))], { type: "image/png" });
}

// A name for a picture in the browser's storage: its size, and two sums of its pixels (FNV-1a).
export function nameOf({ height, width, data }) {
  let a = 0x811C9DC5, b = 0x9747B28C;
  for (let i = 0; i < data.length; i++) {
    const v = Math.round(data[i] * 65535);
    a = Math.imul(a ^ v, 0x01000193);
    b = Math.imul(b ^ (v + i), 0x01000193);
  }
  return `unet-explorer paint ${height}x${width} ${(a >>> 0).toString(16)}${(b >>> 0).toString(16)}`;
}

// ---- what the reader sees -------------------------------------------------------------------------------------------

export const COLOURS = ["#56b4e9", "#e69f00", "#009e73", "#f0e442", "#cc79a7", "#d55e00", "#0072b2", "#999999", "#ffffff"];
const MOST = COLOURS.length;                           // classes: keys 1 to 9

// Build an element. Text goes in by append() and setAttribute(), never as HTML.
function el(tag, attributes = {}, ...inside) {
  const e = document.createElement(tag);
  for (const key in attributes) {
    if (typeof attributes[key] === "function") e.addEventListener(key, attributes[key]);
    else if (attributes[key] !== null) e.setAttribute(key, attributes[key]);
  }
  e.append(...inside);
  return e;
}

const rgb = hex => [1, 3, 5].map(i => parseInt(hex.slice(i, i + 2), 16));

function save(blob, name) {
  const url = URL.createObjectURL(blob), a = el("a", { href: url, download: name });
  document.body.append(a);
  a.click();
  a.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

// Storage may be refused (private windows, settings): then the work lives as long as the page.
const store = {
  read(key) { try { return JSON.parse(localStorage.getItem(key)); } catch (e) { return null; } },
  write(key, value) { try { localStorage.setItem(key, JSON.stringify(value)); return true; } catch (e) { return false; } },
  remove(key) { try { localStorage.removeItem(key); return true; } catch (e) { return false; } },
};

// Put the painting into `root`. Options: `classes` (names), `labels` (Uint8Array, 255 = no paint), `hidden` (0 or 16),
// `encoder`, `name` (of the files), `keep` (false: nothing goes into the browser's storage), `onchange({labels, head,
// classes})`. Returns { state, paint, destroy }.
export function mount(root, { picture, features, classes, labels, hidden = 0, encoder = "lite0", name = "picture",
                              keep = true, onchange = () => {} }) {
  const { height, width } = picture, size = height * width, key = nameOf(picture);
  const state = {
    classes: (classes || ["background", "object"]).map((n, k) => ({ name: n, colour: COLOURS[k % MOST] })),
    labels: labels ? Uint8Array.from(labels) : new Uint8Array(size).fill(IGNORE),
    hidden, active: 1, radius: 3, opacity: 0.45, unsure: true, cursor: { y: height >> 1, x: width >> 1 },
    head: null, mask: null, margin: null, next: null, ms: 0, strokes: 0, prepared: null, ready: false,
  };
  const undone = [], before = [];                      // packed labels
  let alive = true, timer = 0, last = null, penDown = false;

  // -- the picture and what lies on it
  const canvas = el("canvas", { class: "uxpaint-canvas", width, height, tabindex: 0, role: "application",
    "aria-label": `Picture, ${height} by ${width} pixels. Arrows move the cursor, with Shift by ten; hold Space to paint, ` +
      "or Enter to lower and lift the brush; 1 to 9 choose a class, 0 erases; z undoes, y redoes; n goes to the least sure place.",
    "aria-describedby": null });
  const paper = canvas.getContext("2d"), pixels = new ImageData(width, height);
  const grey = Uint8ClampedArray.from(picture.data, v => v * 255);

  function draw() {
    const colours = state.classes.map(c => rgb(c.colour)), out = pixels.data, a = state.opacity;
    for (let i = 0, j = 0; i < size; i++, j += 4) {
      const x = i % width, y = (i - x) / width, g = grey[i], paint = state.labels[i];
      out[j + 3] = 255;
      if (paint < colours.length) {                    // striped, so that paint is not told by colour alone
        const stripe = (x + (paint % 2 ? y : height - y)) % 6 < 2, c = colours[paint];
        for (let k = 0; k < 3; k++) out[j + k] = stripe ? c[k] * 0.35 : c[k];
        continue;
      }
      const c = state.mask && state.mask[i] ? colours[state.mask[i]] : null;
      for (let k = 0; k < 3; k++) out[j + k] = c ? g * (1 - a) + c[k] * a : g;
      if (state.unsure && state.margin && state.margin[i] < 0.2 && (x + 2 * y) % 4 === 0)
        out[j] = out[j + 1] = out[j + 2] = (x >> 1) % 2 ? 255 : 0;
    }
    paper.putImageData(pixels, 0, 0);
    const unit = Math.max(1, width / (canvas.clientWidth || width));      // one pixel of the screen
    if (state.unsure && state.next) ring(state.next, 10 * unit, unit, [4 * unit, 3 * unit]);
    if (document.activeElement === canvas || penDown) cross(state.cursor, unit);
  }

  function ring({ y, x }, r, unit, dashes) {
    for (const [colour, line] of [["#000", 4], ["#fff", 2]]) {
      paper.setLineDash(dashes);
      paper.lineWidth = line * unit;
      paper.strokeStyle = colour;
      paper.beginPath();
      paper.arc(x, y, r, 0, 7);
      paper.stroke();
    }
    paper.setLineDash([]);
  }

  function cross({ y, x }, unit) {
    ring({ y: y + 0.5, x: x + 0.5 }, Math.max(state.radius + 0.5, 2 * unit), unit * 0.7, []);
    for (const [colour, line] of [["#000", 3], ["#fff", 1.2]]) {
      paper.lineWidth = line * unit;
      paper.strokeStyle = colour;
      paper.beginPath();
      for (const [dy, dx] of [[0, 1], [0, -1], [1, 0], [-1, 0]]) {
        const r = state.radius + 3 * unit;
        paper.moveTo(x + 0.5 + dx * r, y + 0.5 + dy * r);
        paper.lineTo(x + 0.5 + dx * (r + 6 * unit), y + 0.5 + dy * (r + 6 * unit));
      }
      paper.stroke();
    }
  }

  // -- painting
  function dab({ y, x }) {
    const r = state.radius, value = state.active < 0 ? IGNORE : state.active;
    for (let i = Math.max(0, y - r); i <= Math.min(height - 1, y + r); i++)
      for (let j = Math.max(0, x - r); j <= Math.min(width - 1, x + r); j++)
        if ((i - y) ** 2 + (j - x) ** 2 <= r * r + 1) state.labels[i * width + j] = value;
  }

  function line(from, to) {
    const n = Math.max(Math.abs(to.y - from.y), Math.abs(to.x - from.x), 1);
    for (let i = 0; i <= n; i++)
      dab({ y: Math.round(from.y + (to.y - from.y) * i / n), x: Math.round(from.x + (to.x - from.x) * i / n) });
  }

  function lower(at) {
    before.push(pack(state.labels));
    if (before.length > 100) before.shift();
    undone.length = 0;
    penDown = true;
    last = state.cursor = at;
    dab(at);
    draw();
    soon();
  }

  function move(at) {
    state.cursor = at;
    if (penDown) {
      line(last, at);
      last = at;
      soon();
    }
    draw();
  }

  function lift() {
    if (!penDown) return;
    penDown = false;
    state.strokes++;
    learnNow();
  }

  // While the brush is down the head learns now and then; as soon as it is up, for good.
  function soon() {
    if (!timer) timer = setTimeout(learn, Math.max(200, 3 * state.ms));
  }

  function learnNow() {
    clearTimeout(timer);
    timer = setTimeout(learn, 0);
  }

  function learn() {
    timer = 0;
    if (!alive || !state.ready) return;
    const start = performance.now();
    state.head = fitHead(state.prepared, state.labels, { classes: state.classes, hidden: state.hidden, encoder });
    Object.assign(state, state.head ? predict(state.head, state.prepared) : { mask: null, margin: null });
    state.next = state.head ? whereNext(state.margin, state.labels, picture) : null;
    draw();
    state.ms = performance.now() - start;
    root.dataset.ms = state.ms.toFixed(0);
    root.dataset.updates = 1 + Number(root.dataset.updates || 0);
    if (!penDown) keepAndTell();
  }

  function keepAndTell() {
    const kept = !keep || store.write(key, { format: FORMAT, classes: state.classes, hidden: state.hidden, labels: pack(state.labels) });
    storage.hidden = kept;
    onchange({ labels: state.labels, head: state.head, classes: state.classes.map(c => c.name) });
    for (const b of [maskButton, headButton]) b.disabled = !state.head;
    strokesButton.disabled = !state.labels.some(v => v !== IGNORE);
    undoButton.disabled = !before.length;
    redoButton.disabled = !undone.length;
    status.textContent = summary();
  }

  function summary() {
    if (!state.ready) return "The encoder is looking at the picture …";
    const painted = state.classes.filter((_, k) => state.labels.includes(k));
    if (!state.head) {
      const missing = state.classes.filter(c => !painted.includes(c)).map(c => c.name);
      return painted.length ? `Painted: ${painted[0].name}. Now paint a second class: ${missing.join(" or ")}.`
                            : "Paint a stroke of each class.";
    }
    const counts = new Array(state.classes.length).fill(0);
    for (const v of state.mask) counts[v]++;
    const shares = state.classes.map((c, k) => `${c.name} ${(100 * counts[k] / size).toFixed(1)} %`).join(", ");
    const doubt = state.margin.reduce((n, m) => n + (m < 0.2), 0) / size;
    return `${shares}. Unsure: ${(100 * doubt).toFixed(1)} %. Learned in ${state.ms.toFixed(0)} ms.`;
  }

  function step(from, to) {
    if (!from.length || penDown) return;
    to.push(pack(state.labels));
    state.labels.set(unpack(from.pop(), size));
    draw();
    learnNow();
  }

  // -- mouse, finger, pen
  const at = event => {
    const box = canvas.getBoundingClientRect();
    const inside = (v, n) => Math.max(0, Math.min(n - 1, Math.floor(v)));
    return { y: inside((event.clientY - box.top) * height / box.height, height), x: inside((event.clientX - box.left) * width / box.width, width) };
  };
  canvas.addEventListener("pointerdown", event => {
    if (event.button || !event.isPrimary) return;
    canvas.setPointerCapture(event.pointerId);
    lower(at(event));
  });
  canvas.addEventListener("pointermove", event => { if (event.isPrimary && penDown) move(at(event)); });
  for (const type of ["pointerup", "pointercancel"]) canvas.addEventListener(type, lift);
  for (const type of ["focus", "blur"]) canvas.addEventListener(type, () => { if (type === "blur") lift(); draw(); });

  // -- keys
  const arrows = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  canvas.addEventListener("keydown", event => {
    const k = event.key, plain = !event.altKey && !event.metaKey && !event.ctrlKey;
    if (arrows[k] && plain) {
      const [dy, dx] = arrows[k], n = event.shiftKey ? 10 : 1, c = state.cursor;
      move({ y: Math.max(0, Math.min(height - 1, c.y + n * dy)), x: Math.max(0, Math.min(width - 1, c.x + n * dx)) });
    } else if (k === " " && plain) { if (!penDown) lower(state.cursor); }
    else if (k === "Enter" && plain) { if (penDown) lift(); else { lower(state.cursor); status.textContent = "Brush down."; } }
    else if (/^[0-9]$/.test(k) && plain) choose(Number(k) - 1);
    else if (k.toLowerCase() === "z" && !event.altKey) { if (event.shiftKey) step(undone, before); else step(before, undone); }
    else if (k.toLowerCase() === "y" && !event.altKey) step(undone, before);
    else if (k === "n" && plain) goNext();
    else if ("+-".includes(k) && plain) { sizeInput.value = state.radius + (k === "+" ? 1 : -1); sizeInput.dispatchEvent(new Event("input")); }
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  canvas.addEventListener("keyup", event => { if (event.key === " ") { lift(); event.preventDefault(); } });

  function goNext() {
    if (!state.next) return;
    state.cursor = { ...state.next };
    canvas.focus();
    draw();
    status.textContent = `Cursor at the least sure place: row ${state.cursor.y}, column ${state.cursor.x}.`;
  }

  // -- classes
  const list = el("div", { class: "uxpaint-classes", role: "radiogroup", "aria-label": "Class to paint" });

  function choose(k) {
    if (k >= state.classes.length) return;
    state.active = k;
    list.querySelectorAll("input[type=radio]").forEach(r => { r.checked = Number(r.value) === k; });
    status.textContent = k < 0 ? "Erasing." : `Painting ${state.classes[k].name}.`;
  }

  function classRow(c, k) {
    const radio = el("input", { type: "radio", name: key, value: k, "aria-label": `paint ${c.name}`, change: () => choose(k) });
    radio.checked = k === state.active;
    const text = el("input", { type: "text", value: c.name, "aria-label": `name of class ${k + 1}`, maxlength: 40, size: 12 });
    text.addEventListener("change", () => {
      c.name = unused(text.value.trim() || `class ${k + 1}`, c);
      text.value = c.name;
      radio.setAttribute("aria-label", `paint ${c.name}`);
      learnNow();
    });
    const swatch = el("span", { class: "uxpaint-swatch", "aria-hidden": "true" }, String(k + 1));
    swatch.style.background = c.colour;
    swatch.style.color = k === 6 ? "#fff" : "#000";
    return el("div", { class: "uxpaint-class" }, el("label", {}, radio, swatch), text);
  }

  function unused(wish, own) {                         // names of classes differ
    let text = wish;
    for (let i = 2; state.classes.some(c => c !== own && c.name === text); i++) text = `${wish} ${i}`;
    return text;
  }

  function listClasses() {
    const erase = el("input", { type: "radio", name: key, value: -1, change: () => choose(-1) });
    erase.checked = state.active < 0;
    const eraser = el("div", { class: "uxpaint-class" }, el("label", {}, erase, el("span", { class: "uxpaint-swatch" }, "0"), "erase"));
    list.replaceChildren(...state.classes.map(classRow), eraser);
    addButton.disabled = state.classes.length >= MOST;
  }

  function addClass() {
    const k = state.classes.length;
    state.classes.push({ name: unused(`class ${k + 1}`), colour: COLOURS[k] });
    state.active = k;
    listClasses();
    list.querySelectorAll("input[type=text]")[k].select();
    learnNow();
  }

  // -- controls
  const button = (text, click, more = {}) => el("button", { type: "button", click, ...more }, text);
  const slider = (text, value, min, max, by, set) => {
    const input = el("input", { type: "range", min, max, step: by, value });
    input.addEventListener("input", () => { set(Number(input.value)); draw(); });
    return [el("label", {}, el("span", {}, text), input), input];
  };
  const tick = (text, value, set) => {
    const input = el("input", { type: "checkbox", change: () => { set(input.checked); draw(); } });
    input.checked = value;
    return el("label", { class: "uxpaint-tick" }, input, text);
  };
  const addButton = button("Add a class", addClass);
  const undoButton = button("Undo", () => step(before, undone)), redoButton = button("Redo", () => step(undone, before));
  const nextButton = button("Go to the least sure place", goNext);
  const [sizeLabel, sizeInput] = slider("Brush", state.radius, 0, 20, 1, v => { state.radius = v; });
  const [overLabel] = slider("Overlay", state.opacity, 0, 1, 0.05, v => { state.opacity = v; });
  const kinds = el("select", {}, el("option", { value: 0 }, "linear"), el("option", { value: 16 }, "one hidden layer of 16"));
  kinds.value = state.hidden;
  kinds.addEventListener("change", () => { state.hidden = Number(kinds.value); learnNow(); });
  const maskButton = button("Mask (PNG)", async () => save(await greyPng(state.mask, height, width), `${name}_predicted.png`));
  const strokesButton = button("Strokes (PNG)", async () => save(await greyPng(state.labels, height, width), `${name}_mask.png`));
  const headButton = button("Head (JSON)", () => save(new Blob([JSON.stringify(state.head)], { type: "application/json" }), `${name}_head.json`));
  const forgetButton = button("Start again", () => {
    before.push(pack(state.labels));
    state.labels.fill(IGNORE);
    store.remove(key);
    draw();
    learnNow();
  });
  const status = el("p", { class: "uxpaint-status", role: "status" });
  const storage = el("p", { class: "uxpaint-note", hidden: "" }, "This browser refuses to store the work: it is lost when the page closes. Save it below.");
  const files = el("div", { class: "uxpaint-row", role: "group", "aria-label": "Save" }, el("span", {}, "Save:"), maskButton, strokesButton, headButton);
  const keys = el("details", {}, el("summary", {}, "Keys"), el("p", {}, "On the picture: arrows move the cursor (Shift: by ten), " +
    "hold Space to paint, Enter lowers and lifts the brush, 1 to 9 choose a class, 0 erases, z undoes, y redoes, n goes to the least sure place, + and - change the brush."));
  const side = el("div", { class: "uxpaint-side" }, list, addButton, sizeLabel, overLabel,
    tick("Show where it is unsure", state.unsure, v => { state.unsure = v; }), el("label", {}, el("span", {}, "Head"), kinds),
    el("div", { class: "uxpaint-row" }, undoButton, redoButton, forgetButton), nextButton, files, keys);
  const all = el("div", { class: "uxpaint", style: `--aspect: ${width / height}` }, el("div", { class: "uxpaint-body" }, el("div", { class: "uxpaint-picture" }, canvas, status, storage), side));
  all.addEventListener("keydown", event => event.stopPropagation());      // or JupyterLab takes keys for its own

  // -- begin
  const old = keep && !labels ? store.read(key) : null, kept = old && old.format === FORMAT ? unpack(old.labels, size) : null;
  if (kept && Array.isArray(old.classes)) {
    state.labels = kept;
    state.classes = old.classes.slice(0, MOST).map((c, k) => ({ name: String(c.name), colour: COLOURS[k] }));
    state.hidden = old.hidden ? 16 : 0;
    kinds.value = state.hidden;
  }
  listClasses();
  root.replaceChildren(all);
  draw();
  keepAndTell();
  const ready = Promise.resolve(typeof features === "function" ? features(picture) : features).then(maps => {
    if (!alive) return;
    state.prepared = prepare(picture, maps);
    state.ready = true;
    root.dataset.ready = "yes";
    learn();
  }).catch(error => { status.textContent = `The features could not be computed: ${error.message || error}`; root.dataset.ready = "failed"; });
  return { state, ready, draw, learn, destroy() { alive = false; clearTimeout(timer); root.replaceChildren(); } };
}

// ---- JupyterLab: what anywidget calls ---------------------------------------------------------------------------------

export default {
  render({ model, el: root }) {
    const floats = view => new Float32Array(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
    const [height, width] = model.get("size"), picture = { height, width, data: floats(model.get("picture")) };
    const features = model.get("maps").map(m => ({ ...m, data: floats(m.data) }));
    const given = model.get("labels_"), labels = given.byteLength ? new Uint8Array(given.buffer, given.byteOffset, given.byteLength) : null;
    const told = ({ labels, head, classes }) => {
      model.set("labels_", new DataView(Uint8Array.from(labels).buffer));
      model.set("head_", head ? JSON.stringify(head) : "");
      model.set("classes", classes);
      model.save_changes();
    };
    const it = mount(root, { picture, features, labels, classes: model.get("classes"), hidden: model.get("hidden"),
                             encoder: model.get("encoder"), keep: false, onchange: told });
    return () => it.destroy();
  },
};
