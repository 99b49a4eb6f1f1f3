"""Small inputs that once failed, where they are at hand; each has a twin of the tests' own elsewhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from command import CommandLine

CASES = Path(__file__).parents[3].parent / "shared" / "cases"
pytestmark = pytest.mark.skipif(not CASES.exists(), reason="the shared cases are not here")


def converted(trioarb: CommandLine, source: Path, *options: str) -> list[dict[str, Any]]:
    ran = trioarb("data", "convert", source, "--out=out.parquet", *options)
    assert ran.code == 0, ran.err
    found = pq.read_table(trioarb.folder / "out.parquet").to_pylist()
    (trioarb.folder / "out.parquet").unlink()
    return list(found)


def test_decimal_columns_are_what_the_doubles_are(trioarb: CommandLine) -> None:
    case = CASES / "01-decimal-columns"
    assert converted(trioarb, case / "decimal.parquet") == converted(trioarb, case / "float.parquet")


@pytest.mark.parametrize("unit", ["ms", "us"])
def test_another_unit_is_named_by_each_command_that_reads(trioarb: CommandLine, unit: str) -> None:
    case = CASES / "15-milliseconds"
    source = case / f"{unit}.parquet"
    for arguments in (["info", source], ["check", source], ["convert", source, "--out=out.parquet"]):
        ran = trioarb("data", *arguments)
        assert ran.code in (1, 2)
        assert f"--time-unit {unit}" in ran.out + ran.err
    assert converted(trioarb, source, f"--time-unit={unit}")[0]["ts_ns"] == 1_705_276_800 * 10**9


@pytest.mark.parametrize(
    ("name", "withdrawn"), [("nan.parquet", 1), ("zero.parquet", 1), ("tardis.csv", 1), ("without.parquet", 0)]
)
def test_a_withdrawn_side_is_carried_and_counted(trioarb: CommandLine, name: str, withdrawn: int) -> None:
    options = ["--format=tardis-quotes"] if name.endswith(".csv") else []
    source = CASES / "14-withdrawn-side" / name
    ran = trioarb("data", "convert", source, "--out=out.parquet", "--json", *options)
    told = json.loads(ran.out)
    assert (told["withdrawn"], told["refused"], told["left_out"]) == (withdrawn, 0, {})
    quality = json.loads(trioarb("data", "check", "out.parquet", "--json").out)["quality"]
    assert [one["withdrawn"] for one in quality if one["exchange"] == "a"] == [withdrawn]


def test_names_that_may_be_two_are_said(trioarb: CommandLine) -> None:
    found = converted(trioarb, CASES / "27-symbol-split" / "q.csv")
    assert [row["symbol"] for row in found][:2] == ["BTC-GUSD", "USDT-GUSD"]
    assert found[-1]["symbol"] == "LINK-WETH"
