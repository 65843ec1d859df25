// A file becomes a picture as unet_explorer reads it (nbs/02_images, nbs/03_files): grey, from 0 to 1, float32.
//   UX_PICTURES.read(file) -> {height, width, data: Float32Array, note}        UX_PICTURES.maskFile(mask) -> Blob
// A canvas would give 8 of 16 bits, and colours that a profile has changed: so PNG is taken apart here, and
// TIFF by geotiff.js (vendor/). JPEG is left to the browser.
(() => {
  const fail = words => { throw new Error(words); };
  const MOST = 64e6;  // pixels

  // What lies in a file: {height, width, samples, numbers, orientation, note} ------------------------------------

  const unpacked = async (bytes, how) =>
    new Uint8Array(await new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream(how))).arrayBuffer());

  const joined = parts => {
    const all = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
    let at = 0;
    for (const p of parts) { all.set(p, at); at += p.length; }
    return all;
  };

  const chunks = bytes => {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length), found = {};
    for (let at = 8; at + 12 <= bytes.length;) {
      const n = view.getUint32(at), name = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
      if (at + 12 + n > bytes.length) fail("the file is cut short; copy it again");
      (found[name] ||= []).push(bytes.subarray(at + 8, at + 8 + n));
      at += 12 + n;
    }
    return found;
  };

  // Each row of a PNG begins with the number of the filter that was used on it.
  const unfiltered = (raw, height, stride, step) => {
    if (raw.length < height * (stride + 1)) fail("parts of the pixels are missing; copy the file again");
    const out = new Uint8Array(height * stride);
    for (let y = 0; y < height; y++) {
      const from = y * (stride + 1), kind = raw[from], row = y * stride;
      for (let x = 0; x < stride; x++) {
        const left = x >= step ? out[row + x - step] : 0, up = y ? out[row + x - stride] : 0;
        const corner = x >= step && y ? out[row + x - stride - step] : 0;
        let guess = 0;
        if (kind === 1) guess = left;
        else if (kind === 2) guess = up;
        else if (kind === 3) guess = (left + up) >> 1;
        else if (kind === 4) {
          const p = left + up - corner, a = Math.abs(p - left), b = Math.abs(p - up), c = Math.abs(p - corner);
          guess = a <= b && a <= c ? left : b <= c ? up : corner;
        }
        out[row + x] = raw[from + 1 + x] + guess;
      }
    }
    return out;
  };

  // 1, 2, 4, 8 or 16 bits a number; rows begin at whole bytes.
  const numbersOf = (rows, height, width, samples, depth, stride) => {
    const n = width * samples;
    if (depth === 8) return rows;
    if (depth === 16) return Uint16Array.from({length: height * n}, (_, i) => rows[2 * i] << 8 | rows[2 * i + 1]);
    const out = new Uint8Array(height * n), top = 2 ** depth - 1;
    for (let y = 0; y < height; y++) for (let i = 0; i < n; i++) {
      const bit = i * depth;
      out[y * n + i] = rows[y * stride + (bit >> 3)] >> (8 - depth - (bit & 7)) & top;
    }
    return out;
  };

  // Indices become colours, or one grey if all colours that are used are grey.
  const byPalette = (indices, table) => {
    const used = new Set(indices);
    const grey = [...used].every(i => table[3 * i] === table[3 * i + 1] && table[3 * i] === table[3 * i + 2]);
    const samples = grey ? 1 : 3, numbers = new Uint8Array(indices.length * samples);
    indices.forEach((v, i) => { for (let s = 0; s < samples; s++) numbers[i * samples + s] = table[3 * v + s]; });
    return {samples, numbers};
  };

  const exifOrientation = exif => {
    const view = new DataView(exif.buffer, exif.byteOffset, exif.length), little = exif[0] === 0x49;
    try {
      const at = view.getUint32(4, little);
      for (let i = 0; i < view.getUint16(at, little); i++) {
        if (view.getUint16(at + 2 + 12 * i, little) === 0x0112) return view.getUint16(at + 10 + 12 * i, little);
      }
    } catch { /* a damaged block says nothing */ }
    return 1;
  };

  const png = async (bytes, file) => {
    const found = chunks(bytes), head = found.IHDR?.[0] ?? fail("the PNG has no header; copy it again");
    const view = new DataView(head.buffer, head.byteOffset, 13), width = view.getUint32(0), height = view.getUint32(4);
    const depth = head[8], colours = head[9];
    if (width * height > MOST) fail(`${width} x ${height} pixels are too many for a page; use unet-explorer segment`);
    if (head[12] && depth === 16) fail("an interlaced PNG of 16 bits is not read here; save it without interlacing");
    if (head[12]) return byBrowser(file);
    const samples = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colours] ?? fail("the PNG is damaged; copy it again");
    const stride = Math.ceil(width * samples * depth / 8), step = Math.max(1, samples * depth / 8);
    const raw = await unpacked(joined(found.IDAT ?? []), "deflate").catch(() => fail("the PNG is damaged; copy it again"));
    let numbers = numbersOf(unfiltered(raw, height, stride, step), height, width, samples, depth, stride);
    const orientation = found.eXIf ? exifOrientation(found.eXIf[0]) : 1, place = {height, width, orientation};
    if (colours === 3) return {...place, ...byPalette(numbers, found.PLTE[0])};
    if (depth < 8) numbers = numbers.map(v => Math.round(v * 255 / (2 ** depth - 1)));
    return {...place, samples, numbers};
  };

  const byBrowser = async file => {
    const options = {colorSpaceConversion: "none", premultiplyAlpha: "none"};
    const bitmap = await createImageBitmap(file, options).catch(() => fail("the browser cannot read this picture; save it as PNG"));
    const {width, height} = bitmap;
    if (width * height > MOST) fail(`${width} x ${height} pixels are too many for a page; use unet-explorer segment`);
    const canvas = Object.assign(document.createElement("canvas"), {width, height});
    const context = canvas.getContext("2d", {willReadFrequently: true});
    context.drawImage(bitmap, 0, 0);
    const data = context.getImageData(0, 0, width, height).data;
    const grey = data.every((v, i) => i % 4 === 3 || v === data[i - i % 4]), samples = grey ? 1 : 3;
    const numbers = new Uint8Array(width * height * samples);
    for (let i = 0; i < width * height; i++) for (let s = 0; s < samples; s++) numbers[i * samples + s] = data[4 * i + s];
    return {height, width, samples, numbers, orientation: 1};  // createImageBitmap has turned it
  };

  // TIFF: of pictures that are alike, those that hold most; of these the first, as `files.load_image` has it.
  const tiff = async (bytes, geotiff) => {
    const opened = await (await geotiff()).fromArrayBuffer(bytes.buffer), n = await opened.getImageCount(), groups = new Map();
    for (let i = 0; i < n; i++) {
      const image = await opened.getImage(i), size = [image.getWidth(), image.getHeight(), image.getSamplesPerPixel()];
      const key = [...size, image.getBitsPerSample(), image.getSampleFormat()].join();
      if (!groups.has(key)) groups.set(key, {first: image, pages: 0, one: size[0] * size[1] * size[2]});
      groups.get(key).pages++;
    }
    const best = [...groups.values()].reduce((a, b) => b.pages * b.one > a.pages * a.one ? b : a), image = best.first;
    const about = image.fileDirectory, kind = about.getValue("PhotometricInterpretation") ?? 1;
    const width = image.getWidth(), height = image.getHeight(), bits = image.getBitsPerSample();
    if (width * height > MOST) fail(`${width} x ${height} pixels are too many for a page; use unet-explorer segment`);
    if (![0, 1, 2, 3].includes(kind)) fail("its colours are neither grey nor RGB; save it as one of these");
    if (bits % 8) fail(`${bits} bits a number are not read here; save it with 8 or 16`);
    const all = await image.readRasters({interleave: true}).catch(e => fail(`the TIFF cannot be read (${e.message})`));
    let numbers = all, samples = image.getSamplesPerPixel();
    const wanted = kind === 2 ? Math.min(samples, 4) : 1;  // of other samples the first is read
    if (samples > wanted) numbers = all.filter((_, i) => i % samples < wanted);
    samples = wanted;
    if (kind === 0) numbers = negative(numbers);
    const place = {height, width, orientation: about.getValue("Orientation") ?? 1};
    if (best.pages > 1) place.note = `Page 1 of ${best.pages} of the file.`;
    if (kind !== 3) return {...place, samples, numbers};
    const map = await about.loadValue("ColorMap"), size = map.length / 3, bytewise = map.every(v => v < 256);
    const table = Uint8Array.from({length: map.length}, (_, i) => map[(i % 3) * size + Math.floor(i / 3)] >> (bytewise ? 0 : 8));
    return {...place, ...byPalette(numbers, table)};
  };

  const negative = a => {
    const top = a instanceof Uint8Array ? 255 : a instanceof Uint16Array ? 65535 : a instanceof Uint32Array ? 2 ** 32 - 1 : 1;
    return a.map(v => top - v);
  };

  // What the numbers mean (images._limits) ------------------------------------------------------------------------

  const sorted = a => Float64Array.from(a).sort();

  const percentiles = (a, shares) => {
    if (!(a instanceof Uint16Array)) {
      const s = sorted(a);
      return shares.map(share => {
        const at = (s.length - 1) * share / 100, low = Math.floor(at);
        return s[low] + (s[Math.ceil(at)] - s[low]) * (at - low);
      });
    }
    const upto = new Float64Array(65536);
    for (const v of a) upto[v]++;
    for (let i = 1; i < 65536; i++) upto[i] += upto[i - 1];
    const place = n => upto.findIndex(v => v > n);
    return shares.map(share => {
      const at = (a.length - 1) * share / 100, low = place(Math.floor(at));
      return low + (place(Math.ceil(at)) - low) * (at % 1);
    });
  };

  const ends = a => {
    let low = Infinity, high = -Infinity;
    for (const v of a) { if (v < low) low = v; if (v > high) high = v; }
    return [low, high];
  };

  const checkNoData = (a, low, high) => {
    const [least, most] = ends(a);
    for (const [value, limit] of [[least, low], [most, high]]) {
      if (value !== limit || low === high) continue;
      const [a0, a1] = ends(a.filter(v => v !== value));
      if (a1 - a0 > 0 && a1 - a0 < (high - low) / 1000) {
        fail(`a part of the picture is ${value}, far from all other values, as where there are no data; crop it away`);
      }
    }
  };

  const limits = a => {
    if (a instanceof Uint8Array) return [0, 255];
    const [least, most] = ends(a);
    if (a instanceof Float32Array || a instanceof Float64Array) {
      if (!a.every(Number.isFinite)) fail("some values are NaN or infinite; replace them or crop them away");
      if (least >= 0 && most <= 1) return [0, 1];
    }
    const [low, high] = percentiles(a, [0.1, 99.9]);
    checkNoData(a, low, high);
    return low < high ? [low, high] : [least, most];
  };

  const LUMA = [0.299, 0.587, 0.114].map(Math.fround);

  const grey = ({height, width, samples, numbers}) => {
    const colours = samples > 2 ? 3 : 1;  // alpha is left out
    const a = colours === samples ? numbers : numbers.filter((_, i) => i % samples < colours);
    const [low, high] = limits(a), unit = v => Math.fround(Math.min(1, Math.max(0, (v - low) / (high - low))));
    const data = new Float32Array(height * width);
    if (low >= high) return data.fill(0.5);
    for (let i = 0; i < data.length; i++) {
      if (colours === 1) data[i] = unit(a[i]);
      else data[i] = Math.min(1, LUMA[0] * unit(a[3 * i]) + LUMA[1] * unit(a[3 * i + 1]) + LUMA[2] * unit(a[3 * i + 2]));
    }
    return data;
  };

  // Turned as EXIF and TIFF count: from where in what is stored the pixel (y, x) of what is shown comes.
  const TURNS = {
    2: (y, x, h, w) => [y, w - 1 - x], 3: (y, x, h, w) => [h - 1 - y, w - 1 - x], 4: (y, x, h) => [h - 1 - y, x],
    5: (y, x) => [x, y], 6: (y, x, h) => [h - 1 - x, y], 7: (y, x, h, w) => [h - 1 - x, w - 1 - y], 8: (y, x, h, w) => [x, w - 1 - y],
  };
  const turned = (data, height, width, orientation) => {
    const turn = TURNS[orientation];
    if (!turn) return {height, width, data};
    const [h, w] = orientation < 5 ? [height, width] : [width, height], out = new Float32Array(data.length);
    for (let y = 0; y < h; y++) for (let x = 0; x < w; x++) {
      const [i, j] = turn(y, x, height, width);
      out[y * w + x] = data[i * width + j];
    }
    return {height: h, width: w, data: out};
  };

  const read = async (file, geotiff) => {
    const bytes = new Uint8Array(await file.arrayBuffer()), starts = (...b) => b.every((v, i) => bytes[i] === v);
    const isTiff = starts(0x49, 0x49, 42, 0) || starts(0x4d, 0x4d, 0, 42) || starts(0x49, 0x49, 43, 0) || starts(0x4d, 0x4d, 0, 43);
    if (!bytes.length) fail("the file is empty");
    const stored = starts(0x89, 0x50, 0x4e, 0x47) ? await png(bytes, file) :
      isTiff ? await tiff(bytes, geotiff) : starts(0xff, 0xd8, 0xff) || starts(0x42, 0x4d) ? await byBrowser(file) :
      fail("it is neither PNG, JPEG, BMP nor TIFF by its first bytes; export it as one of these");
    return {...turned(grey(stored), stored.height, stored.width, stored.orientation), note: stored.note ?? ""};
  };

  // A mask as a file: class numbers, with a palette for the eye (images.save_mask) ----------------------------------

  const OKABE_ITO = [[0, 0, 0], [230, 159, 0], [86, 180, 233], [0, 158, 115], [240, 228, 66], [0, 114, 178], [213, 94, 0], [204, 121, 167]];
  const colour = k => OKABE_ITO[k ? 1 + (k - 1) % 7 : 0];
  const CRC = Uint32Array.from({length: 256}, (_, n) => {
    for (let k = 0; k < 8; k++) n = n & 1 ? 0xedb88320 ^ n >>> 1 : n >>> 1;
    return n;
  });
  const crc = bytes => ~bytes.reduce((c, b) => CRC[(c ^ b) & 255] ^ c >>> 8, -1) >>> 0;
  const chunk = (name, body) => {
    const out = new Uint8Array(body.length + 12), view = new DataView(out.buffer);
    view.setUint32(0, body.length);
    out.set([...name].map(c => c.charCodeAt(0)), 4);
    out.set(body, 8);
    view.setUint32(body.length + 8, crc(out.subarray(4, body.length + 8)));
    return out;
  };
  const maskFile = async ({height, width, data}) => {
    const rows = new Uint8Array(height * (width + 1));
    for (let y = 0; y < height; y++) rows.set(data.subarray(y * width, (y + 1) * width), y * (width + 1) + 1);
    const packed = await new Response(new Blob([rows]).stream().pipeThrough(new CompressionStream("deflate"))).arrayBuffer();
    const head = new Uint8Array(13), view = new DataView(head.buffer);
    view.setUint32(0, width);
    view.setUint32(4, height);
    head.set([8, 3, 0, 0, 0], 8);
    const palette = Uint8Array.from({length: 768}, (_, i) => i >= 765 ? 255 : colour(Math.floor(i / 3))[i % 3]);
    const sign = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10);
    const parts = [sign, chunk("IHDR", head), chunk("PLTE", palette), chunk("IDAT", new Uint8Array(packed)), chunk("IEND", new Uint8Array())];
    return new Blob(parts, {type: "image/png"});
  };

  window.UX_PICTURES = {read, maskFile, colour};
})();
