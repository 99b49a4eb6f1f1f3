/** Which view is shown, and whether what it shows is new. */

import { Refusal, campaignPath, get, tokenAfter } from "./api.js";
import { CampaignView } from "./campaign.js";
import { CompareView } from "./compare.js";
import { element, mark, say } from "./dom.js";
import { FleetView } from "./fleet.js";
import { duration } from "./format.js";
import { Stream } from "./stream.js";
import { startTheme } from "./theme.js";
import { headers } from "./token.js";

const WORDS = {
  connecting: "Connecting",
  live: "Live",
  silent: "No news",
  lost: "Connection lost",
  refused: "Token refused",
};
const main = document.getElementById("main");
const trail = document.getElementById("trail");
const connection = document.getElementById("connection");
const trouble = document.getElementById("trouble");

let shown = null;
let stream = null;
let asked = null;
let newsAt = 0;
let state = "connecting";
let running = true;

/** Show `view`, in place of what was there. */
function mount(view, ...places) {
  shown?.close();
  shown = view;
  main.replaceChildren(view.node);
  trail.replaceChildren(...places.flatMap((place) => [element("span", { "aria-hidden": "true" }, "/ "), place]));
  document.title = places.length === 0 ? "trioarb" : `${places.join(" ")} · trioarb`;
}

function told(next) {
  state = next;
  mark(connection, "data-state", next);
  say(connection, WORDS[next]);
  age();
}

/** Say clearly when what is shown is old. */
function age() {
  const old = state !== "live" && state !== "connecting";
  trouble.hidden = !old;
  mark(document.body, "data-old", old);
  if (!old) return;
  const since = newsAt === 0 ? "" : ` What you see is ${duration(Math.floor((performance.now() - newsAt) / 1000))} old.`;
  const what = {
    silent: "The dashboard is connected but says nothing.",
    lost: "The connection to the dashboard is lost; trying again.",
    refused: "The dashboard refused the token.",
  }[state];
  say(trouble, what + since + (running ? " Campaigns go on without it." : ""));
}

/** Follow the events at `path`; `onNews(value)` gets each state. */
function follow(path, name, onNews) {
  stream = new Stream(path, {
    headers,
    onState: async (next) => {
      told(next);
      if (next !== "refused") return;
      if (await tokenAfter(new Refusal(401, "Looking needs the token."))) route();
    },
    onEvent: (event, value) => {
      if (event !== name) return;
      newsAt = performance.now();
      onNews(value);
    },
  });
}

async function showFleet() {
  const view = new FleetView({ onCompare: (a, b) => go("compare", a, b) });
  mount(view);
  follow("api/events", "fleet", (fleet) => view.update(fleet));
}

async function showCampaign(name, signal) {
  const first = await get(campaignPath(name), { signal });
  if (signal.aborted) return;
  const view = new CampaignView(name, first);
  mount(view, name);
  newsAt = performance.now();
  follow(campaignPath(name, "/events"), "view", (next) => {
    running = next.row.state === "running";
    view.update(next);
  });
}

async function showComparison(a, b) {
  mount(new CompareView(a, b), "compare");
  // The fleet's events tell whether the server lives.
  follow("api/events", "fleet", () => {});
}

function go(...parts) {
  location.hash = `#/${parts.map(encodeURIComponent).join("/")}`;
}

async function route() {
  stream?.close();
  asked?.abort();
  asked = new AbortController();
  const { signal } = asked;
  const [view = "", ...names] = location.hash.replace(/^#\/?/, "").split("/").map(decoded);
  told("connecting");
  try {
    if (view === "campaign" && names.length === 1) await showCampaign(names[0], signal);
    else if (view === "compare" && names.length === 2) await showComparison(...names);
    else await showFleet();
    main.focus({ preventScroll: true });
    scrollTo(0, 0);
  } catch (error) {
    if (error.name === "AbortError") return;
    failed(error);
  }
}

/** A part of the address, or itself where it is no such thing. */
function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

function failed(error) {
  const again = element("button", { type: "button", class: "main", onclick: () => route() }, "Try again");
  const back = element("a", { href: "#/" }, "All campaigns");
  const node = element("div", { class: "page" }, element("h1", {}, "This can't be shown"), element("p", {}, error.message), element("div", { class: "buttons" }, again, back));
  mount({ node, close: () => {} });
  if (!(error instanceof Refusal)) throw error;
  if (error.status === 0) told("lost");
  else follow("api/events", "fleet", () => {});
}

startTheme(document.getElementById("theme"));
addEventListener("hashchange", route);
setInterval(age, 1_000);
route();
