/** Parts of a campaign's page that are bars, tiles and short lists. */

import { actionButton } from "./actions.js";
import { element, keep, mark, say } from "./dom.js";
import { healthOf, tile } from "./fleet.js";
import { NONE, bps, duration, exact, figure, micros, plural, share, tone, usd } from "./format.js";

const NEAR = 0.8;
const MOST_LIMITS = 12;

/** A card with a heading. */
export function card(title, ...children) {
  return element("section", { class: "card", "aria-label": title }, element("h2", {}, title), ...children);
}

/** A bar from 0 to 1, with its words. */
function bar(label) {
  const fill = element("div", { class: "fill" });
  const node = element("div", { class: "bar", role: "meter", "aria-label": label, "aria-valuemin": "0", "aria-valuemax": "100" }, fill);
  return {
    node,
    show(part, how, words) {
      const percent = Math.min(100, Math.max(0, (part ?? 0) * 100));
      fill.style.width = `${percent}%`;
      mark(node, "aria-valuenow", Math.round(percent));
      mark(node, "aria-valuetext", words);
      mark(node, "data-tone", how);
    },
  };
}

/** Name, phase, time, and what it can be told. */
export class HeadPanel {
  constructor(name) {
    this.row = { name };
    this.health = element("span", { class: "chip" });
    this.about = element("span", { class: "note" });
    this.time = element("p", { class: "note" });
    this.progress = bar("Time of the run that has passed");
    const row = () => this.row;
    this.buttons = ["pause", "resume", "flatten", "blacklist", "end"].map((action) => actionButton(action, row));
    this.tools = element("div", { class: "buttons", role: "group", "aria-label": "Tell the campaign" }, ...this.buttons);
    this.held = element("ul", { class: "held" });
    this.node = element(
      "header",
      { class: "campaign-head" },
      element("div", {}, element("h1", {}, name), element("p", { class: "chips" }, this.health, this.about)),
      element("div", { class: "passed" }, this.time, this.progress.node),
      this.tools,
      this.held,
    );
  }

  update(view) {
    const { row, control } = view;
    this.row = row;
    const { tone: how, word } = healthOf(row);
    say(this.health, word);
    mark(this.health, "data-tone", how);
    const about = row.state === "ended" ? [`ended by ${row.ended_by}`] : [row.phase];
    say(this.about, [...about, row.mode, row.env, `${row.clock} clock`, row.venues.join(" + ")].filter(Boolean).join(" · "));
    const elapsed = view.elapsed_seconds;
    const left = row.state === "running" ? view.left_seconds : null;
    const words = left === null ? `ran ${duration(elapsed)}` : `${duration(left)} left, ran ${duration(elapsed)}`;
    say(this.time, elapsed === null ? "" : words);
    this.progress.node.hidden = left === null || elapsed === null;
    if (left !== null && elapsed !== null) this.progress.show(elapsed / Math.max(elapsed + left, 1e-9), null, words);
    this.tools.hidden = row.state !== "running";
    for (const button of this.buttons) {
      if (button.dataset.action === "pause") button.hidden = row.paused;
      if (button.dataset.action === "resume") button.hidden = !row.paused && !control.flattening;
    }
    keep(this.held, heldBy(view), { keyOf: (text) => text, make: (text) => element("li", {}, text) });
    this.held.hidden = this.held.childElementCount === 0;
  }
}

/** Rules that are people's commands, which are shown as such. */
const TOLD = new Set(["paused", "blacklisted"]);

/** Why entries aren't made, and what people have set. */
function heldBy({ control, row, live }) {
  const held = [];
  if (row.state === "running" && !live) held.push("It doesn’t answer: what is shown is what its journal says; edges, ages and latencies are absent.");
  if (row.problem) held.push(row.problem);
  if (control.paused) held.push(`Paused: ${control.paused}`);
  if (control.flattening) held.push("Flattening: every position is being closed.");
  for (const denial of control.denials.slice(0, 10)) {
    if (TOLD.has(denial.rule)) continue;
    const where = [denial.venue && `at ${denial.venue}`, denial.symbol && `of ${denial.symbol}`].filter(Boolean).join(" ");
    held.push(`No entries${where ? ` ${where}` : ""}: ${denial.reason} (${denial.rule})`);
  }
  if (control.blacklisted.length > 0) held.push(`Blacklisted: ${control.blacklisted.slice(0, 20).join(", ")}`);
  const set = Object.entries(control.settings).map(([key, value]) => `${key} = ${value}`);
  if (set.length > 0) held.push(`Set while it ran: ${set.join(", ")}`);
  return [...new Set(held)];
}

