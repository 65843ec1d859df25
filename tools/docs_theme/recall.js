// The recall questions: how well each was known, and when it is due. Kept in this browser's localStorage, sent nowhere.
(() => {
  const KEY = "unet-explorer:recall", DONE = "unet-explorer:done", MOST = 20;  // questions a day
  const GRADES = ["Forgot", "Hard", "Good", "Easy"], {next, interval} = window.UX_FSRS;
  if (!document.querySelector("details.card")) return;
  try { localStorage.setItem(KEY + "?", "1"); localStorage.removeItem(KEY + "?"); } catch { return; }
  const stored = (key, other) => { try { return JSON.parse(localStorage.getItem(key)) || other; } catch { return other; } };
  const answers = () => stored(KEY, {});
  const DAY = 86400000, today = () => Math.floor(Date.now() / DAY - new Date().getTimezoneOffset() / 1440);
  const date = day => new Date(day * DAY).toLocaleDateString("en-GB", {day: "numeric", month: "long", timeZone: "UTC"});
  const many = (n, word) => `${n} ${word}${n === 1 ? "" : "s"}`;

  // a second answer on the same day replaces the first
  const before = old => old && (old.day === today() ? old.before : {s: old.s, d: old.d, day: old.day});
  const after = (old, grade) => {
    const start = before(old) || null, memory = next(start, grade, start ? today() - start.day : 0);
    return {...memory, day: today(), due: today() + interval(memory), grade, before: start};
  };
  const isDue = old => old && old.day < today() && old.due <= today();

  const tag = (name, props, ...inside) => { const e = Object.assign(document.createElement(name), props); e.append(...inside); return e; };
  const build = card => {
    if (card.querySelector(".grades")) return;
    const buttons = GRADES.map((word, i) => tag("button", {type: "button", value: i + 1}, word, tag("span")));
    const row = tag("div", {className: "grades"}, tag("p", {}, "How well did you know it?"), ...buttons, tag("p", {className: "when"}));
    row.setAttribute("role", "group");
    row.setAttribute("aria-label", "How well did you know it?");
    row.lastChild.setAttribute("role", "status");
    row.addEventListener("click", e => {
      const button = e.target.closest("button");
      if (!button) return;
      const all = answers();
      all[card.dataset.card] = after(all[card.dataset.card], Number(button.value));
      localStorage.setItem(KEY, JSON.stringify(all));
      show();
    });
    card.append(row);
  };
  const showCard = (card, old) => {
    const row = card.querySelector(".grades"), summary = card.querySelector("summary");
    let due = summary.querySelector(".due");
    if (old && !due) summary.append(due = tag("span", {className: "due"}));
    if (due) due.textContent = !old ? "" : isDue(old) ? "due" : `again ${date(old.due)}`;
    if (!row) return;
    row.querySelectorAll("button").forEach((button, i) => {
      const then = after(old, i + 1);
      button.setAttribute("aria-pressed", String(old?.day === today() && old.grade === i + 1));
      button.querySelector("span").textContent = many(then.due - today(), "day");
    });
    row.lastChild.textContent = old ? `${isDue(old) ? "It was due" : "You are asked again"} on ${date(old.due)}.` : "";
  };

  // the page Recall: what is due, and what was never asked of a lesson that is finished, lessons mixed
  const bar = document.getElementById("ui-recall"), list = document.getElementById("ui-due");
  const mixed = key => [...key].reduce((h, c) => Math.imul(h ^ c.codePointAt(0), 16777619), 2166136261) >>> 0;
  const asked = card => {
    const copy = card.cloneNode(true), {href, title} = card.closest("[data-of]").dataset;
    copy.open = false;
    copy.querySelector(".grades")?.remove();
    copy.querySelector(".answer").append(tag("p", {className: "of"}, "From ", tag("a", {href, textContent: title})));
    return copy;
  };
  const collect = () => {
    const all = answers(), done = new Set(stored(DONE, []));
    const wanted = [...document.querySelectorAll("[data-of] details.card")].filter(card => {
      const old = all[card.dataset.card];
      return old ? isDue(old) : done.has(card.closest("[data-of]").dataset.of);
    });
    const due = card => all[card.dataset.card]?.due ?? Infinity;
    wanted.sort((a, b) => due(a) - due(b) || mixed(a.dataset.card) - mixed(b.dataset.card));
    list.replaceChildren(...wanted.slice(0, MOST).map(asked));
    list.hidden = !wanted.length;
    bar.dataset.left = Math.max(0, wanted.length - MOST);
  };
  const showBar = all => {
    const cards = [...list.children], n = Object.keys(all).length, left = Number(bar.dataset.left);
    const told = cards.filter(card => all[card.dataset.card]?.day === today()).length;
    const later = Object.values(all).filter(old => !isDue(old)).map(old => old.due);
    const soon = later.length ? ` The next is due on ${date(Math.min(...later))}.` : "";
    bar.querySelector("p").textContent =
      cards.length && told < cards.length ? `${many(cards.length - told, "question")} to answer today${left ? `, and ${left} more when these are done` : ""}.` :
      left ? `Done. ${many(left, "question")} more, if you like: load this page again.` :
      n ? `Nothing more is due today. You have answered ${many(n, "question")} so far.${soon}` :
      "You have answered no question yet. Those of a lesson appear here when you finish it; or begin below.";
    bar.querySelector("button").hidden = !n;
  };

  const show = () => {
    const all = answers();
    document.querySelectorAll("details.card").forEach(card => showCard(card, all[card.dataset.card]));
    if (bar) showBar(all);
  };
  const begin = () => { if (bar) collect(); show(); };
  document.addEventListener("toggle", e => {
    if (!e.target.open || !e.target.matches("details.card")) return;
    build(e.target);
    showCard(e.target, answers()[e.target.dataset.card]);
  }, true);
  bar?.querySelector("button").addEventListener("click", () => { localStorage.removeItem(KEY); begin(); });
  addEventListener("storage", e => { if (e.key === KEY || e.key === DONE) show(); });
  begin();
})();
