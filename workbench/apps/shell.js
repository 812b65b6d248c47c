// Theme, clock and keys of every page. Charts read their colours from CSS, so a new theme only asks them to repaint.
(function () {
  const root = document.documentElement;
  const KEY = "workbench-theme";
  const recall = () => { try { return localStorage.getItem(KEY); } catch { return null; } };
  const keep = (theme) => { try { localStorage.setItem(KEY, theme); } catch { /* storage is switched off: the choice lasts for this page */ } };
  const asked = new URLSearchParams(location.search).get("theme");
  const system = window.matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  root.dataset.theme = ["dark", "light"].includes(asked) ? asked : recall() || system;

  function repaint() {
    if (!window.Bokeh) return;
    for (const top of Object.values(window.Bokeh.index.roots)) paintBelow(top, new Set());
  }
  function paintBelow(view, seen) {
    if (seen.has(view)) return;
    seen.add(view);
    if (typeof view.request_repaint === "function") view.request_repaint();
    for (const child of view.children ? view.children() : []) paintBelow(child, seen);
  }
  function name(button) { button.textContent = root.dataset.theme === "dark" ? "☀ Light" : "☾ Dark"; }

  document.addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("wb-theme");
    name(button);
    button.addEventListener("click", () => {
      root.dataset.theme = root.dataset.theme === "dark" ? "light" : "dark";
      keep(root.dataset.theme);
      name(button);
      repaint();
    });
    const clock = document.getElementById("wb-clock");
    const tick = () => { clock.textContent = new Date().toISOString().slice(0, 19).replace("T", " ") + " UTC"; };
    tick();
    setInterval(tick, 1000);
  }, { once: true }); // a module loader of Panel fires this event a second time

  // Space plays or pauses, "." steps one bar; typing into a control is left alone.
  document.addEventListener("keydown", (event) => {
    const inner = event.composedPath()[0];
    if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT|TEXTAREA|BUTTON|A)$/.test(inner.tagName || "")) return;
    const wanted = { " ": "wb-play", ".": "wb-step" }[event.key];
    if (!wanted || !window.Bokeh) return;
    for (const top of window.Bokeh.index.roots) {
      if (press(top, wanted)) { event.preventDefault(); return; }
    }
  });
  function press(view, tag) {
    if (view.model.tags.includes(tag)) { view.shadow_el.querySelector("button").click(); return true; }
    return [...(view.children ? view.children() : [])].some((child) => press(child, tag));
  }
})();
