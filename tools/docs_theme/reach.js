// What scrolls sideways can be reached with the keyboard; under Quarto, too.
(() => {
  const boxes = "pre, .wide, .math, .output > figure, .html-output, .cell-output-display, p:has(> math[display=block])";
  const reach = () => document.querySelectorAll(boxes).forEach(e => {
    if (e.scrollWidth > e.clientWidth + 1) e.tabIndex = 0; else e.removeAttribute("tabindex");
  });
  reach();
  addEventListener("load", reach);
  addEventListener("resize", reach);
})();
