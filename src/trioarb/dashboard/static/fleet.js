/** All campaigns, one row each: is it healthy, does it earn, and a button that stops it. */

import { confirmAction } from "./actions.js";
import { element, keep, mark, say } from "./dom.js";
import { NONE, figure, moment, plural, tone, usd } from "./format.js";
import { verdictTone } from "./verdict.js";

const STEP = 30;
const MOST = 300;

/** What a campaign's row comes to: a tone and a word or two. */
export function healthOf(row) {
  if (row.state === "folding") return { tone: null, word: `Reading ${Math.round(row.folded * 100)} %` };
  if (row.state === "running") {
    if (!row.answers) return { tone: "bad", word: "Doesn’t answer" };
    if (row.residuals > 0) return { tone: "warn", word: "Residuals" };
    if (row.warnings.length > 0) return { tone: "warn", word: "Warnings" };
    if (row.paused) return { tone: "warn", word: "Paused" };
    return { tone: "good", word: "Healthy" };
  }
  if (row.state === "ended") {
    if (row.exit_code === 0 || row.exit_code === null) return { tone: null, word: "Ended" };
    return { tone: "bad", word: `Ended, exit code ${row.exit_code}` };
  }
  return { tone: "bad", word: row.state === "" ? "Unknown" : row.state[0].toUpperCase() + row.state.slice(1) };
}

/** What the row is about now, in a few words. */
export function standing(row) {
  if (row.problem) return row.problem;
  if (row.state === "ended") return `ended by ${row.ended_by ?? "nobody knows"}`;
  return [row.phase, row.paused ? "paused" : "", row.mode, row.env].filter(Boolean).join(" · ");
}

export class FleetView {
  constructor({ onCompare }) {
    this.onCompare = onCompare;
    this.compared = [];
    this.shown = STEP;
    this.sought = "";
    this.campaigns = [];
    this.health = tile("Healthy");
    this.wrong = tile("Need a look");
    this.earned = tile("PnL of what runs");
    this.exposed = tile("Exposure of what runs");
    this.list = element("ul", { class: "fleet" });
    this.note = element("p", { class: "note", role: "status" });
    this.more = element("button", { type: "button", class: "quiet", onclick: () => this.#showMore() }, "Show more");
    this.compare = element("button", { type: "button", disabled: true, onclick: () => onCompare(...this.compared) }, "Compare");
    const field = element("input", {
      type: "search",
      placeholder: "Find a campaign",
      "aria-label": "Find a campaign",
      autocomplete: "off",
      oninput: () => {
        this.sought = field.value.trim().toLowerCase();
        this.#draw();
      },
    });
    this.node = element(
      "div",
      { class: "page" },
      element("h1", {}, "Campaigns"),
      element("div", { class: "tiles" }, this.health.node, this.wrong.node, this.earned.node, this.exposed.node),
      element("div", { class: "tools" }, field, this.compare),
      this.list,
      element("div", { class: "below" }, this.note, this.more),
    );
  }

  update(fleet) {
    this.campaigns = fleet.campaigns;
    const running = fleet.campaigns.filter((row) => row.state === "running");
    const healthy = running.filter((row) => healthOf(row).tone === "good");
    const wrong = fleet.campaigns.filter((row) => ["warn", "bad"].includes(healthOf(row).tone));
    const sum = (name) => (running.length === 0 ? null : running.reduce((all, row) => all + Number(row[name] ?? 0), 0));
    this.health.show(`${healthy.length} of ${running.length} running`, running.length > 0 && healthy.length === running.length ? "good" : null);
    this.wrong.show(figure(wrong.length), wrong.some((row) => healthOf(row).tone === "bad") ? "bad" : wrong.length > 0 ? "warn" : null);
    this.earned.show(usd(sum("pnl_usd"), { sign: true }), tone(sum("pnl_usd")));
    this.exposed.show(usd(sum("exposure_usd")));
    this.#draw();
  }

  close() {}

  #draw() {
    const chosen = this.campaigns.filter((row) => {
      const texts = [row.name, row.campaign_id, row.path, row.state, row.mode, row.env, ...row.venues];
      return texts.some((text) => text.toLowerCase().includes(this.sought));
    });
    const visible = chosen.slice(0, this.shown);
    keep(this.list, visible, {
      keyOf: (row) => row.name,
      make: (row) => this.#make(row),
      update: (node, row) => node.show_(row),
    });
    const none = this.sought ? "No such campaign." : "No campaign yet: start one with trioarb run, and it appears here.";
    say(this.note, chosen.length === 0 ? none : visible.length < chosen.length ? `${visible.length} of ${figure(chosen.length)} shown` : "");
    this.more.hidden = visible.length >= Math.min(chosen.length, MOST);
  }

  #showMore() {
    this.shown = Math.min(this.shown * 2, MOST);
    this.#draw();
  }