/** The first figures. */
export class MoneyTiles {
  constructor() {
    this.equity = tile("Equity change");
    this.pnl = tile("Realised PnL");
    this.drawdown = tile("Drawdown of PnL");
    this.exposure = tile("Exposure");
    this.fees = tile("Fees");
    this.trades = tile("Trades closed");
    this.latency = tile("Quote to decision in");
    const tiles = [this.equity, this.pnl, this.drawdown, this.exposure, this.fees, this.trades, this.latency];
    this.node = element("section", { class: "tiles", "aria-label": "Figures" }, ...tiles.map((one) => one.node));
  }

  update(view) {
    const { money, row } = view;
    const stage = view.latency.find((one) => one.stage === "decide") ?? view.latency[0];
    this.trades.show(
      figure(row.closed_trades),
      null,
      row.closed_trades > 0 ? `${figure(row.won_trades)} won, ${plural(row.open_positions, "open position")}` : plural(row.open_positions, "open position"),
    );
    this.latency.node.hidden = stage === undefined;
    if (stage) this.latency.show(micros(stage.p50_us), null, `half of them; 99 of 100 in ${micros(stage.p99_us)}`);
    if (money === null) return;
    const plus = { sign: true };
    this.equity.show(usd(money.equity_change, plus), tone(money.equity_change), money.return_bps === null ? "of all that is held" : `of all that is held; ${bps(money.return_bps, plus)} of what it began with`);
    this.pnl.show(usd(money.pnl_usd, plus), tone(money.pnl_usd), money.unrealised_usd === null ? "" : `${usd(money.unrealised_usd, plus)} unrealised`);
    this.drawdown.show(usd(money.drawdown_usd), null, money.drawdown_now_usd === null ? "" : `with what is open, at its marks; ${usd(money.drawdown_now_usd)} below its highest now`);
    this.exposure.show(usd(money.exposure_usd), null, money.peak_exposure_usd === null ? "" : `at most ${usd(money.peak_exposure_usd)}`);
    this.fees.show(usd(money.fees_usd), null, `${usd(money.daily_loss_usd)} lost today`);
  }
}

/** What equity is the sum of. */
export class EquityParts {
  constructor() {
    this.list = element("dl", { class: "pairs" });
    this.unpriced = element("p", { class: "note" });
    this.node = card("What equity changed by", this.list, this.unpriced);
  }

  update(view) {
    const { money } = view;
    this.node.hidden = money === null || money.equity_change === null;
    if (this.node.hidden) return;
    const parts = [
      ["Arbitrage", money.arbitrage],
      ["Inventory", money.inventory],
      ["Fees", money.equity_fees],
      ["Funding and borrowing", money.funding],
      ["Residuals and dust", money.residuals],
      ["FX", money.fx],
      ["Sum", money.equity_change],
    ].filter(([, amount]) => amount !== null);
    keep(this.list, parts, {
      keyOf: ([name]) => name,
      make: ([name]) => element("div", {}, element("dt", {}, name), element("dd", {})),
      update: (node, [, amount]) => {
        say(node.lastElementChild, usd(amount, { sign: true }));
        mark(node.lastElementChild, "data-tone", tone(amount));
      },
    });
    say(this.unpriced, money.unpriced.length > 0 ? `Without what has no price: ${money.unpriced.slice(0, 10).join(", ")}` : "");
  }
}

function inUnit(value, unit) {
  if (unit === "USD") return usd(value);
  if (unit === "bps") return bps(value);
  if (unit === "s") return duration(value);
  return figure(value, { digits: Number.isInteger(value) ? 0 : 2 });
}

/** How near guards are to their limits, the nearest first. */
export class LimitBars {
  constructor() {
    this.list = element("ul", { class: "bars" });
    this.more = element("p", { class: "note" });
    this.node = card("Guards’ head-room", this.list, this.more);
  }

  update(view) {
    const nearest = [...view.limits].sort((one, other) => other.share - one.share).slice(0, MOST_LIMITS);
    keep(this.list, nearest, {
      keyOf: (limit) => `${limit.tier} ${limit.rule} ${limit.scope}`,
      make: (limit) => {
        const name = `${limit.rule.replace(/_(usd|bps|seconds)$/, "").replaceAll("_", " ")}${limit.scope ? `, ${limit.scope}` : ""}`;
        const line = bar(name);
        const node = element(
          "li",
          {},
          element("p", {}, element("span", {}, name, element("span", { class: "note" }, ` · ${limit.tier}`)), element("span", { class: "amount" })),
          line.node,
        );
        node.line_ = line;
        return node;
      },
      update: (node, limit) => {
        const words = `${inUnit(limit.value, limit.unit)} of ${inUnit(limit.limit, limit.unit)}`;
        say(node.querySelector(".amount"), words);
        node.line_.show(limit.share, limit.share >= 1 ? "bad" : limit.share >= NEAR ? "warn" : "good", words);
      },
    });
    const left = view.limits.length - nearest.length;
    say(this.more, view.limits.length === 0 ? "No guard has a limit that is measured." : left > 0 ? `${plural(left, "other")} further away.` : "");
  }
}

