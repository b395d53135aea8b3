/* Copy buttons, shown only where they work, and keys for pairs of people. The pages do without either. */
(function () {
  "use strict";

  document.querySelectorAll("[data-copy]").forEach(function (button) {
    var text = document.getElementById(button.getAttribute("data-copy")), said = button.textContent;
    button.hidden = false;
    button.addEventListener("click", function () {
      text.focus();
      text.select();
      var copied = navigator.clipboard && window.isSecureContext
        ? navigator.clipboard.writeText(text.value) : Promise.resolve(document.execCommand("copy"));
      copied.then(function () {
        button.textContent = button.getAttribute("data-said");
        setTimeout(function () { button.textContent = said; }, 1500);
      });
    });
  });

  /* j and k go through the pairs, a letter presses its button in the one that has the focus. */
  var pairs = Array.from(document.querySelectorAll("[data-pair]"));
  if (pairs[0]) { pairs[0].focus(); }
  document.addEventListener("keydown", function (event) {
    var busy = event.ctrlKey || event.altKey || event.metaKey || event.repeat || /INPUT|TEXTAREA|SELECT/.test(event.target.tagName);
    if (busy || !pairs.length) { return; }
    var at = Math.max(0, pairs.findIndex(function (pair) { return pair.contains(document.activeElement); }));
    var step = { j: 1, k: -1 }[event.key], button = pairs[at].querySelector('[data-key="' + CSS.escape(event.key) + '"]');
    if (step) {
      pairs[Math.min(pairs.length - 1, Math.max(0, at + step))].focus();
    } else if (button) {
      pairs = [];
      button.click();
    }
  });
})();
