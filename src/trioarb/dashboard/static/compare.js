/** Two campaigns beside each other. */

import { get } from "./api.js";
import { Chart } from "./chart.js";
import { element, say } from "./dom.js";
import { healthOf } from "./fleet.js";
import { duration, ticked, usd } from "./format.js";
import { columnsOf, inWords } from "./history.js";
import { card } from "./panels.js";
import { Table } from "./table.js";

const AGAIN_MS = 5_000;

export class CompareView {
  constructor(a, b) {
    this.names = [a, b];
    this.problem = element("p", { class: "note", role: "status" }, "Reading both journals …");
    this.chart = new Chart({
      title: "PnL with what is open at its marks",
      format: (value) => usd(value),
      tick: ticked("USD"),
      colours: ["line-1", "line-2"],
      height: 260,
      clock: (seconds) => duration(seconds),
      clockLabel: "since its beginning",
    });
    this.figures = this.#table("Figures", "What");
    this.settings = this.#table("Settings that differ", "Key");
    this.node = element(
      "div",
      { class: "page" },
      element("h1", {}, `${a} and ${b}`),
      this.problem,
      card("PnL with what is open at its marks, from its own beginning", this.chart.node),
      card("Figures", this.figures.node),
      card("Settings that differ", this.settings.node),
    );
    this.#refresh();
  }

  close() {
    this.closed = true;
    clearTimeout(this.timer);
    this.chart.close();
  }

  #table(caption, what) {
    const [a, b] = this.names;
    const value = (one, text) => (one.unit === "USD" ? usd(text) : one.unit && text !== "" ? `${text} ${one.unit}` : text);
    return new Table({
      caption,
      empty: "None.",
      keyOf: (one) => one.what,
      step: 100,
      columns: [
        { label: what, text: (one) => one.what },
        { label: a, numeric: true, text: (one) => value(one, one.a) },
        { label: b, numeric: true, text: (one) => value(one, one.b) },
      ],
    });
  }

  async #refresh() {
    const [a, b] = this.names.map(encodeURIComponent);
    try {
      const both = await get(`api/compare?a=${a}&b=${b}`);
      if (this.closed) return;
      say(this.problem, [both.a, both.b].map((row) => `${row.name}: ${healthOf(row).word}`).join(" · "));
      this.figures.update(both.figures);
      this.settings.update(both.settings);
      const names = both.series.map((series) => both[series.name]?.name ?? series.name);
      const words = both.series.map((series, at) => `${names[at]}: ${inWords(series, usd)}`).join(". ");
      this.chart.update(names, columnsOf(both.series), words || "Nothing measured yet.");
    } catch (error) {
      say(this.problem, error.message);
    }
    if (!this.closed) this.timer = setTimeout(() => this.#refresh(), AGAIN_MS);
  }
}
