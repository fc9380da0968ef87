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
      if (item.table) { element.append(numbers(element, item.table)); }
      element.append(saveButton(element, "SVG"), saveButton(element, "PNG"));
    } catch (error) {
      note(element, "The plot could not be loaded. Reload the page to try again.");
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

  /* Where the page has no table of it. */
  function numbers(element, found) {
    const fold = document.createElement("details");
    fold.className = "fold plot-numbers";
    const summary = fold.appendChild(document.createElement("summary"));
    summary.textContent = "Numbers";
    const scroll = fold.appendChild(document.createElement("div"));
    scroll.className = "table-scroll";
    scroll.tabIndex = 0;
    scroll.setAttribute("role", "region");
    scroll.setAttribute("aria-label", "Table: " + element.getAttribute("aria-label"));
    const table = scroll.appendChild(document.createElement("table"));
    const head = table.createTHead().insertRow();
    found.columns.forEach(function (title) { head.append(cell("th", title, "col")); });
    const body = table.createTBody();
    found.rows.forEach(function (row) {
      const line = body.insertRow();
      row.forEach(function (number, index) { line.append(index ? cell("td", number) : cell("th", number, "row")); });
    });
    return fold;
  }

  function cell(tag, text, scope) {
    const made = document.createElement(tag);
    made.className = "number";
    made.textContent = text;
    if (scope) { made.scope = scope; }
    return made;
  }

  /* For papers and slides: the same plot in light colours, as vectors or as pixels, drawn out of sight and handed over as a file. */
  function saveButton(element, format) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "button-link plot-save";
    button.textContent = "Save as " + format;
    button.setAttribute("aria-label", "Save as " + format + ": " + element.getAttribute("aria-label"));
    button.addEventListener("click", function () { save(element, format).catch(function () { button.textContent = "Could not be saved: try again"; }); });
    return button;
  }

  async function save(element, format) {
    const drawn = await vectors(element);
    const blob = format === "PNG" ? await pixels(drawn) : drawn.blob;
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = element.id.replace(/^plot-/, "") + "." + format.toLowerCase();
    link.click();
    URL.revokeObjectURL(link.href);
  }

  /* The plot as SVG, and its size on the page. */
  async function vectors(element) {
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
      const view = [...await window.Bokeh.embed.embed_item(item, place.id)][0];
      return { blob: await view.export("svg").to_blob(), width: view.bbox.width, height: view.bbox.height };
    } finally {
      place.remove();
    }
  }

  const PIXELS_PER_POINT = 2;

  /* On white: a slide may be dark. */
  async function pixels(drawn) {
    const image = new Image();
    image.src = "data:image/svg+xml;charset=utf-8," + encodeURIComponent(await drawn.blob.text());
    await image.decode();
    const canvas = document.createElement("canvas");
    canvas.width = PIXELS_PER_POINT * drawn.width;
    canvas.height = PIXELS_PER_POINT * drawn.height;
    const brush = canvas.getContext("2d");
    brush.fillStyle = "#ffffff";
    brush.fillRect(0, 0, canvas.width, canvas.height);
    brush.drawImage(image, 0, 0, canvas.width, canvas.height);
    return new Promise(function (resolve, reject) {
      canvas.toBlob(function (blob) { if (blob) { resolve(blob); } else { reject(new Error("no picture")); } }, "image/png");
    });
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
