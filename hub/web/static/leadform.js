/* Add <script src=".../leadform.js" defer> to a page with <form data-leadform="name" action="..." method="post">.
 * It remembers where the visitor came from (first and last touch, 90 days, in this site's own storage), sends the form as
 * JSON, and keeps what could not be sent under its submission id until it could: the hub stores one id once.
 * Without this script, or where it fails, the form posts by itself.
 * Optional in the form: [data-consent data-version] holds the words of the consent, [data-thanks] is shown after sending,
 * data-redirect is the page to go to. Events on the form: leadform:sent, leadform:kept, leadform:refused. */
(function () {
  "use strict";

  var MARK = new RegExp("^(utm_\\w+|gclid|gbraid|wbraid|dclid|fbclid|msclkid|ttclid|twclid|li_fat_id|yclid|ysclid|" +
    "rb_clickid|vk_click_id|_openstat|etext)$", "i");
  var DAYS_90 = 90 * 24 * 3600 * 1000, PAUSES = [1000, 4000, 15000], TRAP = "lh_confirm";
  var AROUND = /^(consent|consent_\w+|form|_charset_|lh_confirm)$/;

  function load(name, fallback) {
    try { return JSON.parse(localStorage.getItem(name)) || fallback; } catch (blocked) { return fallback; }
  }
  function save(name, value) {
    try { localStorage.setItem(name, JSON.stringify(value)); } catch (blocked) { /* private mode */ }
  }

  function newId() {
    if (window.crypto && crypto.randomUUID) return crypto.randomUUID();
    var bytes = crypto.getRandomValues(new Uint8Array(16));
    return Array.prototype.map.call(bytes, function (b) { return ("0" + b.toString(16)).slice(-2); }).join("");
  }

  function thisTouch() {
    var foreign = Boolean(document.referrer) && document.referrer.split("/")[2] !== location.host;
    var touch = { page: location.href, at: new Date().toISOString(), came: foreign };
    touch.referrer = foreign ? document.referrer : "";
    new URLSearchParams(location.search).forEach(function (value, name) {
      if (MARK.test(name) && value) { touch[name.toLowerCase()] = value; touch.came = true; }
    });
    return touch;
  }

  function touches() {
    var known = load("lh_touch", {}), now = thisTouch();
    var fresh = known.first && Date.now() - Date.parse(known.first.at) < DAYS_90;
    var both = { first: fresh ? known.first : now, last: now.came || !known.last ? now : known.last };
    save("lh_touch", both);
    return both;
  }

  function typed(form) {
    var fields = {};
    new FormData(form).forEach(function (value, name) {
      if (AROUND.test(name) || value instanceof File) return;
      fields[name] = name in fields ? [].concat(fields[name], value) : value;
    });
    return fields;
  }

  function message(form, state) {
    var seen = touches(), words = form.querySelector("[data-consent]"), tick = form.elements.consent;
    var visitor = load("lh_visitor", "") || newId();
    save("lh_visitor", visitor);
    var body = {
      submission_id: state.id, form: form.getAttribute("data-leadform"), fields: typed(form),
      page: location.href, referrer: seen.last.referrer, visitor: visitor,
      language: document.documentElement.lang || navigator.language, first_touch: seen.first,
      elapsed_ms: Math.round(performance.now() - state.opened)
    };
    Object.keys(seen.last).forEach(function (name) { if (MARK.test(name)) body[name] = seen.last[name]; });
    body[TRAP] = form.elements[TRAP] ? form.elements[TRAP].value : "";
    if (tick) body.consent = Boolean(tick.checked);
    if (words) body.consent_text = words.textContent.trim().replace(/\s+/g, " ");
    if (words) body.consent_version = words.getAttribute("data-version") || "";
    return body;
  }

  function multipart(form, body) {
    var data = new FormData(form);
    Object.keys(body).forEach(function (name) {
      if (name === "fields" || name === "consent") return;
      data.set(name, typeof body[name] === "object" ? JSON.stringify(body[name]) : body[name]);
    });
    return data;
  }

  function post(url, body) {
    var json = !(body instanceof FormData), text = json ? JSON.stringify(body) : body;
    var headers = json ? { "Content-Type": "application/json" } : {};
    var small = json && text.length < 20000; // keepalive takes 64 KiB, Cyrillic is two bytes a letter
    return fetch(url, { method: "POST", headers: headers, body: text, keepalive: small }).then(function (answer) {
      var later = answer.status >= 500 || answer.status === 408 || answer.status === 429;
      if (later) throw new Error("not now: " + answer.status);
      return answer.ok ? "sent" : "refused";
    });
  }

  function persist(url, body, tries) {
    return post(url, body).catch(function () {
      if (tries >= PAUSES.length) return "kept";
      return new Promise(function (go) { setTimeout(go, PAUSES[tries]); })
        .then(function () { return persist(url, body, tries + 1); });
    });
  }

  function box(id, more) {
    var others = load("lh_outbox", []).filter(function (one) { return one.body.submission_id !== id; });
    save("lh_outbox", others.concat(more).slice(-20));
  }

  function deliver(form, state, body) {
    var files = form.querySelector("input[type=file]");
    if (!files) box(state.id, { url: form.action, body: body }); // before sending: the page may be closed meanwhile
    return persist(form.action, files ? multipart(form, body) : body, 0).then(function (outcome) {
      if (outcome !== "kept") box(state.id, []);
      state.busy = false;
      form.dispatchEvent(new CustomEvent("leadform:" + outcome, { bubbles: true, detail: { id: state.id } }));
      // A refusal is explained by the hub's own page; files cannot wait in storage, the browser keeps them in the form.
      if (outcome === "refused" || (outcome === "kept" && files)) return HTMLFormElement.prototype.submit.call(form);
      finish(form, state, outcome);
    });
  }

  function finish(form, state, outcome) {
    var thanks = form.querySelector("[data-thanks]"), next = form.getAttribute("data-redirect");
    state.id = newId(); state.opened = performance.now();
    form.reset();
    if (thanks) thanks.hidden = false;
    if (outcome === "sent" && next) location.assign(next);
  }

  function attach(form) {
    var state = { id: newId(), opened: performance.now(), busy: false };
    if (!form.elements[TRAP]) {
      var field = document.createElement("input");
      field.name = TRAP; field.tabIndex = -1; field.autocomplete = "off"; field.setAttribute("aria-hidden", "true");
      field.style.cssText = "position:absolute;left:-9999px;width:1px;height:1px";
      form.appendChild(field);
    }
    form.addEventListener("submit", function (event) {
      event.preventDefault();
      if (state.busy) return;
      state.busy = true;
      deliver(form, state, message(form, state));
    });
  }

  if (!window.fetch || !window.Promise || !window.URLSearchParams || !window.crypto) return; // the form posts by itself
  touches();
  Array.prototype.forEach.call(document.querySelectorAll("form[data-leadform]"), attach);
  load("lh_outbox", []).forEach(function (one) {
    post(one.url, one.body).then(function () { box(one.body.submission_id, []); }, function () { /* next page load */ });
  });
})();
