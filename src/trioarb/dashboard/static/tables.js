/** Tables of a campaign's page: what each column is, and its unit. */

import { actionButton } from "./actions.js";
import { element } from "./dom.js";
import { NONE, bps, duration, exact, figure, micros, moment, tone, usd } from "./format.js";
import { Table } from "./table.js";

const VENUE_TONES = { up: "good", stale: "warn", held: "warn", down: "bad" };
const ORDER_TONES = { rejected: "bad", unknown: "bad", expired: "warn", "partially filled": "warn" };
const SYMBOL_TONES = { quarantined: "bad", retired: "warn", blacklisted: "warn" };
const plus = { sign: true };
const title = { text: (row) => row.symbol, label: "Symbol", sort: (row) => row.symbol };

/** `onSymbol(symbol)`: it was clicked. `row()`: the campaign, for actions. */
export function symbolTable(onSymbol, row) {
  return new Table({
    caption: "Symbols",
    empty: "No symbol yet.",
    filter: "Find a symbol",
    keyOf: (one) => one.symbol,
    onPick: (one) => onSymbol(one.symbol),
    columns: [
      title,
      { label: "State", text: (one) => one.state, tone: (one) => SYMBOL_TONES[one.state] ?? null },
      { label: "Edge", numeric: true, text: (one) => bps(one.edge_bps), tone: (one) => tone(one.edge_bps), sort: (one) => one.edge_bps },
      { label: "Highest", numeric: true, text: (one) => bps(one.highest_edge_bps), sort: (one) => one.highest_edge_bps },
      { label: "Over threshold", numeric: true, text: (one) => figure(one.over_threshold), sort: (one) => one.over_threshold },
      { label: "Denied", numeric: true, text: (one) => figure(one.denied), sort: (one) => one.denied },
      { label: "Opened", numeric: true, text: (one) => figure(one.opened), sort: (one) => one.opened },
      { label: "Open", numeric: true, text: (one) => figure(one.open_positions), sort: (one) => one.open_positions },
      { label: "Exposure", numeric: true, text: (one) => usd(one.exposure_usd), sort: (one) => Number(one.exposure_usd) },
      { label: "PnL", numeric: true, text: (one) => usd(one.pnl_usd, plus), tone: (one) => tone(one.pnl_usd), sort: (one) => Number(one.pnl_usd) },
      {
        label: "Blacklist",
        text: () => "",
        node: (one) => {
          const button = actionButton("blacklist", row, { label: "Blacklist", symbol: one.symbol });
          button.classList.add("small");
          button.setAttribute("aria-label", `Blacklist ${one.symbol}`);
          return button;
        },
      },
    ],
  });
}

export function routeTable(onSymbol) {
  return new Table({
    caption: "Routes",
    empty: "No route yet.",
    filter: "Find a route",
    keyOf: (one) => `${one.symbol} ${one.buy_venue} ${one.sell_venue}`,
    onPick: (one) => onSymbol(one.symbol),
    step: 10,
    columns: [
      title,
      { label: "Buy at", text: (one) => one.buy_venue },
      { label: "Sell at", text: (one) => one.sell_venue },
      { label: "Edge now", numeric: true, text: (one) => bps(one.edge_bps), tone: (one) => tone(one.edge_bps), sort: (one) => one.edge_bps },
      { label: "Over threshold", numeric: true, text: (one) => figure(one.over_threshold), sort: (one) => one.over_threshold },
      { label: "Sized", numeric: true, text: (one) => figure(one.sized), sort: (one) => one.sized },
      { label: "Allowed", numeric: true, text: (one) => figure(one.allowed), sort: (one) => one.allowed },
      { label: "Denied", numeric: true, text: (one) => figure(one.denied), sort: (one) => one.denied },
    ],
  });
}

