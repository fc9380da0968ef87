/* A long form in steps: one is shown at a time, and has an address (#step-2). Without this file they stand one below another. */
"use strict";
document.addEventListener("DOMContentLoaded", function () {
  const form = document.querySelector("form[data-wizard]");
  if (!form) { return; }
  const steps = [...form.querySelectorAll("[data-step]")];
  const last = steps[steps.length - 1];
  const refused = document.getElementById("problems");
  const seen = new Set(refused ? steps : []);
  let first = steps[0]; // where no address says which; a hash that is set while the page loads would take the focus from what is refused
  let shown = null;

  function linkTo(step) { return form.querySelector("[data-steps] a[href='#" + step.id + "']"); }

  function stepsOfProblems() {
    const judged = form.querySelector("[data-judged]") || refused; // the estimate is newer than what the page came with
    return [...judged ? judged.querySelectorAll("a[data-problem]") : []].map(function (link) {
      const field = document.getElementById(link.hash.slice(1));
      return field && field.closest("[data-step]");
    });
  }

  /* A step that one has been through says how many problems are left in it. */
  function mark() {
    const wrong = stepsOfProblems();
    steps.forEach(function (step) {
      const n = seen.has(step) ? wrong.filter(function (each) { return each === step; }).length : 0;
      linkTo(step).querySelector("[data-step-problems]").textContent = n ? n + (n === 1 ? " problem" : " problems") : "";
    });
  }

  function show(step) {
    (step === last ? steps : shown && shown !== step ? [shown] : []).forEach(function (each) { seen.add(each); });
    shown = step;
    steps.forEach(function (each) {
      each.hidden = each !== step;
      if (each === step) { linkTo(each).setAttribute("aria-current", "step"); } else { linkTo(each).removeAttribute("aria-current"); }
    });
    mark();
  }

  function named() {
    const hash = window.location.hash;
    return hash ? steps.find(function (step) { return "#" + step.id === hash; }) : first;
  }

  window.addEventListener("hashchange", function () {
    const step = named();
    if (!step) { return; }
    show(step);
    form.querySelector("[data-steps]").scrollIntoView();
    step.querySelector("h2").focus({ preventScroll: true });
  });
  // A problem leads to its field, in whatever step that is (app.js).
  form.addEventListener("reveal", function (event) {
    const step = event.target.closest("[data-step]");
    if (!step || step === shown) { return; }
    window.history.pushState(null, "", "#" + step.id);
    show(step);
  });
  // What a choice needs is not left folded away.
  form.addEventListener("change", function (event) {
    const fold = event.target.type === "radio" && form.querySelector("[data-open-for='" + event.target.name + "=" + event.target.value + "']");
    if (fold) { fold.open = true; }
  });
  // Enter in a field leads on; only the last step sends the form.
  form.addEventListener("submit", function (event) {
    if (shown === last) { return; }
    event.preventDefault();
    event.stopImmediatePropagation();
    window.location.hash = steps[steps.indexOf(shown) + 1].id;
  }, true);
  form.addEventListener("htmx:afterSettle", mark);

  form.querySelectorAll("[data-step-ways]").forEach(function (ways) { ways.hidden = false; });
  first = refused && stepsOfProblems().find(Boolean) || first;
  show(named() || first);
});
