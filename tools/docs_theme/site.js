(() => {
  const $ = id => document.getElementById(`ui-${id}`), up = document.body.dataset.up;

  // contents on narrow screens
  $("menu").addEventListener("click", () => {
    const open = document.body.classList.toggle("contents");
    $("menu").setAttribute("aria-expanded", String(open));
    if (open) $("book").querySelector("a").focus();
  });
  addEventListener("keydown", e => {
    if (e.key === "Escape" && document.body.classList.contains("contents")) { $("menu").click(); $("menu").focus(); }
  });
  const here = $("book").querySelector("[aria-current]");
  if (here && $("book").scrollHeight > $("book").clientHeight) $("book").scrollTop = here.offsetTop - 200;

  // copy code
  if (navigator.clipboard) document.querySelectorAll(".cell .code, article > .code").forEach(block => {
    const button = document.createElement("button");
    Object.assign(button, {type: "button", className: "copy", textContent: "Copy"});
    button.setAttribute("aria-label", "Copy this code");
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(block.querySelector("code").textContent);
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = "Copy"; }, 1500);
    });
    block.append(button);
  });

  // where we are on the page
  const toc = [...document.querySelectorAll("#ui-toc a")];
  if (toc.length) {
    const marks = toc.map(a => document.getElementById(decodeURIComponent(a.hash.slice(1))));
    let waiting = false;
    const follow = () => {
      waiting = false;
      let at = 0;
      marks.forEach((m, i) => { if (m && m.getBoundingClientRect().top < 120) at = i; });
      toc.forEach((a, i) => a.classList.toggle("at", i === at));
    };
    addEventListener("scroll", () => { if (!waiting) { waiting = true; requestAnimationFrame(follow); } }, {passive: true});
    follow();
  }

  // search: an index made with the pages, loaded at the first use
  const dialog = $("search"), query = $("query"), hits = $("hits");
  let index;
  const load = () => index ||= new Promise((done, failed) => {
    const script = document.createElement("script");  // not fetch(), which is refused on file://
    Object.assign(script, {src: up + "search.js", onload: () => done(window.SEARCH_INDEX), onerror: failed});
    document.head.append(script);
  });
  const open = () => { load(); if (!dialog.open) dialog.showModal(); query.select(); };
  $("find").addEventListener("click", open);
  addEventListener("keydown", e => {
    const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(e.target.tagName) || e.target.isContentEditable;
    if ((e.key === "/" && !typing && !e.ctrlKey && !e.metaKey && !e.altKey) || (e.key === "k" && (e.ctrlKey || e.metaKey))) {
      e.preventDefault();
      open();
    }
  });
  dialog.addEventListener("click", e => { if (e.target === dialog) dialog.close(); });
  dialog.addEventListener("keydown", e => {
    if (e.key !== "ArrowDown" && e.key !== "ArrowUp") return;
    const links = [...hits.querySelectorAll("a")], at = links.indexOf(document.activeElement);
    e.preventDefault();
    const next = e.key === "ArrowDown" ? at + 1 : at - 1;
    (next < 0 ? query : links[Math.min(next, links.length - 1)] || query).focus();
  });
  query.addEventListener("keydown", e => {
    if (e.key === "Enter") { e.preventDefault(); hits.querySelector("a")?.click(); }
  });
  const escape = s => s.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  const count = (text, word) => text.split(word).length - 1;
  function marked(element, text, words) {
    const split = text.split(new RegExp(`(${words.map(escape).join("|")})`, "gi"));
    split.forEach((part, i) => {
      if (!part) return;
      const node = document.createElement(i % 2 ? "mark" : "span");
      node.textContent = part;
      element.append(node);
    });
  }
  async function look() {
    const words = query.value.toLowerCase().split(/\s+/).filter(Boolean);
    const pages = await load();
    if (query.value.toLowerCase().split(/\s+/).filter(Boolean).join() !== words.join()) return;
    hits.replaceChildren();
    if (!words.length) { $("count").textContent = ""; return; }
    const found = [], phrase = words.join(" ");
    for (const [url, page, heading, text] of pages) {
      const low = [page, heading, text].map(s => s.toLowerCase());
      let score = 0;
      for (const w of words) {
        const s = 12 * count(low[1], w) + 8 * count(low[0], w) + Math.min(6, count(low[2], w));
        if (!s) { score = 0; break; }
        score += s;
      }
      if (low[1] === phrase) score += 80;
      else if (low[1].includes(phrase)) score += 15;
      if (score) found.push([score + (url.startsWith("glossary") ? 5 : 0), url, page, heading, text]);
    }
    found.sort((a, b) => b[0] - a[0]);
    $("count").textContent = found.length ? `${found.length} place${found.length > 1 ? "s" : ""}` : "Nothing found. Try fewer or shorter words.";
    for (const [, url, page, heading, text] of found.slice(0, 12)) {
      const item = document.createElement("li"), link = document.createElement("a"), title = document.createElement("strong");
      const from = document.createElement("em"), about = document.createElement("span");
      link.href = up + url;
      marked(title, heading || page, words);
      from.textContent = heading ? page : "";
      const at = Math.max(0, text.toLowerCase().indexOf(words[0]) - 60);
      marked(about, (at ? "… " : "") + text.slice(at, at + 160) + (text.length > at + 160 ? " …" : ""), words);
      link.append(title, from, about);
      link.addEventListener("click", () => dialog.close());
      item.append(link);
      hits.append(item);
    }
  }
  query.addEventListener("input", look);
})();
