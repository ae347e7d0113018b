// What needs a script: copying a line, a picture made large, keys that press buttons. Every page can be read without.
"use strict";

function wire(root) {
  for (const button of root.querySelectorAll("button[data-copy]")) button.hidden = false;
}

document.addEventListener("click", async (event) => {
  const copy = event.target.closest("button[data-copy]");
  if (copy) {
    await navigator.clipboard.writeText(copy.dataset.copy);
    const words = copy.textContent;
    copy.textContent = "✓";
    setTimeout(() => { copy.textContent = words; }, 1200);
    return;
  }
  const link = event.target.closest("a[data-zoom]");
  if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
    event.preventDefault();
    zoom(link);
  }
});

function zoom(link) {
  const dialog = document.createElement("dialog");
  dialog.className = "zoomed";
  const picture = document.createElement("img");
  picture.src = link.href;
  picture.alt = link.querySelector("img").alt;
  dialog.append(picture);
  dialog.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => { dialog.remove(); link.focus(); });
  document.body.append(dialog);
  dialog.showModal();
}

// An element with data-key is pressed by that key, unless one is writing or a picture is large.
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select, dialog")) return;
  for (const element of document.querySelectorAll("[data-key]")) {
    if (element.dataset.key.split(" ").includes(event.key === " " ? "Space" : event.key)) {
      event.preventDefault();
      element.click();
      return;
    }
  }
});

document.addEventListener("DOMContentLoaded", () => wire(document));
document.addEventListener("htmx:afterSwap", (event) => wire(event.target));
