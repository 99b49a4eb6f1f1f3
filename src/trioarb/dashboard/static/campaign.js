/** One campaign: the verdict first, then whether it is well, what it earns, and why it doesn't. */

import { element } from "./dom.js";
import { EdgeChart, MoneyCharts } from "./history.js";
import { LogPanel } from "./log.js";
import { EquityParts, FunnelPanel, FxPanel, HeadPanel, LimitBars, MoneyTiles, NotesPanel } from "./panels.js";
import { showStory } from "./story.js";
import * as tables from "./tables.js";
import { VerdictPanel } from "./verdict.js";

export class CampaignView {
  /** `view` is the first one, with its series. */
  constructor(name, view) {
    const onTrade = (id) => showStory(name, id);
    const onSymbol = (symbol) => {
      this.edges.show(symbol);
      this.edges.node.scrollIntoView({ block: "nearest" });
    };
    this.row = view.row;
    this.edges = new EdgeChart(name);
    this.charts = new MoneyCharts();
    this.log = new LogPanel(name, onTrade);
    const head = new HeadPanel(name);
    const verdict = new VerdictPanel();
    const tiles = new MoneyTiles();
    const limits = new LimitBars();
    const funnel = new FunnelPanel();
    const parts = new EquityParts();
    const fx = new FxPanel();
    const notes = new NotesPanel();
    this.panels = [head, verdict, tiles, limits, funnel, parts, fx, notes, this.charts, this.edges, this.log];
    const folded = { open: false };
    const cards = {
      venues: tables.tableCard("Venues", tables.venueTable()),
      latency: tables.tableCard("Latency by stage", tables.latencyTable()),
      positions: tables.tableCard("Open positions", tables.positionTable(onTrade)),
      residuals: tables.tableCard("Residuals and dust", tables.residualTable(onTrade)),
      trades: tables.tableCard("Closed trades", tables.tradeTable(onTrade)),
      symbols: tables.tableCard("Symbols", tables.symbolTable(onSymbol, () => this.row)),
      routes: tables.tableCard("Routes", tables.routeTable(onSymbol)),
      orders: tables.tableCard("Orders", tables.orderTable(onTrade), folded),
      fills: tables.tableCard("Fills", tables.fillTable(), folded),
      balances: tables.tableCard("Balances", tables.balanceTable(), folded),
    };
    this.cards = cards;
    const stack = (name, ...parts) => element("div", { class: name }, ...parts.map((part) => part.node));
    this.node = element(
      "div",
      { class: "page" },
      head.node,
      verdict.node,
      tiles.node,
      element(
        "div",
        { class: "columns" },
        stack("stack", this.charts, this.edges, cards.venues, cards.latency),
        stack("stack", limits, funnel, parts, fx, notes),
      ),
      stack("stack", cards.positions, cards.residuals, cards.trades, cards.symbols, cards.routes),
      stack("stack", cards.orders, cards.fills, cards.balances, this.log),
    );
    this.charts.start(view);
    this.update(view);
  }

  update(view) {
    this.row = view.row;
    for (const panel of this.panels) panel.update(view);
    for (const [name, card] of Object.entries(this.cards)) card.update(view[name], name === "symbols" ? view.more_symbols : 0);
    this.cards.residuals.node.hidden = view.residuals.length === 0;
    this.cards.latency.node.hidden = view.latency.length === 0;
  }

  close() {
    for (const panel of this.panels) panel.close?.();
  }
}
