/** Charts over time: what the server remembers, and what has come since. */

import { campaignPath, get } from "./api.js";
import { Chart } from "./chart.js";
import { element, keep, say } from "./dom.js";
import { bps, ticked, usd } from "./format.js";

/** So many points a line keeps; beyond, every second of the older half goes. */
const MOST_POINTS = 4_000;
const LEAST_STEP_MS = 900;
const MOST_ROUTES = 8;
/** Others are chosen by a click in the table of symbols. */
const MOST_CHOICES = 100;
const COLOURS = ["line-1", "line-2", "line-3", "line-4", "line-5", "line-6", "line-7", "line-8"];

/** One line: times in milliseconds, and values. */
class Line {
  constructor({ at_ms = [], values = [] } = {}) {
    this.at_ms = [...at_ms];
    this.values = [...values];
  }

  add(at_ms, value) {
    const last = this.at_ms.at(-1);
    if (last !== undefined && at_ms - last < LEAST_STEP_MS) return;
    this.at_ms.push(at_ms);
    this.values.push(value);
    if (this.at_ms.length <= MOST_POINTS) return;
    const half = this.at_ms.length / 2;
    const kept = (_, at) => at >= half || at % 2 === 0;
    this.at_ms = this.at_ms.filter(kept);
    this.values = this.values.filter(kept);
  }
}

/** Lines of different times as uPlot's columns: one of all times in seconds, one a line, absent where it has none. */
export function columnsOf(lines) {
  const times = [...new Set(lines.flatMap((line) => line.at_ms))].sort((one, other) => one - other);
  const place = new Map(times.map((time, at) => [time, at]));
  const columns = lines.map((line) => {
    const column = new Array(times.length).fill(undefined);
    line.at_ms.forEach((time, at) => (column[place.get(time)] = line.values[at]));
    return column;
  });
  return [times.map((time) => time / 1000), ...columns];
}

/** The last, least and greatest of a line in words. */
export function inWords(line, format) {
  const values = line.values.filter((value) => value !== null && value !== undefined);
  if (values.length === 0) return "nothing measured yet";
  let [low, high] = [values[0], values[0]];
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return `now ${format(values.at(-1))}, lowest ${format(low)}, highest ${format(high)}`;
}

const number = (text) => (text === null || text === undefined ? null : Number(text));

/** Where a chart's newest point comes from, by the name of its series. */
const NOW = {
  equity: (money) => number(money.equity_change),
  pnl: (money) => number(money.pnl_usd),
  drawdown: (money) => number(money.drawdown_now_usd),
  exposure: (money) => number(money.exposure_usd),
};
const TITLES = { equity: "Equity change", pnl: "Realised PnL", drawdown: "Drawdown of PnL", exposure: "Exposure" };

export class MoneyCharts {
  constructor() {
    this.lines = new Map();
    this.earned = new Chart({ title: "Equity change and realised PnL", format: (value) => usd(value), tick: ticked("USD"), colours: COLOURS, height: 220, sync: "money" });
    this.drawdown = new Chart({ title: "Drawdown of PnL", format: (value) => usd(value), tick: ticked("USD"), colours: ["line-5"], height: 110, fill: true, sync: "money" });
    this.node = element(
      "section",
      { class: "card", "aria-label": "Equity and drawdown" },
      element("h2", {}, "Equity change and realised PnL"),
      this.earned.node,
      element("p", { class: "note" }, "Equity is all that is held, at prices it could be traded away at."),
      element("h2", {}, "Drawdown of PnL"),
      this.drawdown.node,
      element("p", { class: "note" }, "How far realised PnL and open positions, at their recorded marks, are below their highest together."),
    );
  }

  start(view) {
    this.lines = new Map(view.series.map((series) => [series.name, new Line(series)]));
    this.#draw();
  }

  update(view) {
    if (view.money !== null && view.row.state === "running") {
      for (const [name, now] of Object.entries(NOW)) {
        const value = now(view.money);
        if (value === null) continue;
        if (!this.lines.has(name)) this.lines.set(name, new Line());
        this.lines.get(name).add(view.at_ms, value);
      }
    }
    this.#draw();
  }

