/* Small conveniences; every page works without them. */
"use strict";
(function () {
  document.addEventListener("click", function (event) {
    const remover = event.target.closest("[data-remove]");
    if (remover) {
      const row = remover.closest("[data-row]");
      const form = row.closest("form");
      row.remove();
      if (form) { form.dispatchEvent(new Event("change", { bubbles: true })); }
    }
    // One help text open at a time; a click elsewhere closes it.
    document.querySelectorAll("details.help[open]").forEach(function (help) {
      if (!help.contains(event.target)) { help.open = false; }
    });
  });
  document.addEventListener("keydown", function (event) {
    if (event.key === "Escape") { document.querySelectorAll("details.help[open]").forEach(function (help) { help.open = false; }); }
  });
  // Asked before something is lost; two clicks do not send a form twice.
  document.addEventListener("submit", function (event) {
    const form = event.target;
    if (form.dataset.confirm && !window.confirm(form.dataset.confirm)) { event.preventDefault(); return; }
    if (form.dataset.sent) { event.preventDefault(); return; }
    if (form.method === "post") { form.dataset.sent = "1"; }
  });
  window.addEventListener("pageshow", function () { document.querySelectorAll("form[data-sent]").forEach(function (form) { delete form.dataset.sent; }); });
  // What was refused is read first.
  const first = document.querySelector("[data-focus]");
  if (first) { first.focus(); first.scrollIntoView({ block: "start" }); }
  // A link to a field that stands in a closed fold opens it.
  document.addEventListener("click", function (event) {
    const link = event.target.closest("a[href^='#']");
    const field = link && document.getElementById(link.getAttribute("href").slice(1));
    if (!field) { return; }
    for (let fold = field.closest("details"); fold; fold = fold.parentElement.closest("details")) { fold.open = true; }
    field.focus();
  });
  document.addEventListener("change", function (event) {
    if (event.target.matches("[data-submit]")) { event.target.form.requestSubmit(); }
  });
})();
