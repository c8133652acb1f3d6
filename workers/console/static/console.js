// Keys for buttons, the slider between two pictures, and what is said when the console does not
// answer. Everything works without it, but slower.
"use strict";

function typing(element) {
  return element && element.matches("input:not([type=range]), textarea, select");
}

function press(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape" && typing(event.target)) {
    event.target.blur();
    return;
  }
  if (typing(event.target) || event.repeat) return;
  if (event.key === "n") {
    const note = document.querySelector("[data-note]");
    if (note) { note.focus(); event.preventDefault(); }
    return;
  }
  const button = document.querySelector(`button[data-key="${CSS.escape(event.key)}"]`);
  if (button) { event.preventDefault(); button.click(); }
}

function slide(input) {
  const over = input.closest(".compare").querySelector(".over");
  over.style.clipPath = `inset(0 0 0 ${Number(input.value)}%)`;
}

document.addEventListener("keydown", press);
document.addEventListener("input", (event) => {
  if (event.target.matches("[data-slider]")) slide(event.target);
  if (event.target.matches("[data-shown]")) {
    event.target.nextElementSibling.textContent = `${Number(event.target.value).toFixed(1)} %`;
  }
});

function tell(text) {
  document.getElementById("told").textContent = text;
}

document.addEventListener("htmx:before:request", () => tell(""));
document.addEventListener("htmx:error", (event) => {
  if (event.detail.ctx) tell("Not done: the console does not answer. Try again.");
});

// A page that follows the cameras says when it follows no more: a wall that stands still looks well.
const STALE_MS = 10000;
const stale = document.querySelector("[data-stale]");
if (stale) {
  let renewed = performance.now();
  const renew = () => { renewed = performance.now(); stale.hidden = true; };
  document.addEventListener("htmx:sse:after:message", renew);
  document.addEventListener("visibilitychange", renew);  // in the background nothing is renewed
  setInterval(() => { stale.hidden = document.hidden || performance.now() - renewed < STALE_MS; }, 1000);
}

// htmx may begin before its extension is here: what follows a stream is then looked at again.
window.addEventListener("load", () => {
  const follows = document.querySelector("[hx-sse\\:connect]");
  if (follows && window.htmx && !(follows._htmx && follows._htmx.sse)) htmx.process(follows);
});
