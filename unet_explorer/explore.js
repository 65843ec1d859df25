// The half of explore() that runs in the page, without a kernel. Python (07_sliders.ipynb) bakes a <div class="uxp"> that
// holds a still picture and a JSON script: the controls, and for each panel all its frames, deflated and in base64.
// Here: inflate the frames, build the controls, show the frame that belongs to them. No library, no request.

async function init(root) {
  if (root.dataset.ready) return;
  root.dataset.ready = "no";
  const spec = JSON.parse(root.querySelector('script[type="application/json"]').textContent);
  const { controls, panels } = spec;
  const state = controls.map(c => c.start);            // for each control, which of its values

  // Build an element. Text goes in by append() and setAttribute(), never as HTML.
  const el = (tag, attributes, ...inside) => {
    const e = document.createElement(tag);
    for (const key in attributes) e.setAttribute(key, attributes[key]);
    e.append(...inside);
    return e;
  };
  const say = i => controls[i].label + " " + controls[i].texts[state[i]];

  // ---- frames -------------------------------------------------------------------------------------------------------

  async function inflate(base64) {
    const text = atob(base64), bytes = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"))).arrayBuffer();
  }

  // SVG: a table of all different tags, and per frame the list of its tags.
  async function svgFrames(panel) {
    const [tags, frames] = JSON.parse(new TextDecoder().decode(await inflate(panel.data)));
    return k => frames[k].map(t => tags[t]).join("");
  }

  // Arrays: each frame is the difference (modulo 256) to the last frame of the same shape.
  async function arrayFrames(panel) {
    const bytes = new Uint8Array(await inflate(panel.data)), last = {}, frames = [];
    let at = 0;
    for (const shape of panel.shapes) {
      const size = shape[0] * shape[1] * shape[2], frame = bytes.subarray(at, at + size), before = last[shape];
      if (before) for (let i = 0; i < size; i++) frame[i] += before[i];
      last[shape] = frame;
      frames.push({ shape, frame });
      at += size;
    }
    return k => frames[k];
  }

  function drawArray(canvas, { shape: [h, w, channels], frame }, scale) {
    const image = new ImageData(w, h), out = image.data;
    for (let i = 0, j = 0; j < out.length; i += channels, j += 4) {
      out[j] = frame[i];
      out[j + 1] = frame[channels > 1 ? i + 1 : i];
      out[j + 2] = frame[channels > 1 ? i + 2 : i];
      out[j + 3] = 255;
    }
    canvas.width = w;
    canvas.height = h;
    canvas.style.width = w * scale + "px";
    canvas.getContext("2d").putImageData(image, 0, 0);
  }

  for (const panel of panels) {
    panel.frame = await (panel.kind === "svg" ? svgFrames : arrayFrames)(panel);
    delete panel.data;
    panel.box = el("div", { class: "uxp-panel" + (panel.paper ? " uxp-paper" : "") });
    panel.picture = panel.kind === "svg" ? el("div", { role: "img" }) : el("canvas", { role: "img" });
    panel.problem = el("p", { class: "uxp-error", role: "alert", hidden: "" });
    panel.box.append(panel.picture, panel.problem);
    if (panel.kind === "svg") panel.picture.attachShadow({ mode: "open" });   // keeps ids and styles of a picture inside it
  }

  function show(panel) {
    const k = panel.controls.reduce((k, c) => k * controls[c].texts.length + state[c], 0);
    if (k === panel.shown) return;                     // none of this panel's own controls has moved
    panel.shown = k;
    panel.box.dataset.frame = k;
    const wrong = panel.errors[k];
    panel.problem.hidden = wrong === undefined;
    panel.picture.hidden = !panel.problem.hidden;
    panel.problem.textContent = wrong === undefined ? "" : wrong;
    if (wrong !== undefined) return;
    let alt = panel.alt + (panel.controls.length ? " (" + panel.controls.map(say).join(", ") + ")" : "");
    if (panel.kind === "svg") {
      const shadow = panel.picture.shadowRoot;
      shadow.innerHTML = "<style>svg{display:block;max-width:100%;height:auto}</style>" + panel.frame(k);
      const own = shadow.lastElementChild.firstElementChild;
      if (own && own.tagName === "title") { alt = own.textContent; own.remove(); }
    } else drawArray(panel.picture, panel.frame(k), panel.scale[k]);
    panel.picture.setAttribute("aria-label", alt);
  }

  // ---- controls -----------------------------------------------------------------------------------------------------

  const status = el("div", { class: "uxp-status", role: "status" });
  let telling, saving;

  function update(save) {                              // after any change of `state`
    controls.forEach((c, i) => {
      if (c.kind === "bool") c.input.checked = state[i] === 1; else c.input.value = state[i];
      if (c.kind === "range") c.input.setAttribute("aria-valuetext", c.texts[state[i]]);
      if (c.value) c.value.textContent = c.texts[state[i]];
    });
    panels.forEach(show);
    if (!save) return;
    clearTimeout(telling);                             // once the hand rests
    telling = setTimeout(() => { status.textContent = controls.map((_, i) => say(i)).join(", "); }, 400);
    clearTimeout(saving);
    saving = setTimeout(writeLink, 250);
  }

  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  const stopAll = () => controls.forEach(c => c.stop && c.stop());

  // A button that plays the control. Where the reader wants no motion, each press makes one step.
  function playButton(c, i) {
    const button = el("button", { type: "button" });
    let timer;
    const step = () => { state[i] = (state[i] + 1) % c.texts.length; update(true); };
    const name = () => {
      const word = calm.matches ? "Step" : timer ? "Pause" : "Play";
      button.textContent = word;
      button.setAttribute("aria-label", word + " " + c.label);
    };
    c.stop = () => { clearInterval(timer); timer = 0; name(); };
    button.addEventListener("click", () => {
      const playing = timer;
      stopAll();
      if (calm.matches) step(); else if (!playing) { timer = setInterval(step, 200); name(); }
    });
    calm.addEventListener("change", () => c.stop());
    name();
    return button;
  }

  function controlRow(c, i) {
    const n = c.texts.length, words = el("span", {}, c.label);
    const label = el("label", { class: "uxp-" + c.kind }, words);
    if (c.kind === "range") {
      c.value = el("span", { class: "uxp-value", "aria-hidden": "true" });
      c.input = el("input", { type: "range", min: 0, max: n - 1, step: 1, "aria-label": c.label });
      label.append(c.value, c.input);
    } else if (c.kind === "list") {
      c.input = el("select", {}, ...c.texts.map((t, k) => el("option", { value: k }, t)));
      label.append(c.input);
    } else {
      c.input = el("input", { type: "checkbox" });
      label.append(c.input);
    }
    c.input.dataset.control = c.name;
    c.input.addEventListener("input", () => {
      stopAll();
      state[i] = c.kind === "bool" ? +c.input.checked : +c.input.value;
      update(true);
    });
    return el("div", { class: "uxp-control" }, label, ...(c.play ? [playButton(c, i)] : []));
  }

  // ---- the link: #phi=2&mode=compound, or #name.phi=2 where the widget has a name ---------------------------------------

  const inJupyter = document.getElementById("jupyter-config-data") !== null;   // there the address belongs to JupyterLab
  const first = document.querySelector(".uxp:not([data-name])") === root;      // one widget without a name owns the plain keys
  const prefix = spec.name ? spec.name + "." : first ? "" : spec.id + ".";
  const inLink = () => new URLSearchParams(location.hash.slice(1).split("&").filter(p => p.includes("=")).join("&"));

  function readLink() {
    const link = inLink();
    let found = false;
    controls.forEach((c, i) => {
      const k = c.keys.indexOf(link.get(prefix + c.name));
      if (k >= 0) { state[i] = k; found = true; }
    });
    return found;
  }

  function writeLink() {
    if (inJupyter) return;
    const link = inLink();                             // what belongs to other widgets stays
    controls.forEach((c, i) => link.set(prefix + c.name, c.keys[state[i]]));
    try { history.replaceState(history.state, "", "#" + link); } catch (e) { /* a frame without an address */ }
  }

  const foot = el("div", { class: "uxp-foot" });
  const reset = el("button", { type: "button" }, "Reset");
  reset.addEventListener("click", () => { stopAll(); controls.forEach((c, i) => { state[i] = c.start; }); update(true); });
  foot.append(reset);
  if (!inJupyter) {
    const copy = el("button", { type: "button" }, "Copy link");
    copy.addEventListener("click", async () => {
      writeLink();
      let text = "Link copied";
      try { await navigator.clipboard.writeText(location.href); } catch (e) { text = "The link is in the address bar"; }
      copy.textContent = status.textContent = text;
      setTimeout(() => { copy.textContent = "Copy link"; }, 2500);
    });
    foot.append(copy);
    addEventListener("hashchange", () => { if (readLink()) { stopAll(); update(false); } });
  }

  // ---- put it on the page ---------------------------------------------------------------------------------------------

  for (const type of ["keydown", "keypress", "keyup"])  // or arrow keys would move JupyterLab's cells
    root.addEventListener(type, event => event.stopPropagation());
  const live = el("div", {}, el("div", { class: "uxp-controls" }, ...controls.map(controlRow)),
                  el("div", { class: "uxp-panels" }, ...panels.map(p => p.box)), ...(controls.length ? [foot] : []), status);
  const linked = !inJupyter && readLink();
  update(false);
  root.querySelector(".uxp-poster").replaceWith(live);
  root.dataset.ready = "yes";
  if (linked) root.scrollIntoView({ block: "nearest" });
}
