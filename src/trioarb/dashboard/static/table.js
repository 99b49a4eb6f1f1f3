/** Tables that stay small: so many rows are shown as fit a page, whatever there is. */

import { element, keep, mark, say } from "./dom.js";
import { figure } from "./format.js";

const STEP = 25;
const MOST = 200;

export class Table {
  /**
   * `columns`: `{label, text(row), unit?, numeric?, tone?(row), sort?(row), node?(row)}`; a `node` is made once a row,
   * beside its text. `keyOf(row)`. `onPick(row)`: what a click on a row does; its first cell is a button then.
   * `filter`: what the field says by which rows are looked for, over all texts of a row; `empty`: what is said of none.
   */
  constructor({ caption, columns, keyOf, onPick = null, filter = null, empty, sort = null, step = STEP }) {
    Object.assign(this, { columns, keyOf, onPick, empty, sort, step });
    this.shown = step;
    this.rows = [];
    this.sought = "";
    this.body = element("tbody");
    this.heads = columns.map((column, at) => this.#head(column, at));
    this.table = element(
      "table",
      {},
      element("caption", { class: "unseen" }, caption),
      element("thead", {}, element("tr", {}, ...this.heads)),
      this.body,
    );
    this.note = element("p", { class: "note", "aria-live": "polite" });
    this.more = element("button", { type: "button", class: "quiet", onclick: () => this.#showMore() }, "Show more");
    this.node = element(
      "div",
      { class: "tabled" },
      filter === null ? null : this.#field(filter),
      element("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": caption }, this.table),
      element("div", { class: "below" }, this.note, this.more),
    );
    this.update([]);
  }

  update(rows) {
    this.rows = rows;
    this.#draw();
  }

  #head(column, at) {
    const label = column.unit ? `${column.label} (${column.unit})` : column.label;
    const kind = column.numeric ? "number" : null;
    if (!column.sort) return element("th", { scope: "col", class: kind }, label);
    return element(
      "th",
      { scope: "col", class: kind },
      element("button", { type: "button", class: "sorter", onclick: () => this.#sortBy(at) }, label),
    );
  }

  #field(label) {
    const field = element("input", {
      type: "search",
      autocomplete: "off",
      spellcheck: "false",
      placeholder: label,
      "aria-label": label,
      oninput: () => {
        this.sought = field.value.trim().toLowerCase();
        this.shown = this.step;
        this.#draw();
      },
    });
    return element("div", { class: "search" }, field);
  }

  #sortBy(at) {
    const falling = this.sort?.at === at ? !this.sort.falling : Boolean(this.columns[at].numeric);
    this.sort = { at, falling };
    this.#draw();
  }

  #showMore() {
    this.shown = Math.min(this.shown * 2, MOST);
    this.#draw();
  }

  #chosen() {
    let rows = this.rows;
    if (this.sought) {
      rows = rows.filter((row) => this.columns.some((column) => column.text(row).toLowerCase().includes(this.sought)));
    }
    if (this.sort === null) return rows;
    const { at, falling } = this.sort;
    const value = this.columns[at].sort;
    const way = falling ? -1 : 1;
    return [...rows].sort((one, other) => way * compared(value(one), value(other), way));
  }

  #draw() {
    const chosen = this.#chosen();
    const visible = chosen.slice(0, this.shown);
    this.heads.forEach((head, at) =>
      mark(head, "aria-sort", this.sort?.at === at ? (this.sort.falling ? "descending" : "ascending") : null),
    );
    keep(this.body, visible, {
      keyOf: this.keyOf,
      make: (row) => this.#row(row),
      update: (node, row) => this.#fill(node, row),
    });
    this.table.hidden = visible.length === 0;
    const all = this.sought ? `${figure(chosen.length)} found` : figure(chosen.length);
    say(
      this.note,
      visible.length === 0
        ? this.sought
          ? "Nothing found."
          : this.empty
        : visible.length < chosen.length
          ? `${figure(visible.length)} of ${all} shown`
          : "",
    );
    this.more.hidden = visible.length >= Math.min(chosen.length, MOST);
  }

  #row(row) {
    const node = element("tr");
    node.cells_ = this.columns.map((column, at) => {
      const kind = column.numeric ? "number" : null;
      const cell = element(at === 0 ? "th" : "td", { scope: at === 0 ? "row" : null, class: kind });
      let said = cell;
      if (at === 0 && this.onPick) {
        said = element("button", { type: "button", class: "link" });
        cell.append(said);
      } else if (column.node) {
        said = element("span");
        cell.append(column.node(row), said);
      }
      node.append(cell);
      return { cell, said };
    });
    if (this.onPick) {
      node.className = "picked";
      node.addEventListener("click", () => this.onPick(node.row_));
    }
    return node;
  }

  #fill(node, row) {
    node.row_ = row;
    this.columns.forEach((column, at) => {
      const { cell, said } = node.cells_[at];
      say(said, column.text(row));
      if (column.tone) mark(cell, "data-tone", column.tone(row));
    });
  }
}

/** Order of two values; what is absent comes last, whichever `way`. */
function compared(one, other, way) {
  const none = (value) => value === null || value === undefined;
  if (none(one) || none(other)) return none(one) && none(other) ? 0 : way * (none(one) ? 1 : -1);
  return one < other ? -1 : one > other ? 1 : 0;
}
