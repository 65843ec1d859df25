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

  // search: rank.js says what comes first; all of it is loaded at the first use
  const dialog = $("search"), query = $("query"), hits = $("hits");
  let index;
  const script = src => new Promise((onload, onerror) => {  // not fetch(), which is refused on file://
    document.head.append(Object.assign(document.createElement("script"), {src: up + src, onload, onerror}));
  });
  const load = () => index ||= Promise.all(["search.js", "theme/minisearch.js", "theme/rank.js"].map(script))
    .then(() => window.UX_RANK(window.SEARCH_INDEX, window.MiniSearch));
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
  function marked(element, text, pattern) {
    text.split(pattern).forEach((part, i) => {
      if (!part) return;
      const node = document.createElement(i % 2 ? "mark" : "span");
      node.textContent = part;
      element.append(node);
    });
  }
  async function look() {
    const asked = query.value, find = await load();
    if (query.value !== asked) return;
    const {places, pattern, n} = find(asked);
    hits.replaceChildren();
    $("count").textContent = !asked.trim() ? "" : n ? `${n} place${n > 1 ? "s" : ""}` : "Nothing found. Try fewer or shorter words.";
    for (const {url, page, heading, about} of places) {
      const item = document.createElement("li"), link = document.createElement("a"), title = document.createElement("strong");
      const from = document.createElement("em"), words = document.createElement("span");
      link.href = up + url;
      marked(title, heading || page, pattern);
      from.textContent = heading ? page : "";
      marked(words, about, pattern);
      link.append(title, from, words);
      link.addEventListener("click", () => dialog.close());
      item.append(link);
      hits.append(item);
    }
  }
  query.addEventListener("input", look);
})();
