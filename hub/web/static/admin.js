/* Copy buttons, shown only where they work. Everything else on the admin pages needs no script. */
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
})();
