// Judging: blink, zoom both pictures together, long press, and no answer twice. The page works without it.
"use strict";

const MODES = ["how-first", "how-second", "how-zoom"];
const LONG_PRESS_MS = 500;

function mode(name) {
  const page = document.querySelector("[data-judge]");
  page.classList.remove(...MODES);
  if (name) page.classList.add(name);
}

function has(name) {
  return document.querySelector("[data-judge]").classList.contains(name);
}

function toggleZoom() {
  mode(has("how-zoom") ? "" : "how-zoom");
}

// In the zoom, both pictures show the part that the pointer is over in one of them.
function pan(event) {
  const frame = event.target.closest(".frame");
  if (!frame || !has("how-zoom")) return;
  const box = frame.getBoundingClientRect();
  const x = (100 * (event.clientX - box.left)) / box.width;
  const y = (100 * (event.clientY - box.top)) / box.height;
  for (const image of document.querySelectorAll(".pair img")) image.style.transformOrigin = `${x}% ${y}%`;
}

document.addEventListener("DOMContentLoaded", () => {
  if (!document.querySelector("[data-judge]")) return;
  let pressed = 0;
  let held = false;
  let sent = false;

  document.addEventListener("pointermove", pan);
  document.addEventListener("pointerdown", (event) => {
    pan(event);
    clearTimeout(pressed);
    held = false;
    if (event.pointerType === "touch" && event.target.closest(".candidate")) {
      pressed = setTimeout(() => { held = true; toggleZoom(); }, LONG_PRESS_MS);
    }
  });
  for (const end of ["pointerup", "pointercancel"]) document.addEventListener(end, () => clearTimeout(pressed));
  document.addEventListener("contextmenu", (event) => {
    if (event.target.closest(".candidate")) event.preventDefault();
  });

  document.addEventListener("click", (event) => {
    // A long press is no answer, and nor is a click into the zoom; a key presses a button without a pointer.
    if (event.target.closest(".candidate") && (held || (has("how-zoom") && event.detail > 0))) {
      event.preventDefault();
      held = false;
    } else if (event.target.closest("[data-blink]")) {
      event.preventDefault();
      mode(has("how-first") ? "how-second" : "how-first");
    } else if (event.target.closest("[data-zoom-both]")) {
      event.preventDefault();
      toggleZoom();
    }
  });

  // Escape leaves the blink or the zoom first, then the page.
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && MODES.some(has)) {
      event.preventDefault();
      event.stopImmediatePropagation();
      mode("");
    }
  }, true);

  document.addEventListener("submit", (event) => {
    if (sent) event.preventDefault();
    sent = true;
  });
  window.addEventListener("pageshow", () => { sent = false; });
});