export function venueTable() {
  return new Table({
    caption: "Venues",
    empty: "No venue yet.",
    keyOf: (one) => one.venue,
    columns: [
      { label: "Venue", text: (one) => one.venue },
      {
        label: "Health",
        text: (one) => `${one.state}${one.reason ? `: ${one.reason}` : ""}${one.since_ms && one.state !== "up" ? ` since ${moment(one.since_ms)}` : ""}`,
        tone: (one) => VENUE_TONES[one.state] ?? null,
      },
      { label: "Quote age", numeric: true, text: (one) => (one.quote_age_ms === null ? NONE : duration(one.quote_age_ms / 1000)) },
      { label: "Orders", numeric: true, text: (one) => figure(one.orders) },
      { label: "Open", numeric: true, text: (one) => figure(one.orders_open) },
      { label: "Fills", numeric: true, text: (one) => figure(one.fills) },
      { label: "Rejected", numeric: true, text: (one) => figure(one.errors), tone: (one) => (one.errors > 0 ? "warn" : null) },
    ],
  });
}

export function latencyTable() {
  return new Table({
    caption: "Latency by stage",
    empty: "Only a campaign that runs tells its latency.",
    keyOf: (one) => one.stage,
    columns: [
      { label: "Stage", text: (one) => one.stage },
      { label: "p50", numeric: true, text: (one) => micros(one.p50_us) },
      { label: "p95", numeric: true, text: (one) => micros(one.p95_us) },
      { label: "p99", numeric: true, text: (one) => micros(one.p99_us) },
      { label: "Measured", numeric: true, text: (one) => figure(one.count) },
    ],
  });
}

/** `onTrade(id)`: its story is wanted. */
export function positionTable(onTrade) {
  return new Table({
    caption: "Open positions",
    empty: "No position is open.",
    keyOf: (one) => one.trade_id,
    onPick: (one) => onTrade(one.trade_id),
    step: 10,
    columns: [
      { label: "Trade", text: (one) => one.trade_id },
      { label: "Symbol", text: (one) => one.symbol },
      { label: "Quantity", numeric: true, text: (one) => exact(one.quantity) },
      { label: "Long at", text: (one) => one.long_at },
      { label: "Short at", text: (one) => one.short_at },
      { label: "Bought at", numeric: true, text: (one) => exact(one.buy_price) },
      { label: "Sold at", numeric: true, text: (one) => exact(one.sell_price) },
      { label: "Exposure", numeric: true, text: (one) => usd(one.exposure_usd), sort: (one) => Number(one.exposure_usd) },
      { label: "Unrealised", numeric: true, text: (one) => usd(one.unrealised_usd, plus), tone: (one) => tone(one.unrealised_usd) },
      { label: "Since", text: (one) => moment(one.opened_ms), sort: (one) => one.opened_ms },
    ],
  });
}

export function residualTable(onTrade) {
  return new Table({
    caption: "Residuals",
    empty: "Nothing is left one-sided.",
    keyOf: (one) => `${one.kind} ${one.residual_id} ${one.symbol} ${one.venue}`,
    onPick: (one) => one.trade_id && onTrade(one.trade_id),
    step: 10,
    columns: [
      { label: "Residual", text: (one) => one.residual_id || one.kind },
      { label: "Kind", text: (one) => (one.unknown ? `${one.kind}, not certain` : one.kind), tone: (one) => (one.kind === "dust" ? null : "warn") },
      { label: "Symbol", text: (one) => one.symbol },
      { label: "Venue", text: (one) => one.venue },
      { label: "Quantity", numeric: true, text: (one) => `${exact(one.quantity)} ${one.asset}` },
      { label: "Cost", numeric: true, text: (one) => usd(one.cost_usd) },
    ],
  });
}

