/** The dashboard's token: asked for once, kept until the tab is closed, and sent in a header only. */

import { element } from "./dom.js";

const KEY = "trioarb-token";
let token = stored();

function stored() {
  try {
    return sessionStorage.getItem(KEY) ?? "";
  } catch {
    return "";
  }
}

export function headers() {
  return token === "" ? {} : { Authorization: `Bearer ${token}` };
}

export function hasToken() {
  return token !== "";
}

function keepToken(value) {
  token = value;
  try {
    if (value === "") sessionStorage.removeItem(KEY);
    else sessionStorage.setItem(KEY, value);
  } catch {
    // Kept in memory, until the page is left.
  }
}

export function forgetToken() {
  keepToken("");
}

/** Ask for the token, saying `why`. Resolves to whether one was given. */
export function askToken(why) {
  return new Promise((resolve) => {
    const field = element("input", { type: "password", name: "token", required: true, autocomplete: "off", spellcheck: "false" });
    const form = element(
      "form",
      { method: "dialog" },
      element("h2", { id: "token-title" }, "Token"),
      element("p", { class: "note" }, why),
      element("label", {}, "The dashboard's token", field),
      element(
        "div",
        { class: "buttons" },
        element("button", { type: "button", onclick: () => dialog.close("") }, "Cancel"),
        element("button", { type: "submit", class: "main", value: "given" }, "Use it"),
      ),
    );
    const dialog = element("dialog", { "aria-labelledby": "token-title" }, form);
    dialog.addEventListener("close", () => {
      const given = dialog.returnValue === "given" && field.value !== "";
      if (given) keepToken(field.value.trim());
      dialog.remove();
      resolve(given);
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}
