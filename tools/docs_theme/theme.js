// The reader's choice of colours, before the first paint. Widgets can go by `color-scheme`, or by JupyterLab's attribute.
(() => {
  const html = document.documentElement, dark = matchMedia("(prefers-color-scheme: dark)");
  const stored = () => { try { return localStorage.getItem("unet-explorer:theme"); } catch { return null; } };
  const apply = () => {
    const choice = stored();
    if (choice) html.dataset.theme = choice; else delete html.dataset.theme;
    const isDark = choice ? choice === "dark" : dark.matches;
    if (document.body) document.body.dataset.jpThemeLight = String(!isDark);
    const button = document.getElementById("ui-theme");
    if (button) button.setAttribute("aria-label", `Colours: ${choice || "as the system"}`);
    dispatchEvent(new Event("themechange"));
  };
  apply();
  dark.addEventListener("change", apply);
  addEventListener("DOMContentLoaded", () => {
    apply();
    document.getElementById("ui-theme").addEventListener("click", () => {
      const now = stored() || (dark.matches ? "dark" : "light");
      const next = now === "dark" ? "light" : "dark";
      try {  // back to the system's choice is no choice of one's own
        if (next === (dark.matches ? "dark" : "light")) localStorage.removeItem("unet-explorer:theme");
        else localStorage.setItem("unet-explorer:theme", next);
      } catch { html.dataset.theme = next; return; }
      apply();
    });
  });
})();
