/** The decision behind a trade, and what became of it: explain's timeline in a dialog. */

import { campaignPath, get } from "./api.js";
import { element, say } from "./dom.js";

const STAMPED = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d\.\d+) {2}(.*)$/s;

export function showStory(name, tradeId) {
  const title = element("h2", { id: "story-title" });
  const state = element("p", { class: "note", role: "status" });
  const lines = element("ol", { class: "story", tabindex: "0", "aria-label": "Timeline" });
  const before = element("button", { type: "button" }, "Trade before");
  const after = element("button", { type: "button" }, "Trade after");
  const close = element("button", { type: "button", class: "main", onclick: () => dialog.close() }, "Close");
  const dialog = element(
    "dialog",
    { class: "wide", "aria-labelledby": "story-title" },
    element("div", { class: "stack" }, title, state, lines, element("div", { class: "buttons" }, before, after, close)),
  );
  let wanted = tradeId;

  async function show(id) {
    wanted = id;
    say(title, `Trade ${id}`);
    say(state, "Reading the journal …");
    try {
      const story = await get(campaignPath(name, `/trades/${encodeURIComponent(id)}`));
      if (wanted !== id) return;
      say(state, "");
      lines.replaceChildren(...story.lines.map(lineOf));
      lines.scrollTop = 0;
      lead(before, story.before);
      lead(after, story.after);
    } catch (error) {
      if (wanted !== id) return;
      lines.replaceChildren();
      say(state, error.message);
    }
  }

  function lead(button, id) {
    button.disabled = id === null;
    button.onclick = () => show(id);
  }

  lead(before, null);
  lead(after, null);
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  close.focus();
  show(tradeId);
}

function lineOf(line) {
  const stamped = STAMPED.exec(line);
  if (stamped === null) return element("li", { class: "figures" }, line);
  const [, day, clock, words] = stamped;
  return element("li", {}, element("time", { datetime: `${day}T${clock}Z`, title: `${day} ${clock} UTC` }, clock), element("span", {}, words));
}
