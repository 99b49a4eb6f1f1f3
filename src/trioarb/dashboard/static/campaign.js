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
    const wide = { wide: true };
    const folded = { wide: true, open: false };
    const cards = {
      venues: tables.tableCard("Venues", tables.venueTable()),
      latency: tables.tableCard("Latency by stage", tables.latencyTable()),
      positions: tables.tableCard("Open positions", tables.positionTable(onTrade), wide),
      residuals: tables.tableCard("Residuals and dust", tables.residualTable(onTrade), wide),
      trades: tables.tableCard("Closed trades", tables.tradeTable(onTrade), wide),
      symbols: tables.tableCard("Symbols", tables.symbolTable(onSymbol, () => this.row), wide),
      routes: tables.tableCard("Routes", tables.routeTable(onSymbol), wide),
      orders: tables.tableCard("Orders", tables.orderTable(onTrade), folded),
      fills: tables.tableCard("Fills", tables.fillTable(), folded),
      balances: tables.tableCard("Balances", tables.balanceTable(), folded),
    };
    this.cards = cards;
    cards.venues.node.classList.add("span-2");
    this.node = element(
      "div",
      { class: "page" },
      head.node,
      verdict.node,
      tiles.node,
      element(
        "div",
        { class: "grid" },
        this.charts.node,
        limits.node,
        this.edges.node,
        funnel.node,
        cards.venues.node,
        cards.latency.node,
        cards.positions.node,
        cards.residuals.node,
        cards.trades.node,
        parts.node,
        fx.node,
        notes.node,
        cards.symbols.node,
        cards.routes.node,
        cards.orders.node,
        cards.fills.node,
        cards.balances.node,
        this.log.node,
      ),
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
