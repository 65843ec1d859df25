// What a search finds, best first: UX_RANK(pages, MiniSearch) -> ask(words) -> {places, pattern, n}.
// `pages` holds [address, title of the page, heading of the section or "", its words] for each section.
(root => {
  const SHOWN = 12, PER_PAGE = 3, LONG = 170;
  const STOP = new Set("a an and are as at be by can could did do does for from have how i if in is it its me my of on or s should t that the their then there this to use using want was we what when where which why will with you your".split(" "));
  const words = text => text.toLowerCase().split(/[\s\p{P}\p{S}]+/u).filter(Boolean);
  const stem = word => word.length > 3 && /[^sui]s$/.test(word) ? word.slice(0, -1) : word;
  const regular = word => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

  // the part of a text where most of the found words stand close together
  function part(text, terms) {
    if (text.length <= LONG) return text;
    const low = text.toLowerCase(), at = [];
    for (const t of terms) for (let i = low.indexOf(t); i >= 0 && at.length < 200; i = low.indexOf(t, i + t.length)) at.push([i, t]);
    at.sort((a, b) => a[0] - b[0]);
    let start = 0, most = 0;
    at.forEach(([i], k) => {
      const near = new Set();
      for (let j = k; j < at.length && at[j][0] < i + LONG - 40; j++) near.add(at[j][1]);
      if (near.size > most) { most = near.size; start = i; }
    });
    start = Math.max(0, start - 40);
    if (start) start = text.indexOf(" ", start) + 1;
    const end = text.length > start + LONG ? text.lastIndexOf(" ", start + LONG) : text.length;
    return (start ? "… " : "") + text.slice(start, end) + (end < text.length ? " …" : "");
  }

  root.UX_RANK = (pages, MiniSearch) => {
    const search = new MiniSearch({
      fields: ["title", "heading", "text"],
      tokenize: words,
      processTerm: word => STOP.has(word) ? null : stem(word),
    });
    // a page's first section stands for the page: its title is its heading
    search.addAll(pages.map(([, title, heading, text], id) => ({id, title, heading: heading || title, text})));
    // The glossary and the questions are written to be looked up; the ends of the lessons are not.
    const weight = id => {
      const [url, , heading] = pages[id];
      const kind = /^(faq|glossary|api|path|index)/.exec(url)?.[1];
      const end = /^(What was learned|Exercises|References)$/.test(heading) ? 0.4 : 1;
      return end * ({faq: 1.5, glossary: 1.25, api: 0.6, path: 0.5, index: 0.5}[kind] || 1);
    };
    const options = {
      boost: {title: 4, heading: 8, text: 1},
      prefix: term => term.length > 1,
      fuzzy: term => term.length > 4 ? 0.2 : false,
      weights: {prefix: 0.35, fuzzy: 0.15},
      boostDocument: weight,
    };
    return asked => {
      const said = words(asked).filter(w => !STOP.has(w)).map(stem);
      const phrase = words(asked).join(" ");
      if (!said.length) return {places: [], pattern: /(?!)/, n: 0};
      let found = search.search(asked, {...options, combineWith: "AND"});
      if (found.length < SHOWN / 2 && said.length > 1) {  // what holds only some of the words comes below
        const had = new Set(found.map(hit => hit.id)), least = Math.min(1e9, ...found.map(hit => hit.score));
        const more = search.search(asked, options).filter(hit => !had.has(hit.id));
        const scale = found.length && more.length ? Math.min(1, 0.5 * least / more[0].score) : 1;
        found = found.concat(more.slice(0, SHOWN).map(hit => ({...hit, score: hit.score * scale})));
      }
      for (const hit of found) {  // what is asked word for word, in this order
        const [, title, heading, text] = pages[hit.id];
        const name = words(heading || title).join(" ");
        if (name === phrase) hit.score *= 4;
        else if (` ${name} `.includes(` ${phrase} `)) hit.score *= 1.6;
        else if (said.length > 1 && words(text).join(" ").includes(phrase)) hit.score *= 1.3;
      }
      found.sort((a, b) => b.score - a.score);
      const each = {}, terms = new Set();
      const best = found.filter(({id}) => {
        const page = pages[id][0].split("#")[0];
        each[page] = (each[page] || 0) + 1;
        return each[page] <= PER_PAGE || /^(faq|glossary|api)/.test(page);
      }).slice(0, SHOWN);
      for (const hit of best) for (const t of hit.terms) terms.add(t);
      const list = [...terms].sort((a, b) => b.length - a.length);
      const pattern = list.length ? new RegExp(`(?<![\\p{L}\\p{N}])((?:${list.map(regular).join("|")})s?)(?![\\p{L}\\p{N}])`, "giu") : /(?!)/;
      const places = best.map(({id, terms: its}) => {
        const [url, page, heading, text] = pages[id];
        return {url, page, heading, about: part(text, its)};
      });
      return {places, pattern, n: found.length};
    };
  };
})(globalThis);
