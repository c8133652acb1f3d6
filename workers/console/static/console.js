// Keys for buttons, and the slider between two pictures. Everything works without it, but slower.
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
