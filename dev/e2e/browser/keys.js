// Evaluated through the debugger. What a keyboard has to reach on the page, in
// the order of the page, each with a number under which the focus is recognised.
(() => {
  const shown = (e) => e.checkVisibility({ checkVisibilityCSS: true });
  const inShutDetails = (e) => {
    const d = e.parentElement && e.parentElement.closest("details:not([open])");
    return d && e !== d.querySelector(":scope > summary");
  };
  const groups = new Set();
  const stops = [...document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex]")].filter((e) => {
    if (e.disabled || e.type === "hidden" || e.tabIndex < 0 || !shown(e) || inShutDetails(e)) return false;
    if (e.type !== "radio") return true;
    const one = `${e.form && e.form.action} ${e.name}`; // the arrow keys move inside a group
    const first = !groups.has(one);
    groups.add(one);
    return first;
  });
  stops.forEach((e, i) => e.setAttribute("data-stop", i));
  return stops.map((e) => `<${e.localName}${e.id ? "#" + e.id : ""}> ${(e.innerText || e.ariaLabel || e.name || "").trim().slice(0, 40)}`);
})()
