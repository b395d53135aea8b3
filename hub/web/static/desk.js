// The little that pages do by themselves. Nothing here reads or writes data of leads.
"use strict";
(() => {
  const units = () => document.documentElement.lang === "ru"
    ? [[86400, "д"], [3600, "ч"], [60, "мин"], [1, "с"]]
    : [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];

  // Ages grow between two answers of the server, by this page's own monotonic clock: a wrong clock of the computer
  // changes nothing.
  const seen = new WeakMap();
  const tick = () => {
    for (const el of document.querySelectorAll("time[data-age]")) {
      if (!seen.has(el)) seen.set(el, performance.now());
      const seconds = Number(el.dataset.age) + Math.floor((performance.now() - seen.get(el)) / 1000);
      const [size, word] = units().find(([s]) => seconds >= s) || [1, units()[3][1]];
      const text = `${Math.floor(seconds / size)} ${word}`;
      if (el.textContent !== text) el.textContent = text;
    }
  };
  setInterval(tick, 1000);

  // A hidden page does not ask for news.
  document.addEventListener("htmx:beforeRequest", (event) => {
    if (event.target.matches("[data-live]") && document.hidden) event.preventDefault();
  });

  // A form that leaves the page is sent once.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.matches("[data-once]")) return;
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "yes";
  });

  document.addEventListener("click", (event) => {
    const chip = event.target.closest("[data-fill]");
    if (chip) {
      const field = chip.closest("form").querySelector("input[name=reason]");
      field.value = chip.dataset.fill;
      field.focus();
    }
    // One open menu at a time; a click elsewhere closes it.
    for (const open of document.querySelectorAll("details.pop[open], details.me[open]")) {
      if (!open.contains(event.target)) open.open = false;
    }
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const open of document.querySelectorAll("details.pop[open], details.me[open]")) {
      open.open = false;
      open.querySelector("summary").focus();
    }
  });
})();
