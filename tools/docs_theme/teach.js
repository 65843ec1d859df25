// "Teach it": the picture that run.js has opened, its features from the page's encoder, and the painting of paint.js,
// which is the same in JupyterLab. Loaded when a reader asks for it.
(() => {
  const box = document.getElementById("ui-teach"), theme = new URL(".", document.currentScript.src).href;
  if (!box || !window.uxRun) return;
  const $ = name => box.querySelector(`[data-teach=${name}]`), say = text => { $("status").textContent = text; };
  let mounted, turn = 0;

  const clear = () => { mounted?.destroy(); mounted = null; $("room").replaceChildren(); };
  document.addEventListener("ux-picture", ({detail}) => {
    turn++;
    clear();
    $("begin").hidden = false;
    say(`${detail.name} is ready to be painted on.`);
  });

  let dressed = false;
  const style = href => {
    if (!dressed) document.head.append(Object.assign(document.createElement("link"), {rel: "stylesheet", href}));
    dressed = true;
  };
  $("begin").addEventListener("click", async () => {
    const {picture, name} = window.uxRun.current, mine = ++turn;
    clear();
    say("The encoder looks at the picture ...");
    try {
      const [{mount}, features] = await Promise.all([import(`${theme}paint.js`), window.uxRun.features(picture)]);
      if (mine !== turn) return;
      style(`${theme}paint.css`);
      mounted = mount($("room"), {picture, features, name: name.replace(/\.[^.]*$/, "")});
      box.dataset.ms = features.ms.toFixed(0);
      say(`The encoder took ${(features.ms / 1000).toFixed(1)} s. From now on only the head learns.`);
    } catch (e) {
      if (mine === turn) say(`This did not work: ${e.message}`);
    }
  });
})();
