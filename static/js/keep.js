/* A session that ends while a form is filled in: what was typed stays in this tab (sessionStorage) and is back after signing in again.

   A form takes part with data-keep: "fill" puts the values into its fields; "post" sends them to the page's own address, marked
   as restored, where the server draws the form with all its changing parts and carries nothing out. Files and passwords are not kept.
   A form that was refused before it was read (too large, an error of the server) is kept too. Several forms of a page are told apart
   by the address they are sent to. */
"use strict";
(function () {
  const PREFIX = "kept:";
  const SIGN_IN = "/sign-in/";
  const address = window.location.pathname + window.location.search;

  function read(key) {
    try { return JSON.parse(window.sessionStorage.getItem(PREFIX + key)); } catch (error) { return null; }
  }
  function write(key, entry) {
    try { window.sessionStorage.setItem(PREFIX + key, JSON.stringify(entry)); } catch (error) { /* full, or not allowed: nothing is kept */ }
  }
  function forget(key) { window.sessionStorage.removeItem(PREFIX + key); }
  function keys() {
    return Object.keys(window.sessionStorage).filter(function (key) { return key.startsWith(PREFIX); }).map(function (key) { return key.slice(PREFIX.length); });
  }
  function fieldsOf(form) {
    return [...new FormData(form)].filter(function (pair) { return typeof pair[1] === "string" && pair[0] !== "csrfmiddlewaretoken"; });
  }
  function keyOf(form) { return address + " " + (form.getAttribute("action") || ""); }
  function keep(form, state) {
    write(keyOf(form), { fields: fieldsOf(form), page: address, state: state, user: document.body.dataset.user });
  }

  function fill(form, fields) {
    const values = new Map();
    fields.forEach(function (pair) { values.set(pair[0], (values.get(pair[0]) || []).concat([pair[1]])); });
    [...form.elements].forEach(function (field) {
      if (!field.name || field.type === "file" || field.type === "hidden" || field.name === "csrfmiddlewaretoken") { return; }
      const found = values.get(field.name) || [];
      if (field.type === "checkbox" || field.type === "radio") { field.checked = found.includes(field.value); }
      else if (found.length) { field.value = found[0]; }
    });
    const note = document.createElement("p");
    note.className = "message message-success";
    note.setAttribute("role", "status");
    note.textContent = "What you typed is back." + (form.querySelector("input[type='file']") ? " Choose the files again." : "");
    form.prepend(note);
    const fold = form.closest("details");
    if (fold) { fold.open = true; }
  }
  function post(form, fields) {
    const copy = document.createElement("form");
    copy.method = "post";
    copy.hidden = true;
    fields.concat([["csrfmiddlewaretoken", form.elements.csrfmiddlewaretoken.value], ["restored-form", "1"]]).forEach(function (pair) {
      const field = document.createElement("input");
      field.type = "hidden";
      field.name = pair[0];
      field.value = pair[1];
      copy.append(field);
    });
    document.body.append(copy);
    copy.submit();
  }

  function restore(form) {
    const entry = read(keyOf(form));
    if (!entry || entry.state !== "interrupted") { return; }
    if (entry.user !== document.body.dataset.user) { forget(keyOf(form)); return; }
    write(keyOf(form), Object.assign(entry, { state: "typing" }));
    if (form.dataset.keep === "post") { post(form, entry.fields); } else { fill(form, entry.fields); }
  }

  /* What became of forms that were sent: signed out or refused before they arrived (kept), or done (forgotten): the page says so, or
     it is another one. */
  function settle() {
    const signIn = document.querySelector("[data-sign-in]");
    const next = signIn && new URLSearchParams(window.location.search).get("next");
    keys().forEach(function (key) {
      const entry = read(key);
      if (!entry) { forget(key); return; }
      const lost = signIn ? entry.page === next : entry.state === "sent" && document.querySelector("[data-not-done]");
      if (lost) { write(key, Object.assign(entry, { state: "interrupted" })); }
      else if (entry.state === "sent" && entry.page === address && !document.querySelector(".message-success")) { write(key, Object.assign(entry, { state: "typing" })); }
      else if (entry.state === "sent" && !signIn) { forget(key); }
    });
  }

  document.addEventListener("DOMContentLoaded", function () {
    settle();
    document.querySelectorAll("form[data-keep]").forEach(function (form) {
      restore(form);
      watch(form);
    });
  });
  function watch(form) {
    let timer = 0;
    function keepTyped() {
      window.clearTimeout(timer);
      if (timer) { keep(form, "typing"); }
      timer = 0;
    }
    ["input", "change"].forEach(function (name) {
      form.addEventListener(name, function () {
        form.dataset.typed = "1";
        window.clearTimeout(timer);
        timer = window.setTimeout(keepTyped, 200);
      });
    });
    form.addEventListener("submit", function (event) {
      if (event.defaultPrevented) { return; }
      window.clearTimeout(timer);
      timer = 0;
      keep(form, "sent");
    });
    window.addEventListener("pagehide", keepTyped);
  }
  document.addEventListener("submit", function (event) {
    if (event.target.matches("[data-sign-out]")) { keys().forEach(forget); }
  });

  /* A part of a page that is asked for without a session would be the sign-in page: say so instead, once. */
  document.addEventListener("htmx:beforeSwap", function (event) {
    if (new URL(event.detail.xhr.responseURL || window.location.href).pathname !== SIGN_IN) { return; }
    event.detail.shouldSwap = false;
    if (document.getElementById("signed-out")) { return; }
    const forms = document.querySelectorAll("form[data-keep][data-typed]");
    forms.forEach(function (form) { keep(form, "typing"); });
    const note = document.createElement("p");
    note.id = "signed-out";
    note.className = "message message-warning";
    note.setAttribute("role", "alert");
    const link = document.createElement("a");
    link.href = SIGN_IN + "?next=" + encodeURIComponent(address);
    link.textContent = "Sign in again";
    note.append("Your session has ended. ", link, forms.length ? ": what you typed is kept." : ".");
    document.querySelector("main").prepend(note);
  });
})();