  close() {
    this.earned.close();
    this.drawdown.close();
  }

  #draw() {
    this.#show(this.earned, ["equity", "pnl"]);
    this.#show(this.drawdown, ["drawdown"]);
  }

  #show(chart, wanted) {
    const names = wanted.filter((name) => this.lines.has(name));
    const lines = names.map((name) => this.lines.get(name));
    const words = names.map((name, at) => `${TITLES[name]}: ${inWords(lines[at], usd)}`);
    chart.update(names.map((name) => TITLES[name]), columnsOf(lines), words.join(". ") || "Nothing measured yet.");
  }
}

/** Edges of one symbol's routes; which symbol is chosen. */
export class EdgeChart {
  constructor(name) {
    this.name = name;
    this.symbol = null;
    this.lines = new Map();
    this.choice = element("select", { "aria-label": "Symbol whose edges are shown", onchange: () => this.#choose(this.choice.value) });
    this.chart = new Chart({ title: "Edges", format: (value) => bps(value), tick: ticked("bps"), colours: COLOURS, height: 220 });
    this.problem = element("p", { class: "note", role: "status" });
    this.node = element(
      "section",
      { class: "card", "aria-label": "Edges by route" },
      element("div", { class: "head" }, element("h2", {}, "Edges by route, after fees"), this.choice),
      this.chart.node,
      this.problem,
    );
  }

  /** Show another symbol. */
  show(symbol) {
    this.choice.value = symbol;
    return this.#choose(symbol);
  }

  update(view) {
    const symbols = view.symbols.slice(0, MOST_CHOICES).map((row) => row.symbol);
    if (this.symbol !== null && !symbols.includes(this.symbol)) symbols.unshift(this.symbol);
    keep(this.choice, symbols, { keyOf: (symbol) => symbol, make: (symbol) => element("option", { value: symbol }, symbol) });
    if (this.symbol === null) {
      if (symbols.length > 0) this.show(symbols[0]);
      return;
    }
    this.choice.value = this.symbol;
    if (!view.live) return;
    for (const route of view.routes) {
      if (route.symbol !== this.symbol) continue;
      const name = `${route.buy_venue}>${route.sell_venue}`;
      if (!this.lines.has(name)) this.lines.set(name, new Line());
      this.lines.get(name).add(view.at_ms, route.edge_bps);
    }
    this.#draw();
  }

  close() {
    this.chart.close();
  }

  async #choose(symbol) {
    this.symbol = symbol;
    this.lines = new Map();
    say(this.problem, "");
    try {
      const edges = await get(campaignPath(this.name, `/edges?symbol=${encodeURIComponent(symbol)}`));
      if (this.symbol !== symbol) return;
      const since = this.lines;
      this.lines = new Map(edges.series.map((series) => [series.name, new Line(series)]));
      for (const [name, line] of since) {
        const known = this.lines.get(name) ?? new Line();
        line.at_ms.forEach((at_ms, at) => known.add(at_ms, line.values[at]));
        this.lines.set(name, known);
      }
    } catch (error) {
      say(this.problem, `Earlier edges can't be had: ${error.message}`);
    }
    this.#draw();
  }

  #draw() {
    const last = (line) => line.values.at(-1) ?? -Infinity;
    const best = [...this.lines].sort(([, one], [, other]) => last(other) - last(one)).slice(0, MOST_ROUTES);
    const drawn = best.sort(([one], [other]) => (one < other ? -1 : 1));
    const words = drawn.map(([name, line]) => `${name.replace(">", " → ")}: ${inWords(line, bps)}`);
    const more = this.lines.size > drawn.length ? `. The best ${drawn.length} of ${this.lines.size} routes` : "";
    this.chart.update(
      drawn.map(([name]) => name.replace(">", " → ")),
      columnsOf(drawn.map(([, line]) => line)),
      (words.join(". ") || "Nothing measured yet") + more + ".",
    );
  }
}