export function tradeTable(onTrade) {
  return new Table({
    caption: "Closed trades",
    empty: "No trade is closed yet.",
    filter: "Find a trade",
    keyOf: (one) => one.trade_id,
    onPick: (one) => onTrade(one.trade_id),
    step: 15,
    columns: [
      { label: "Trade", text: (one) => one.trade_id },
      { label: "Closed", text: (one) => moment(one.closed_ms), sort: (one) => one.closed_ms },
      { label: "Symbol", text: (one) => one.symbol, sort: (one) => one.symbol },
      { label: "Route", text: (one) => `${one.buy_venue} → ${one.sell_venue}` },
      { label: "Quantity", numeric: true, text: (one) => exact(one.quantity) },
      { label: "Held", numeric: true, text: (one) => (one.opened_ms === null ? NONE : duration((one.closed_ms - one.opened_ms) / 1000)) },
      { label: "Fees", numeric: true, text: (one) => usd(one.fees_usd) },
      { label: "PnL", numeric: true, text: (one) => usd(one.pnl_usd, plus), tone: (one) => tone(one.pnl_usd), sort: (one) => Number(one.pnl_usd) },
      { label: "Why it left", text: (one) => one.reason },
    ],
  });
}

export function orderTable(onTrade) {
  return new Table({
    caption: "Orders",
    empty: "No order was sent yet.",
    filter: "Find an order",
    keyOf: (one) => one.client_order_id,
    onPick: (one) => onTrade(one.trade_id),
    step: 10,
    columns: [
      { label: "Order", text: (one) => one.client_order_id },
      { label: "Time", text: (one) => moment(one.at_ms) },
      { label: "Symbol", text: (one) => one.symbol },
      { label: "Venue", text: (one) => one.venue },
      { label: "Side", text: (one) => one.side },
      { label: "Filled", numeric: true, text: (one) => `${exact(one.filled)} of ${exact(one.quantity)}` },
      { label: "Limit", numeric: true, text: (one) => exact(one.limit) },
      { label: "For", text: (one) => one.purpose },
      { label: "State", text: (one) => `${one.state}${one.reason ? `: ${one.reason}` : ""}`, tone: (one) => ORDER_TONES[one.state] ?? null },
    ],
  });
}

export function fillTable() {
  return new Table({
    caption: "Fills",
    empty: "Nothing was filled yet.",
    keyOf: (one) => `${one.client_order_id} ${one.at_ms} ${one.quantity} ${one.price}`,
    step: 10,
    columns: [
      { label: "Order", text: (one) => one.client_order_id },
      { label: "Time", text: (one) => moment(one.at_ms) },
      { label: "Symbol", text: (one) => one.symbol },
      { label: "Venue", text: (one) => one.venue },
      { label: "Side", text: (one) => one.side },
      { label: "Quantity", numeric: true, text: (one) => exact(one.quantity) },
      { label: "Price", numeric: true, text: (one) => exact(one.price) },
      { label: "Fee", numeric: true, text: (one) => `${exact(one.fee)} ${one.fee_asset}` },
    ],
  });
}

export function balanceTable() {
  return new Table({
    caption: "Balances",
    empty: "No balance yet.",
    filter: "Find an asset",
    keyOf: (one) => `${one.venue} ${one.asset}`,
    step: 10,
    columns: [
      { label: "Venue", text: (one) => one.venue, sort: (one) => one.venue },
      { label: "Asset", text: (one) => one.asset, sort: (one) => one.asset },
      { label: "Held", numeric: true, text: (one) => exact(one.final) },
      { label: "Locked", numeric: true, text: (one) => exact(one.locked) },
      { label: "Change", numeric: true, text: (one) => exact(one.change), tone: (one) => tone(one.change) },
    ],
  });
}

/** A card around a table, with how many rows it has. */
export function tableCard(heading, table, { open = true } = {}) {
  const count = element("span", { class: "note" });
  const node = element(
    "section",
    { class: "card", "aria-label": heading },
    element("details", open ? { open: true } : {}, element("summary", {}, element("h2", {}, heading), " ", count), table.node),
  );
  return {
    node,
    update(rows, more = 0) {
      count.textContent = rows.length > 0 ? figure(rows.length + more) : "";
      table.update(rows);
    },
  };
}