  #choose(name, chosen) {
    this.compared = this.compared.filter((other) => other !== name);
    if (chosen) this.compared = [...this.compared, name].slice(-2);
    this.compare.disabled = this.compared.length !== 2;
    for (const box of this.list.querySelectorAll("input[type=checkbox]")) box.checked = this.compared.includes(box.value);
  }

  #make(first) {
    let now = first;
    const health = element("span", { class: "chip" });
    const about = element("p", { class: "note" });
    const verdict = element("span", { class: "chip" });
    const last = element("p", { class: "last" });
    const warnings = element("p", { class: "last", "data-tone": "warn" });
    const figures = {
      pnl: labelled("PnL"),
      equity: labelled("Equity change"),
      exposure: labelled("Exposure"),
      drawdown: labelled("Drawdown of PnL"),
      trades: labelled("Trades won"),
      open: labelled("Open"),
    };
    const box = element("input", {
      type: "checkbox",
      value: first.name,
      "aria-label": `Compare ${first.name}`,
      onchange: () => this.#choose(first.name, box.checked),
    });
    const stop = element(
      "button",
      { type: "button", class: "danger", "aria-label": `Stop ${first.name}`, onclick: () => confirmAction(now, ["end", "flatten", "pause"]) },
      "Stop",
    );
    const node = element(
      "li",
      { class: "campaign" },
      element("div", { class: "pick" }, box),
      element(
        "div",
        { class: "name" },
        element("a", { href: `#/campaign/${encodeURIComponent(first.name)}` }, first.name),
        about,
      ),
      element("div", { class: "state" }, health, verdict),
      element("div", { class: "figures-of" }, ...Object.values(figures).map((one) => one.node)),
      element("div", { class: "stop" }, stop),
      element("div", { class: "told" }, warnings, last),
    );
    node.show_ = (row) => {
      now = row;
      const { tone: how, word } = healthOf(row);
      mark(node, "data-health", how ?? "none");
      mark(health, "data-tone", how);
      say(health, word);
      say(about, standing(row));
      say(verdict, row.verdict ?? "");
      verdict.hidden = !row.verdict;
      mark(verdict, "data-tone", verdictTone(row.verdict));
      figures.pnl.show(usd(row.pnl_usd, { sign: true }), tone(row.pnl_usd));
      figures.equity.show(usd(row.equity_change_usd, { sign: true }), tone(row.equity_change_usd));
      figures.exposure.show(usd(row.exposure_usd));
      figures.drawdown.show(usd(row.drawdown_usd));
      figures.trades.show(row.closed_trades > 0 ? `${figure(row.won_trades)} of ${figure(row.closed_trades)}` : NONE);
      const open = [plural(row.open_positions, "position")];
      if (row.residuals > 0) open.push(plural(row.residuals, "residual"));
      figures.open.show(open.join(", "), row.residuals > 0 ? "warn" : null);
      say(warnings, row.warnings.length > 0 ? row.warnings[row.warnings.length - 1] : "");
      warnings.hidden = row.warnings.length === 0;
      say(last, row.last_event ? `${moment(row.last_ms, { day: row.state !== "running" })} UTC  ${row.last_event}` : "");
      stop.hidden = row.state !== "running";
    };
    return node;
  }
}

/** A large figure with what it is. */
export function tile(label) {
  const value = element("dd", {});
  const more = element("dd", { class: "note" });
  const node = element("dl", { class: "tile" }, element("dt", {}, label), value, more);
  return {
    node,
    show(text, how = null, beside = "") {
      say(value, text);
      mark(value, "data-tone", how);
      say(more, beside);
      more.hidden = beside === "";
    },
  };
}

/** A small figure of a row with what it is. */
function labelled(label) {
  const value = element("dd", {});
  return {
    node: element("dl", { class: "figure-of" }, element("dt", {}, label), value),
    show(text, how = null) {
      say(value, text);
      mark(value, "data-tone", how);
    },
  };
}
