/** A chart of series over time: uPlot, in our colours, with its figures in words for who can't see it. */

import { element, say } from "./dom.js";
import { colour, onThemeChange } from "./theme.js";

const AXIS_FONT = "12px system-ui, sans-serif";

function utc(seconds, step) {
  const iso = new Date(seconds * 1000).toISOString();
  if (step >= 86400) return iso.slice(5, 10);
  return step < 60 ? iso.slice(11, 19) : iso.slice(11, 16);
}

export class Chart {
  /**
   * `series`: what each line is called; `colours`: names of the style sheet's colours, one a line, from the first
   * again when they are used up. `format(value)` has the unit, and so has `tick(value, step)`, of values `step` apart. `fill`: the first line down to zero. `height` in pixels.
   * `clock(seconds, step)` writes a time, which is called `clockLabel`; charts of one `sync` share their cursor.
   */
  constructor({ title, format, tick, colours, height = 200, fill = false, sync = null, clock = utc, clockLabel = "UTC" }) {
    this.clock = clock;
    this.clockLabel = clockLabel;
    this.format = format;
    this.tick = tick;
    this.colours = colours;
    this.fill = fill;
    this.height = height;
    this.sync = sync;
    this.title = title;
    this.names = [];
    this.plot = null;
    this.data = null;
    this.canvas = element("div", { class: "chart", role: "img" });
    this.words = element("figcaption", { class: "chart-words" });
    this.node = element("figure", { class: "figure" }, this.canvas, this.words);
    this.sizes = new ResizeObserver(() => this.#fit());
    this.sizes.observe(this.canvas);
    this.unfollow = onThemeChange(() => this.#rebuild());
  }

  /** Show `columns`: seconds, then one column a name; `null` where nothing was measured. `words` say it in short. */
  update(names, columns, words) {
    const same = names.length === this.names.length && names.every((name, at) => name === this.names[at]);
    this.names = names;
    this.data = columns;
    say(this.words, words);
    this.canvas.setAttribute("aria-label", `${this.title}: ${words}`);
    if (this.plot === null || !same) this.#rebuild();
    else this.plot.setData(columns);
  }

  close() {
    this.sizes.disconnect();
    this.unfollow();
    this.#drop();
  }

  #drop() {
    if (this.plot !== null) this.plot.destroy();
    this.plot = null;
  }

  #fit() {
    const width = Math.floor(this.canvas.clientWidth);
    if (width === 0 || this.data === null) return;
    if (this.plot === null) this.#rebuild();
    else if (this.plot.width !== width) this.plot.setSize({ width, height: this.height });
  }

  #rebuild() {
    this.#drop();
    const width = Math.floor(this.canvas.clientWidth);
    if (width === 0 || this.data === null) return;
    const axis = { stroke: colour("muted"), font: AXIS_FONT, grid: { stroke: colour("line"), width: 1 }, ticks: { show: false } };
    const lines = this.names.map((name, at) => {
      const stroke = colour(this.colours[at % this.colours.length]);
      return {
        label: name,
        stroke,
        width: 1.5,
        spanGaps: false,
        points: { show: false },
        fill: this.fill && at === 0 ? `${stroke}22` : undefined,
        value: (_, value) => this.format(value),
      };
    });
    this.plot = new window.uPlot(
      {
        width,
        height: this.height,
        padding: [8, 12, 0, 0],
        tzDate: (seconds) => window.uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
        cursor: { drag: { x: true, y: false }, sync: this.sync === null ? undefined : { key: this.sync } },
        legend: { live: true },
        scales: { y: { range: (_, low, high) => around(low, high) } },
        series: [{ label: this.clockLabel, value: (_, value) => (value === null ? "–" : this.clock(value, 1)) }, ...lines],
        axes: [
          { ...axis, size: 30, space: 76, values: (_, splits, __, ___, step) => splits.map((at) => this.clock(at, step)) },
          { ...axis, space: 26, size: (_, texts) => broadest(texts), values: (_, splits, __, ___, step) => splits.map((value) => this.tick(value, step)) },
        ],
      },
      this.data,
      this.canvas,
    );
  }
}

/** The room that an axis needs for its texts, in pixels. */
function broadest(texts) {
  return 18 + 6.6 * Math.max(4, ...(texts ?? []).map((text) => text.length));
}

/** Leave room above and below, also around a line that is flat. */
function around(low, high) {
  if (low === null || high === null) return [-1, 1];
  const room = (high - low) * 0.08 || Math.abs(high) * 0.02 || 1;
  return [low - room, high + room];
}
