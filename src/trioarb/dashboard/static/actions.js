/** What a campaign can be told, each asked about once more, with a reason that its journal keeps. */

import { campaignPath, post } from "./api.js";
import { element, say } from "./dom.js";

const ACTIONS = {
  pause: ["Pause", "No entries from now on. Exits and hedges go on."],
  resume: ["Resume", "Lifts a pause or a flatten, and nothing else that denies entries."],
  flatten: ["Flatten", "Closes every position as soon as quotes allow, and makes no entry until it is resumed."],
  end: ["End", "The campaign ends in its usual order; positions are closed or kept as it is configured."],
  blacklist: ["Blacklist", "No entries of it; what it holds is closed."],
  unblacklist: ["Unblacklist", "Entries of it are allowed again."],
};
const OF_SYMBOL = new Set(["blacklist", "unblacklist"]);
const GRAVE = new Set(["flatten", "end"]);

export function actionLabel(action) {
  return ACTIONS[action][0];
}

/** A button that begins an action on `row()`, a campaign of the fleet. */
export function actionButton(action, row, { label = ACTIONS[action][0], symbol = null } = {}) {
  return element(
    "button",
    {
      type: "button",
      class: GRAVE.has(action) ? "danger" : null,
      "data-action": action,
      onclick: (event) => {
        event.stopPropagation();
        confirmAction(row(), [action], symbol);
      },
    },
    label,
  );
}

/** Ask which of `actions` to do, and why; do it, and show what the campaign said. */
export function confirmAction(row, actions, symbol = null) {
  const what = actions.length === 1 ? ACTIONS[actions[0]][0] : "Stop";
  const choices = actions.map((action, at) => choice(action, at === 0, actions.length === 1));
  const named = actions.some((action) => OF_SYMBOL.has(action))
    ? element("input", { name: "symbol", required: true, autocomplete: "off", spellcheck: "false", value: symbol })
    : null;
  const why = element("input", { name: "why", maxlength: "500", autocomplete: "off", placeholder: "The journal keeps it" });
  const answer = element("p", { role: "status", class: "answer" });
  const confirm = element("button", { type: "submit", class: actions.some((one) => GRAVE.has(one)) ? "danger" : "main" }, what);
  const cancel = element("button", { type: "button", onclick: () => dialog.close() }, "Cancel");
  const form = element(
    "form",
    {},
    element("h2", { id: "action-title" }, `${what}: ${row.name}`),
    element("fieldset", {}, element("legend", { class: "unseen" }, "What to do"), ...choices),
    named && element("label", {}, "Symbol", named),
    element("label", {}, "Why", why),
    answer,
    element("div", { class: "buttons" }, cancel, confirm),
  );
  const dialog = element("dialog", { "aria-labelledby": "action-title" }, form);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const action = form.elements.action.value;
    confirm.disabled = true;
    say(answer, "Telling it …");
    answer.removeAttribute("data-tone");
    try {
      const body = { action, why: why.value.trim(), symbol: OF_SYMBOL.has(action) ? named.value.trim() : null };
      const told = await post(campaignPath(row.name, "/actions"), body);
      answer.dataset.tone = "good";
      say(answer, told.said);
      confirm.hidden = true;
      say(cancel, "Close");
      cancel.focus();
    } catch (error) {
      answer.dataset.tone = "bad";
      say(answer, error.message);
      confirm.disabled = false;
    }
  });
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  if (named !== null && symbol === null) named.focus();
  else why.focus();
}

function choice(action, checked, only) {
  const field = element("input", { type: only ? "hidden" : "radio", name: "action", value: action, checked: !only && checked });
  if (only) return element("p", {}, field, ACTIONS[action][1]);
  const [label, text] = ACTIONS[action];
  return element("label", { class: "choice" }, field, element("span", {}, label, element("span", { class: "note" }, ` · ${text}`)));
}
