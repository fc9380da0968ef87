/* Draws the JSON of a structure endpoint with 3Dmol.js into every element with data-structure-url; a sentence stands where WebGL is missing. */
"use strict";
(function () {
  function sentence(element, text) {
    const paragraph = document.createElement("p");
    paragraph.textContent = text;
    element.replaceChildren(paragraph);
  }

  function hasWebGL() {
    try {
      const canvas = document.createElement("canvas");
      return Boolean(canvas.getContext("webgl2") || canvas.getContext("webgl"));
    } catch (error) {
      return false;
    }
  }

  function colourOf(symbol) {
    const colour = window.$3Dmol.elementColors.Jmol[symbol];
    return "#" + (colour === undefined ? 0x909090 : colour).toString(16).padStart(6, "0");
  }

  function edge(viewer, start, end, colour) {
    viewer.addCylinder({ start: start, end: end, radius: 0.03, color: colour, fromCap: 1, toCap: 1 });
  }

  function drawCell(viewer, cell, colour) {
    const corner = function (a, b, c) {
      return { x: a * cell[0][0] + b * cell[1][0] + c * cell[2][0], y: a * cell[0][1] + b * cell[1][1] + c * cell[2][1],
               z: a * cell[0][2] + b * cell[1][2] + c * cell[2][2] };
    };
    for (const [i, j] of [[0, 0], [0, 1], [1, 0], [1, 1]]) {
      edge(viewer, corner(0, i, j), corner(1, i, j), colour);
      edge(viewer, corner(i, 0, j), corner(i, 1, j), colour);
      edge(viewer, corner(i, j, 0), corner(i, j, 1), colour);
    }
  }

  function legend(element, entries) {
    const list = document.getElementById(element.dataset.legend || "");
    if (!list) { return; }
    list.replaceChildren(...entries.map(function (entry) {
      const item = document.createElement("li");
      const dot = document.createElement("i");
      dot.style.background = colourOf(entry.symbol);
      item.append(dot, entry.said ? entry.symbol + ": " + entry.said : entry.symbol);
      return item;
    }));
  }

  function show(element, structure) {
    element.replaceChildren();
    const viewer = window.$3Dmol.createViewer(element, { backgroundAlpha: 0 });
    const ink = getComputedStyle(element).color;
    for (const atom of structure.atoms.concat(structure.images)) {
      viewer.addSphere({ center: { x: atom.xyz[0], y: atom.xyz[1], z: atom.xyz[2] }, radius: atom.radius, color: colourOf(atom.symbol),
                         opacity: atom.occupancy > 0.99 ? 1 : 0.55 + 0.4 * atom.occupancy });
    }
    drawCell(viewer, structure.cell, ink);
    viewer.zoomTo();
    viewer.zoom(1.1);
    viewer.rotate(12, "y");
    viewer.rotate(8, "x");
    viewer.render();
    legend(element, structure.legend);
  }

  async function draw(element) {
    if (!window.$3Dmol || !hasWebGL()) {
      sentence(element, "This browser cannot show the structure in three dimensions (WebGL is missing or switched off). The tables and the download hold all of it.");
      return;
    }
    try {
      const response = await fetch(element.dataset.structureUrl, { headers: { Accept: "application/json" }, credentials: "same-origin" });
      const structure = await response.json();
      if (!response.ok) { sentence(element, structure.message || "The structure could not be loaded."); return; }
      show(element, structure);
    } catch (error) {
      sentence(element, "The structure could not be drawn. The tables and the download hold all of it.");
    }
  }

  document.addEventListener("DOMContentLoaded", function () { document.querySelectorAll("[data-structure-url]").forEach(draw); });
})();
