// Which lessons are finished: kept in this browser's localStorage, sent nowhere.
(() => {
  const KEY = "unet-explorer:done";
  const read = () => { try { return new Set(JSON.parse(localStorage.getItem(KEY)) || []); } catch { return new Set(); } };
  try { localStorage.setItem(KEY + "?", "1"); localStorage.removeItem(KEY + "?"); } catch { return; }
  // Quarto makes the list of lessons itself, and we know them by their addresses
  document.querySelectorAll("a.sidebar-link").forEach(a => { a.dataset.lesson = a.pathname.match(/([^/]*?)(\.html)?$/)[1]; });
  const boxes = [...document.querySelectorAll("input[data-done]")];
  const show = () => {
    const done = read();
    boxes.forEach(box => { box.checked = done.has(box.dataset.done); });
    document.querySelectorAll("[data-lesson]").forEach(item => {
      item.classList.toggle("finished", done.has(item.dataset.lesson));
      let tick = item.querySelector(".tick");
      if (done.has(item.dataset.lesson) && !tick) {
        tick = document.createElement("span");
        tick.className = "tick";
        tick.innerHTML = '<span aria-hidden="true">✓</span><span class="unseen"> finished</span>';
        (item.querySelector("a") || item).append(tick);
      } else if (!done.has(item.dataset.lesson) && tick) tick.remove();
    });
    const bar = document.getElementById("ui-progress");
    if (bar) {
      const left = boxes.filter(b => !b.checked).reduce((sum, b) => sum + Number(b.dataset.minutes), 0);
      const n = boxes.filter(b => b.checked).length;
      bar.querySelector("progress").value = n;
      const hours = left > 90 ? `about ${Math.round(left / 60)} hours` : `about ${left} minutes`;
      bar.querySelector("output").textContent = n === boxes.length ? "All lessons finished. Well done." :
        `${n} of ${boxes.length} lessons finished, ${hours} to go.`;
      const next = boxes.find(b => !b.checked), link = bar.querySelector("a");
      link.hidden = !next || n === 0;
      if (next) { link.href = next.dataset.href; link.textContent = `Go on with ${next.dataset.title}`; }
      bar.querySelector("button").hidden = n === 0;
    }
  };
  boxes.forEach(box => box.addEventListener("change", () => {
    const done = read();
    done[box.checked ? "add" : "delete"](box.dataset.done);
    localStorage.setItem(KEY, JSON.stringify([...done]));
    show();
  }));
  document.querySelectorAll(".done, #ui-progress").forEach(e => { e.hidden = false; });
  document.getElementById("ui-forget")?.addEventListener("click", () => { localStorage.removeItem(KEY); show(); });
  addEventListener("storage", e => { if (e.key === KEY) show(); });
  show();
})();