/** From quotes to closed trades, and why no more of them. */
export class FunnelPanel {
  constructor() {
    this.sentence = element("p", { class: "why" });
    this.list = element("ol", { class: "bars" });
    this.reasons = element("ul", { class: "reasons" });
    this.node = card("Funnel: why no trade", this.sentence, this.list, this.reasons);
  }

  update(view) {
    const { steps, reasons, sentence } = view.funnel;
    const most = Math.max(1, ...steps.map((step) => step.count));
    // Steps differ by powers of ten: bars of their logarithms keep the small ones visible.
    const part = (count) => (count > 0 ? (Math.log10(count) + 0.3) / (Math.log10(most) + 0.3) : 0);
    say(this.sentence, sentence);
    this.sentence.hidden = sentence === "";
    keep(this.list, steps, {
      keyOf: (step) => step.step,
      make: (step) => {
        const name = step.step.replaceAll("_", " ");
        const line = bar(name);
        const node = element("li", {}, element("p", {}, element("span", {}, name), element("span", { class: "amount" })), line.node);
        node.line_ = line;
        return node;
      },
      update: (node, step) => {
        // Steps are counted at other moments than events: a step may be ahead of the one before.
        const words = `${figure(step.count)}${step.share === null || step.share > 1 ? "" : ` · ${share(step.share)}`}`;
        say(node.querySelector(".amount"), words);
        node.line_.show(part(step.count), null, words);
      },
    });
    keep(this.reasons, reasons.slice(0, 12), {
      keyOf: (reason) => `${reason.step} ${reason.reason}`,
      make: (reason) => element("li", {}, element("span", {}, reason.reason), element("span", { class: "amount" })),
      update: (node, reason) => {
        const against = reason.limit ? ` (${reason.value || NONE} against ${reason.limit})` : "";
        say(node.lastElementChild, `${figure(reason.count)} ×${against}`);
      },
    });
  }
}

/** Rates between quote assets, and how far apart venues stand. */
export class FxPanel {
  constructor() {
    this.rates = element("dl", { class: "pairs" });
    this.premiums = element("dl", { class: "pairs" });
    this.node = card("FX and premium", this.rates, this.premiums);
  }

  update(view) {
    this.node.hidden = view.fx.length === 0 && view.premiums.length === 0;
    keep(this.rates, view.fx, {
      keyOf: (rate) => `${rate.asset} ${rate.common}`,
      make: (rate) => element("div", {}, element("dt", {}, `${rate.asset} in ${rate.common}`), element("dd", {})),
      update: (node, rate) => {
        const age = rate.age_seconds === null ? "" : `, ${duration(rate.age_seconds)} old`;
        const held = rate.exposure_usd === null ? "" : `, holding ${usd(rate.exposure_usd)}`;
        const price = rate.bid === null ? NONE : `${exact(rate.bid)} bid, ${exact(rate.ask)} ask`;
        say(node.lastElementChild, `${price} · ${rate.state}${age}${held}`);
        mark(node.lastElementChild, "data-tone", rate.state === "good" || rate.state === "constant" ? null : "warn");
      },
    });
    keep(this.premiums, view.premiums, {
      keyOf: (premium) => premium.place,
      make: (premium) => element("div", {}, element("dt", {}, `Premium ${premium.place}`), element("dd", {})),
      update: (node, premium) => {
        const range = `from ${bps(premium.least_bps)} to ${bps(premium.most_bps)}, mean ${bps(premium.mean_bps)}`;
        say(node.lastElementChild, `${bps(premium.last_bps, { sign: true })} now · ${range}`);
      },
    });
  }
}

/** What holds for the whole run. */
export class NotesPanel {
  constructor() {
    this.list = element("ul", { class: "plain" });
    this.of = element("p", { class: "note" });
    this.node = card("About this run", this.list, this.of);
  }

  update(view) {
    keep(this.list, view.notes.slice(0, 30), { keyOf: (note) => note, make: (note) => element("li", {}, note) });
    const parts = [
      `trioarb ${view.version}`,
      view.seed === null ? "" : `seed ${view.seed}`,
      view.config_digest ? `configuration ${view.config_digest.slice(0, 12)}` : "",
      view.head ? `head ${view.head.slice(0, 24)}` : "",
      view.resumed > 0 ? `resumed ${plural(view.resumed, "time")}` : "",
      view.row.path,
    ];
    say(this.of, parts.filter(Boolean).join(" · "));
  }
}
