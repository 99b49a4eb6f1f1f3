/** Light or dark: what the system wants, until somebody switches. */

import { mark } from "./dom.js";

const KEY = "trioarb-theme";
const system = matchMedia("(prefers-color-scheme: dark)");
const followers = new Set();

/** Call `follower` whenever colours have changed; return what ends that. */
export function onThemeChange(follower) {
  followers.add(follower);
  return () => followers.delete(follower);
}

/** Return a colour of the style sheet, for what is painted and not styled. */
export function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

function chosen() {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null; // storage is denied: the system's wish holds
  }
}

function show(button, theme) {
  const dark = theme === "dark" || (theme === null && system.matches);
  mark(document.documentElement, "data-theme", dark ? "dark" : "light");
  mark(button, "aria-pressed", String(dark));
  for (const follower of followers) follower();
}

/** Follow the system, and the button that switches. */
export function startTheme(button) {
  show(button, chosen());
  system.addEventListener("change", () => show(button, chosen()));
  button.addEventListener("click", () => {
    const theme = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
    try {
      localStorage.setItem(KEY, theme);
    } catch {
      // It holds until the page is left.
    }
    show(button, theme);
  });
}
