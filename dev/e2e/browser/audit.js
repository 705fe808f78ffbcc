// Evaluated through the debugger in a page whose own scripts are off. Answers
// what a page must not do, one sentence each.
(() => {
  const faults = [];
  const fault = (text) => faults.push(text);
  const name = (e) => `<${e.localName}${e.id ? "#" + e.id : ""}> "${(e.innerText || "").trim().slice(0, 40)}"`;
  const shown = (e) => e.checkVisibility({ checkVisibilityCSS: true, checkOpacity: true });

  const root = document.scrollingElement;
  if (root.scrollWidth > root.clientWidth) {
    const wide = [...document.querySelectorAll("body *")].filter((e) => e.getBoundingClientRect().right > root.clientWidth + 0.5);
    fault(`scrolls sideways: ${root.scrollWidth} > ${root.clientWidth} px, because of ${wide.slice(0, 3).map(name).join(", ")}`);
  }
  if (!document.documentElement.lang) fault("has no lang attribute");
  if (!document.title.trim()) fault("has no title");
  if (!document.querySelector("meta[name=viewport]")) fault("has no viewport");
  const headings = [...document.querySelectorAll("h1")].filter(shown);
  if (headings.length !== 1) fault(`has ${headings.length} h1`);
  if (document.querySelectorAll("main").length !== 1) fault("has no single main");

  for (const e of document.querySelectorAll("input:not([type=hidden]), select, textarea")) {
    if (!e.labels.length && !e.ariaLabel) fault(`has no label for ${name(e)}`);
  }
  for (const e of document.querySelectorAll("button, a[href]")) {
    if (shown(e) && !e.innerText.trim() && !e.ariaLabel) fault(`has a nameless ${name(e)}`);
  }
  for (const e of document.querySelectorAll("button, a.button, a.quiet")) {
    const box = e.getBoundingClientRect();
    if (shown(e) && (box.height < 40 || box.width < 40)) fault(`has a target of ${box.width}×${box.height} px: ${name(e)}`);
  }

  // WCAG 1.4.3: text against the nearest painted ground.
  const channels = (colour) => (colour.match(/[\d.]+/g) || []).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (e) => {
    for (; e; e = e.parentElement) {
      const c = channels(getComputedStyle(e).backgroundColor);
      if (c.length === 3 || c[3] === 1) return c;
    }
    return matchMedia("(prefers-color-scheme: dark)").matches ? [18, 18, 18] : [255, 255, 255];
  };
  for (const e of document.querySelectorAll("body *")) {
    const own = [...e.childNodes].some((n) => n.nodeType === Node.TEXT_NODE && n.data.trim());
    if (!own || !shown(e) || e.localName === "option") continue;
    const a = light(channels(getComputedStyle(e).color)), b = light(ground(e));
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) fault(`has text with contrast ${ratio.toFixed(1)}: ${name(e)}`);
  }
  return faults;
})()
