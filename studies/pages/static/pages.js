// What needs a script: copying a line, a picture made large, keys that press buttons. Every page can be read without.
"use strict";

function wire(root) {
  for (const button of root.querySelectorAll("button[data-copy], button[data-blink]")) button.hidden = false;
}

// On a phone the tabs are wider than the screen: the one that is open has to be seen.
document.querySelector("nav a[aria-current='page']")?.scrollIntoView({ block: "nearest", inline: "center" });

document.addEventListener("click", async (event) => {
  const copy = event.target.closest("button[data-copy]");
  if (copy) {
    if (!await copied(copy.dataset.copy)) return;
    const words = copy.textContent;
    copy.textContent = "✓";
    setTimeout(() => { copy.textContent = words; }, 1200);
    return;
  }
  const blinking = event.target.closest("button[data-blink]");
  if (blinking) {
    blink(blinking.dataset.blink !== "off");
    return;
  }
  const link = event.target.closest("a[data-zoom]");
  if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
    event.preventDefault();
    zoom(link);
  }
});

// A page that another machine is shown without encryption has no clipboard: there the old way is taken.
async function copied(text) {
  if (navigator.clipboard) {
    await navigator.clipboard.writeText(text);
    return true;
  }
  const field = document.createElement("textarea");
  field.value = text;
  field.className = "hidden";
  document.body.append(field);
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  return done;
}

// A picture that an address names may lie in a part that is folded; not every browser opens it by itself.
function unfold() {
  const part = document.getElementById(decodeURIComponent(location.hash.slice(1)))?.closest("details");
  if (part && !part.open) {
    part.open = true;
    part.scrollIntoView({ block: "start" });
  }
}

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

// Pictures of a pair one over the other; each call shows the other one, until it is asked to put them side by side.
function blink(on) {
  const pairs = document.querySelector(".pairs");
  const second = on && pairs.classList.contains("blinking") && !pairs.classList.contains("second");
  pairs.classList.toggle("blinking", on);
  pairs.classList.toggle("second", second);
  const shown = pairs.querySelector(second ? ".right" : ".left");
  document.querySelector(".blink-name").textContent = on ? shown.dataset.name : "";
}

// Of more than two ticked boxes the one that was ticked first is cleared.
const ticked = [];
document.addEventListener("change", (event) => {
  if (!event.target.matches("form[data-two] input[name=pick]")) return;
  const place = ticked.indexOf(event.target);
  if (place >= 0) ticked.splice(place, 1);
  if (event.target.checked) ticked.push(event.target);
  if (ticked.length > 2) ticked.shift().checked = false;
});

// An element with data-key is pressed by that key, unless one is writing or a picture is large.
// A key that is held presses once: else it would answer one pair after the other.
document.addEventListener("keydown", (event) => {
  if (event.repeat || event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select, dialog")) return;
  if (event.key.startsWith("Arrow") && event.target.closest("[tabindex='0']")) return;  // it scrolls what has the focus
  if (event.key === " " && event.target.closest("button, summary")) return;  // it presses what has the focus
  for (const element of document.querySelectorAll("[data-key]")) {
    if (element.dataset.key.split(" ").includes(event.key === " " ? "Space" : event.key)) {
      event.preventDefault();
      element.click();
      return;
    }
  }
});

document.addEventListener("DOMContentLoaded", () => { wire(document); unfold(); });
window.addEventListener("hashchange", unfold);
document.addEventListener("htmx:afterSwap", (event) => wire(event.target));
