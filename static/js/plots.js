/* Embeds the Bokeh documents that the server sends into every element with data-plot-url, in the colours of the reader's scheme. */
"use strict";
(function () {
  const dark = window.matchMedia("(prefers-color-scheme: dark)");

  function note(element, text) {
    const paragraph = document.createElement("p");
    paragraph.className = "plot-note";
    paragraph.textContent = text;
    element.replaceChildren(paragraph);
  }

  async function draw(element) {
    const url = new URL(element.dataset.plotUrl, window.location.href);
    const paper = "plotPaper" in element.dataset;
    url.searchParams.set("theme", dark.matches && !paper ? "dark" : "light");
    if (paper) { url.searchParams.set("vector", "1"); }
    if (element.clientWidth < 560) { url.searchParams.set("narrow", "1"); }
    try {
      const response = await fetch(url, { headers: { Accept: "application/json" }, credentials: "same-origin" });
      if (!response.ok) { throw new Error(String(response.status)); }
      const item = await response.json();
      if (!item.doc) { note(element, item.message); element.classList.add("plot-empty"); return; }
      element.replaceChildren();
      await window.Bokeh.embed.embed_item(item, element.id);
      element.classList.add("plot-drawn");
      if (item.said) { element.append(sentence(element, item.said)); }
      element.append(svgButton(element));
    } catch (error) {
      note(element, "The plot could not be loaded; the table beside it holds the same numbers. Reload the page to try again.");
    }
  }

  /* What the plot shows, in words and numbers: for everybody, and what a screen reader says of it. */
  function sentence(element, text) {
    const paragraph = document.createElement("p");
    paragraph.className = "small soft";
    paragraph.id = element.id + "-said";
    paragraph.textContent = text;
    element.setAttribute("aria-describedby", paragraph.id);
    return paragraph;
  }

  /* For papers: the same plot as vectors, in light colours, drawn out of sight and handed over as a file. */
  function svgButton(element) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "button-link plot-save";
    button.textContent = "Save as SVG";
    button.setAttribute("aria-label", "Save as SVG: " + element.getAttribute("aria-label"));
    button.addEventListener("click", function () { saveSvg(element).catch(function () { button.textContent = "Could not be saved: try again"; }); });
    return button;
  }

  async function saveSvg(element) {
    const url = new URL(element.dataset.plotUrl, window.location.href);
    url.searchParams.set("theme", "light");
    url.searchParams.set("vector", "1");
    const response = await fetch(url, { headers: { Accept: "application/json" }, credentials: "same-origin" });
    if (!response.ok) { throw new Error(String(response.status)); }
    const item = await response.json();
    const place = document.createElement("div");
    place.id = element.id + "-svg";
    place.className = "plot-offstage";
    document.body.append(place);
    try {
      const views = await window.Bokeh.embed.embed_item(item, place.id);
      const blob = await [...views][0].export("svg").to_blob();
      const link = document.createElement("a");
      link.href = URL.createObjectURL(blob);
      link.download = element.id.replace(/^plot-/, "") + ".svg";
      link.click();
      URL.revokeObjectURL(link.href);
    } finally {
      place.remove();
    }
  }

  function drawAll(root) {
    const elements = root.querySelectorAll("[data-plot-url]");
    if (!elements.length || !window.Bokeh) { return; }
    elements.forEach(function (element) {
      if ("plotPaper" in element.dataset) { draw(element); return; }
      waiting.add(element);
      watcher.observe(element);
    });
  }

  // Only what comes into sight is fetched and drawn; on paper that is everything.
  const waiting = new Set();
  function start(element) {
    watcher.unobserve(element);
    if (waiting.delete(element)) { draw(element); }
  }
  const watcher = new IntersectionObserver(function (entries) {
    entries.filter(function (entry) { return entry.isIntersecting; }).forEach(function (entry) { start(entry.target); });
  }, { rootMargin: "200px" });

  document.addEventListener("DOMContentLoaded", function () { drawAll(document); });
  document.addEventListener("htmx:load", function (event) { if (event.target !== document.body) { drawAll(event.target); } });
  window.addEventListener("beforeprint", function () { waiting.forEach(start); });
  dark.addEventListener("change", function () { drawAll(document); });
})();
