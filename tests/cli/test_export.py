"""`export`: a journal as tables, whose columns are documented, exact to the last digit."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from command import CommandLine, Ran

from trioarb.errors import ExportError
from trioarb.report.schema import TABLES, Kind, described
from trioarb.report.tabular import Export, Format

CHAOS = Path(__file__).parents[2] / "configs" / "chaos.toml"
DOCS = Path(__file__).parents[2] / "docs" / "export.md"
COLUMNS = {table.name: {column.name: column.kind for column in table.columns} for table in TABLES}


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    trioarb = CommandLine(folder=tmp_path_factory.mktemp("campaign"))
    ran = trioarb.run(
        CHAOS, "--set=session.clock=virtual", "--set=session.mode=shadow", "--runtime=120", "--journal=run.journal"
    )
    assert ran.code in (0, 3), ran.err
    for kind in ("csv", "parquet"):
        exported = trioarb("export", "run.journal", "--out", kind, "--format", kind)
        assert (exported.code, exported.err) == (0, "")
    return ran


@pytest.fixture(scope="module")
def trioarb(ran: Ran) -> CommandLine:
    return CommandLine(folder=ran.folder)


def in_csv(ran: Ran, table: str) -> list[dict[str, Any]]:
    """Return the rows with their values read back."""
    with (ran.folder / "csv" / f"{table}.csv").open(encoding="utf-8", newline="") as file:
        return [
            {name: read(COLUMNS[table][name], value) for name, value in row.items()} for row in csv.DictReader(file)
        ]


def read(kind: Kind, value: str) -> Any:
    match kind:
        case _ if value == "":
            return None
        case Kind.COUNT:
            return int(value)
        case Kind.DECIMAL:
            return Decimal(value)
        case Kind.FLOAT:
            return float(value)
        case Kind.FLAG:
            return {"true": True, "false": False}[value]
        case Kind.TIME:
            at = datetime.fromisoformat(value[:19]).replace(tzinfo=UTC)
            return int(at.timestamp()) * 10**9 + int(value[20:29])
        case _:
            return value


def in_parquet(ran: Ran, table: str) -> list[dict[str, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    read_back = pq.read_table(ran.folder / "parquet" / f"{table}.parquet")
    for number, field in enumerate(read_back.schema):
        if pa.types.is_timestamp(field.type):
            read_back = read_back.set_column(number, field.name, read_back.column(number).cast(pa.int64()))
    return list(read_back.to_pylist())


@pytest.mark.parametrize("table", [table.name for table in TABLES])
def test_csv_and_parquet_hold_the_same_values(ran: Ran, table: str) -> None:
    rows = in_csv(ran, table)
    if table in ("legs", "transfers"):  # of pairs there are no legs, and transfers are off
        assert not rows
        return
    assert rows
    # Empty text can't be told from an absent one in CSV.
    assert [
        {name: value if value != "" else None for name, value in row.items()} for row in in_parquet(ran, table)
    ] == rows
    assert list(rows[0]) == list(COLUMNS[table])


def test_columns_are_typed_as_documented(ran: Ran) -> None:
    import pyarrow.parquet as pq

    for table in TABLES:
        schema = pq.read_schema(ran.folder / "parquet" / f"{table.name}.parquet")
        for column, field in zip(table.columns, schema, strict=True):
            arrow = str(field.type).replace("double", "float64").replace("timestamp[ns, tz=UTC]", "timestamp[ns, UTC]")
            assert (field.name, arrow) == (column.name, column.kind.parquet), table.name


def test_the_tables_are_documented_as_they_are() -> None:
    assert DOCS.read_text(encoding="utf-8").endswith("## Tables\n\n" + "\n".join(described()) + "\n")


def test_rows_are_those_of_the_events(ran: Ran) -> None:
    def of(table: str) -> list[dict[str, Any]]:
        return in_csv(ran, table)

    trades = {row["trade_id"]: row for row in of("trades") if row["reason"] != "unwound"}
    closed = ran.of_type("position_closed")
    assert len(of("trades")) == len(closed) + ran.summary["unwound_entries"]
    assert set(trades) == {event["trade_id"] for event in closed}
    for event in closed:
        row = trades[event["trade_id"]]
        assert (row["closed"], row["opened"], row["reason"]) == (event["ts_ns"], event["opened_at_ns"], event["reason"])
        late = [one for one in ran.of_type("trade_corrected") if one["trade_id"] == event["trade_id"]]
        for name in ("quantity", "entry_buy_price", "exit_sell_price", "fees_usd", "pnl_usd"):
            assert row[name] == Decimal((late or [event])[-1].get(name, event[name]))
    orders = {row["client_order_id"]: row for row in of("orders")}
    # An order that was taken up again has another row, of what it filled from then on.
    assert len(orders) == len(of("orders")) - len(ran.of_type("order_reopened")) == len(ran.of_type("order_submitted"))
    of_order: dict[str, Decimal] = {}
    for row in of("orders"):
        of_order[row["client_order_id"]] = of_order.get(row["client_order_id"], Decimal(0)) + row["filled"]
    filled: dict[str, Decimal] = {}
    for row in of("fills"):
        filled[row["client_order_id"]] = filled.get(row["client_order_id"], Decimal(0)) + row["quantity"]
        assert row["trade_id"] == orders[row["client_order_id"]]["trade_id"]
    assert {name: amount for name, amount in of_order.items() if amount} == filled
    assert len(of("fills")) == len(ran.of_type("order_filled"))
    rejected = {event["client_order_id"]: event["reason"] for event in ran.of_type("order_rejected")}
    assert {name: row["reason"] for name, row in orders.items() if row["status"] == "rejected"} == rejected
    assert sum(row["count"] for row in of("decisions")) == sum(
        event.get("count", 1) for event in ran.of_type("decided") + ran.of_type("decisions_repeated")
    )
    changes = [row["change"] for row in of("positions")]
    assert changes.count("opened") == len(ran.of_type("position_opened"))
    assert changes.count("closed") == len(closed)
    counts = [(row["seq"], json.loads(row["not_sized"])) for row in of("funnel")]
    assert counts == [(event["seq"], event["not_sized"]) for event in ran.of_type("funnel_counted")]


def test_balances_are_those_of_the_summary(ran: Ran) -> None:
    for row in in_csv(ran, "balances"):
        told: Mapping[str, str] = ran.summary["balances"][row["venue"]][row["asset"]]
        assert {name: row[name] for name in told} == {name: Decimal(value) for name, value in told.items()}
        assert row["free"] + row["locked"] == row["final"]


def test_nothing_is_overwritten_unless_told_to(trioarb: CommandLine, ran: Ran) -> None:
    trades = ran.folder / "csv" / "trades.csv"
    before = trades.read_bytes()
    trades.write_text("mine\n")
    refused = trioarb("export", "run.journal", "--out", "csv")
    assert refused.code == 2
    assert any("trades.csv" in error and "--force" in error for error in refused.errors)
    assert trades.read_text() == "mine\n"
    assert trioarb("export", "run.journal", "--out", "csv", "--force").code == 0
    assert trades.read_bytes() == before
    assert (trades.stat().st_mode & 0o777) == 0o600


def test_a_number_that_does_not_fit_ends_it_and_leaves_nothing(tmp_path: Path) -> None:
    row = {"venue": "a", "asset": "X", "final": Decimal("1e-29")}
    with pytest.raises(ExportError, match=r"balances.final: .*--decimals text"), Export(tmp_path, Format.PARQUET) as to:
        to.put("balances", row)
    assert not list(tmp_path.iterdir())
    with Export(tmp_path, Format.PARQUET, as_text=True) as to:
        to.put("balances", row)
    import pyarrow.parquet as pq

    (kept,) = pq.read_table(tmp_path / "balances.parquet").to_pylist()
    assert kept["final"] == "0.00000000000000000000000000001"


def test_without_pyarrow_csv_works_and_parquet_says_what_to_install(ran: Ran, trioarb: CommandLine) -> None:
    """A module of that name which can't be imported stands in its way."""
    without = trioarb.install("no-pyarrow", "nothing", "")
    assert without.site is not None
    (without.site / "pyarrow").mkdir()
    (without.site / "pyarrow" / "__init__.py").write_text(
        "raise ModuleNotFoundError(\"No module named 'pyarrow'\", name='pyarrow')\n"
    )
    exported = without("export", "run.journal", "--out", "without")
    assert (exported.code, exported.err) == (0, "")
    assert (ran.folder / "without" / "orders.csv").read_bytes() == (ran.folder / "csv" / "orders.csv").read_bytes()
    refused = without("export", "run.journal", "--out", "other", "--format=parquet")
    assert refused.code == 2
    assert "pip install 'trioarb[recorded]'" in refused.error
    assert not (ran.folder / "other").exists()
