/** The events of a campaign in words: the newest as they come, older and sought ones from the server. */

import { campaignPath, get } from "./api.js";
import { element, keep, mark, say } from "./dom.js";
import { moment } from "./format.js";

const MOST = 200;
const PAGE = 100;
const TYPING_MS = 250;
const TONES = { warning: "warn", error: "bad" };

export class LogPanel {
  constructor(name, onTrade) {
    this.name = name;
    this.onTrade = onTrade;
    this.events = [];
    this.newest = 0;
    this.older = true;
    this.back = false;
    this.text = element("input", { type: "search", placeholder: "Find in events", "aria-label": "Find in events", autocomplete: "off", oninput: () => this.#soon() });
    this.level = element(
      "select",
      { "aria-label": "Which events", onchange: () => this.#search() },
      element("option", { value: "" }, "All events"),
      element("option", { value: "grave" }, "Warnings and errors"),
      element("option", { value: "told" }, "Without details"),
    );
    this.list = element("ol", { class: "log", tabindex: "0", "aria-label": "Events, newest first" });
    this.note = element("p", { class: "note", role: "status" });
    this.earlier = element("button", { type: "button", class: "quiet", onclick: () => this.#earlier() }, "Older events");
    this.latest = element("button", { type: "button", class: "quiet", hidden: true, onclick: () => this.#search() }, "Newest again");
    this.node = element(
      "section",
      { class: "card", "aria-label": "Events" },
      element("div", { class: "head" }, element("h2", {}, "Events"), element("div", { class: "tools" }, this.text, this.level)),
      this.list,
      element("div", { class: "below" }, this.note, this.latest, this.earlier),
    );
  }

  update(view) {
    const newest = view.log.reduce((most, event) => Math.max(most, event.seq), 0);
    if (this.back || newest <= this.newest) return;
    if (this.text.value.trim() !== "") {
      this.newest = newest;
      this.#soon();
      return;
    }
    this.newest = newest;
    this.#add(view.log);
    this.#draw();
  }

  close() {
    clearTimeout(this.timer);
    this.asked?.abort();
  }

  #add(events) {
    const known = new Map([...this.events, ...events].map((event) => [event.seq, event]));
    const sorted = [...known.values()].sort((one, other) => other.seq - one.seq);
    this.events = this.back ? sorted.slice(-MOST) : sorted.slice(0, MOST);
  }

  #soon() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#search(), TYPING_MS);
  }

  #search() {
    this.back = false;
    this.latest.hidden = true;
    return this.#ask("", true);
  }

  #earlier() {
    const last = this.events.at(-1);
    if (last === undefined) return;
    this.back = true;
    this.latest.hidden = false;
    return this.#ask(`&before=${last.seq}`, false);
  }

  async #ask(from, anew) {
    this.asked?.abort();
    this.asked = new AbortController();
    const { signal } = this.asked;
    try {
      const text = encodeURIComponent(this.text.value.trim());
      const page = await get(campaignPath(this.name, `/log?limit=${PAGE}&text=${text}${from}`), { signal });
      if (anew) this.events = [];
      this.older = page.older;
      this.#add(page.events);
      say(this.note, "");
    } catch (error) {
      if (error.name === "AbortError") return;
      say(this.note, `Events can't be had: ${error.message}`);
    }
    this.#draw();
  }

  #draw() {
    const wanted = {
      grave: (event) => event.level in TONES,
      told: (event) => event.level !== "detail",
    }[this.level.value];
    const events = wanted ? this.events.filter(wanted) : this.events;
    this.earlier.hidden = !this.older || this.events.length === 0;
    if (events.length === 0) say(this.note, this.text.value || wanted ? "No such event among these." : "No event yet.");
    else say(this.note, "");
    keep(this.list, events, { keyOf: (event) => event.seq, make: (event) => this.#line(event) });
  }

  #line(event) {
    const words = event.trade_id
      ? element("button", { type: "button", class: "link", onclick: () => this.onTrade(event.trade_id) }, event.text)
      : element("span", {}, event.text);
    const line = element(
      "li",
      {},
      element("time", { datetime: new Date(event.at_ms).toISOString(), title: `${moment(event.at_ms, { day: true })} UTC` }, moment(event.at_ms)),
      element("span", { class: "seq" }, String(event.seq)),
      words,
    );
    mark(line, "data-tone", TONES[event.level] ?? null);
    mark(line, "data-level", event.level);
    return line;
  }
}
