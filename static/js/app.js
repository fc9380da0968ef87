/* Small conveniences; every page works without them. */
"use strict";
(function () {
  // A refused form: what is wrong is read first, and each line leads to its field, also where that is folded away.
  document.addEventListener("DOMContentLoaded", function () {
    const first = document.querySelector("[data-focus]");
    if (first) { first.focus(); }
  });
  document.addEventListener("click", function (event) {
    const link = event.target.closest("a[data-problem]");
    const field = link && document.getElementById(link.hash.slice(1));
    if (!field) { return; }
    event.preventDefault();
    field.dispatchEvent(new Event("reveal", { bubbles: true }));
    for (let fold = field.closest("details"); fold; fold = fold.parentElement.closest("details")) { fold.open = true; }
    field.focus();
    field.scrollIntoView({ block: "center" });
  });
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
  // A form with large files is checked by its fields and the first bytes of the files; refused, it still has the files.
  async function checkFirst(form) {
    const heads = new FormData();
    for (const [name, value] of new FormData(form)) {
      heads.append(name, value instanceof File && value.name ? new File([value.slice(0, 4096)], value.name) : value);
    }
    heads.append("check-only", "1");
    let answer = null;
    try { answer = await fetch(form.action, { method: "POST", body: heads, credentials: "same-origin" }); } catch (error) { /* sent as it is */ }
    if (!answer || answer.status !== 422) { form.submit(); return; }
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("form[data-check-first]");
    form.querySelectorAll("input[type='file']").forEach(function (chosen) {
      const empty = fresh.querySelector("#" + chosen.id);
      ["aria-invalid", "aria-describedby"].forEach(function (name) {
        if (empty.hasAttribute(name)) { chosen.setAttribute(name, empty.getAttribute(name)); } else { chosen.removeAttribute(name); }
      });
      empty.replaceWith(chosen);
    });
    form.replaceChildren(...fresh.childNodes);
    delete form.dataset.sent;
    const first = form.querySelector("[aria-invalid='true']");
    if (first) { first.focus(); }
  }
  document.addEventListener("submit", function (event) {
    if (event.defaultPrevented || !event.target.matches("[data-check-first]")) { return; }
    event.preventDefault();
    checkFirst(event.target);
  });
  // A button that copies a text of the page; without a secure connection the text is marked, to be copied by hand.
  document.addEventListener("DOMContentLoaded", function () {
    document.querySelectorAll("[data-copy]").forEach(function (button) { button.hidden = false; });
  });
  document.addEventListener("click", async function (event) {
    const button = event.target.closest("[data-copy]");
    if (!button) { return; }
    const text = document.getElementById(button.dataset.copy);
    try {
      await navigator.clipboard.writeText(text.textContent);
      button.textContent = "Copied";
    } catch (error) {
      window.getSelection().selectAllChildren(text);
      button.textContent = "Marked: copy it with Ctrl-C";
    }
  });
  // Fields that htmx brings change what a campaign costs, the estimate itself does not.
  document.addEventListener("htmx:afterSettle", function (event) {
    const form = event.target.closest("form");
    if (form && form.querySelector("[data-estimate]") && !event.target.closest("[data-estimate]")) {
      form.dispatchEvent(new Event("change", { bubbles: true }));
    }
  });
  document.addEventListener("change", function (event) {
    if (event.target.matches("[data-submit]")) { event.target.form.requestSubmit(); }
  });
})();
