"""The examples are held to the numbered cases of their kinds, as every plugin may be."""

from __future__ import annotations

from pathlib import Path

from trioarb.pytest_plugin import Conformance
from trioarb.testing import listing
from trioarb.testing.conformance import Verdict


def test_the_source_conforms(conformance: Conformance, tmp_path: Path) -> None:
    listed = tmp_path / "symbols.csv"
    listed.write_text("symbol,base,quote,volume_24h_quote\nBTCUSDT,BTC,USDT,\nETHUSDT,ETH,USDT,5\n")
    conformance(kind="source", name="csv", settings={"path": str(listed)})


def test_the_rate_conforms(conformance: Conformance, tmp_path: Path) -> None:
    rate = tmp_path / "usdtkrw.txt"
    rate.write_text("1380.5 1381.5")
    settings = {"path": str(rate), "base": "USDT", "quote": "KRW"}

    report = conformance(kind="market", name="rate-file", settings=settings, symbols=[listing("USDT", "KRW")])

    assert report.of("MD-33").verdict is Verdict.PASS


def test_the_guard_conforms(conformance: Conformance) -> None:
    conformance(kind="guard", name="trading-hours", settings={"from_hour": 22, "to_hour": 4})
