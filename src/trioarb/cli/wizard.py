"""The five questions of `trioarb init --wizard`."""

from __future__ import annotations

import importlib
import os
import sys
import textwrap
from collections import Counter
from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TypeVar

import attrs
import tomli

from trioarb.cli.opened import look_at
from trioarb.config.first_campaign import Care, FirstCampaign, MadeUp, Real, Recorded, real_venues
from trioarb.config.load import load_table
from trioarb.errors import ConfigError, TrioarbError
from trioarb.plugin.extras import missing
from trioarb.plugin.registry import Plugins
from trioarb.quotes.parquet import quote_files, scan_quotes
from trioarb.report.visible import say
from trioarb.settings.problem import Problem, nearest

__all__ = ["first_campaign"]

T = TypeVar("T")

_MADE_UP, _SAMPLE, _SAMPLE_MODULE = "dummy", "sample", "trioarb_sample"
_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_ENDLESS = "forever"


@attrs.frozen(kw_only=True)
class _Question:
    asked: str
    about: str
    default: str


def first_campaign(plugins: Plugins, file: str, plugin_files: Sequence[str] = ()) -> str:
    """Ask what a first campaign is to be like; return its configuration, which was opened and can be run.

    ``plugin_files`` are paths of plugins that are files, from the folder of ``file``.

    On a terminal a wrong answer is asked for again.

    Raises:
        TrioarbError: an answer can't be taken, and nobody is there to be asked again; or stdin ends before the last.
    """
    say("Five questions; Enter takes what stands in brackets. Nothing is written before the last answer.\n")
    venues = real_venues(plugins)
    sample = f"{_SAMPLE}: synthetic quotes that are installed; " if missing(_SAMPLE_MODULE) is None else ""
    one_of = f", or two and more of your venues ({', '.join(venues)})" if len(venues) > 1 else ""
    market = _ask(
        1,
        _Question(
            asked="Which market?",
            about=f"{_MADE_UP}: made up as it goes; {sample}a file or folder of recorded quotes{one_of}",
            default=_MADE_UP,
        ),
        lambda text: _market(text, venues),
    )
    symbols = _ask(
        2,
        _Question(
            asked="Which symbols?",
            about="a number: so many, the most traded first; or names, such as BTCUSDT, ETHUSDT",
            default="5",
        ),
        lambda text: _symbols(text, market, plugins),
    )
    money = _ask(
        3,
        _Question(
            asked="How much money is there at each venue, in USD?",
            about="half of it is held as stock of the symbols, in equal parts",
            default="20000",
        ),
        lambda text: _money(text, symbols),
    )
    care = _ask(
        4,
        _Question(
            asked="How careful?",
            about=f"{', '.join(one.value for one in Care)}: how large orders are, what has to be left of an edge, when "
            "losses end it",
            default=Care.CAREFUL.value,
        ),
        _care,
    )
    seconds = _ask(
        5,
        _Question(
            asked="For how long?",
            about=f"such as 90s, 10m, 2h, 7d; {_ENDLESS}: until Ctrl-C, or the end of recorded quotes",
            default=_ENDLESS if isinstance(market, Recorded) else "2h",
        ),
        _seconds,
    )
    campaign = FirstCampaign(market=market, symbols=symbols, money_usd=money, care=care, seconds=seconds)
    text = campaign.render(plugins, file, plugin_files)
    _require_sound(text, plugins, file)
    return text


def _ask(number: int, question: _Question, understand: Callable[[str], T]) -> T:
    """Ask until an answer is understood."""
    while True:
        print(f"{number}/5 {question.asked}\n{_wrapped(question.about)}\n    [{question.default}] ", end="", flush=True)
        line = sys.stdin.readline() if sys.stdin is not None else ""
        if not sys.stdin or not sys.stdin.isatty():
            say()  # nobody has typed the end of the line
        if not line:
            raise ConfigError([_problem(question.asked, "no answer: the input has ended; nothing was written")])
        try:
            return understand(line.strip() or question.default)
        except TrioarbError as error:
            if not sys.stdin.isatty():
                raise
            for said in str(error).splitlines():
                say(f"error: {said}")


def _wrapped(text: str) -> str:
    return textwrap.fill(text, 100, initial_indent="    ", subsequent_indent="    ")


def _market(text: str, venues: Sequence[str]) -> MadeUp | Recorded | Real:
    if text.lower() == _MADE_UP:
        return MadeUp()
    if text.lower() == _SAMPLE and missing(_SAMPLE_MODULE) is None:
        return _recorded(importlib.import_module(_SAMPLE_MODULE).FOLDER / "quotes")
    path = Path(text).expanduser()
    if path.exists():
        return _recorded(path)
    names = [name for name in text.lower().replace(",", " ").split() if name]
    allowed = ", ".join([_MADE_UP, "a file or folder of quotes", *venues])
    for name in names:
        if name not in venues:
            raise ConfigError(
                [
                    Problem(
                        file="which market",
                        message="neither a file, nor a folder, nor an installed venue",
                        value=name,
                        allowed=allowed,
                        suggestion=nearest(name, [_MADE_UP, *venues]),
                    )
                ]
            )
    if len(set(names)) < 2:
        raise ConfigError([_problem("which market", "it takes two venues or more to trade between", text, allowed)])
    return Real(tuple(dict.fromkeys(names)))


def _recorded(path: Path) -> Recorded:
    """Look at recorded quotes.

    Raises:
        MarketDataError: they can't be read.
        ConfigError: they are of one exchange only.
    """
    symbols: dict[str, list[str]] = {}
    for file in quote_files(path):
        for exchange, contents in scan_quotes(file).exchanges.items():
            symbols.setdefault(exchange, []).extend(contents.symbols)
    if len(symbols) < 2:
        only = ", ".join(symbols)
        raise ConfigError([_problem(str(path), f"holds quotes of {only} only; it takes two venues to trade between")])
    quoted = Counter(name.rpartition("-")[2] for names in symbols.values() for name in names)
    return Recorded(path, tuple(symbols), quoted.most_common(1)[0][0])


def _symbols(text: str, market: MadeUp | Recorded | Real, plugins: Plugins) -> Sequence[str] | int:
    if text.isdecimal():
        answer: Sequence[str] | int = int(text)
    else:
        answer = list(dict.fromkeys(text.upper().replace(",", " ").split()))
    if not isinstance(market, Real):
        _require_sound(_so_far(market, answer).render(plugins, "which symbols"), plugins, "which symbols")
    return answer


def _money(text: str, symbols: Sequence[str] | int) -> Decimal:
    try:
        amount = Decimal(text.replace("_", "").replace(",", ""))
    except InvalidOperation:
        amount = Decimal("NaN")
    least = 200 * (symbols if isinstance(symbols, int) else len(symbols))
    if not (amount.is_finite() and least <= amount <= Decimal("1e12")):
        why = f"USD, from {least:,} on: each symbol's orders have to be worth what venues take at least"
        raise ConfigError([_problem("how much money", "not an amount that works", text, why)])
    return amount


def _care(text: str) -> Care:
    for care in Care:
        if text.lower() == care.value:
            return care
    names = [care.value for care in Care]
    raise ConfigError(
        [
            Problem(
                file="how careful",
                message="no such answer",
                value=text,
                allowed=", ".join(names),
                suggestion=nearest(text, names),
            )
        ]
    )


def _seconds(text: str) -> Decimal | None:
    if text.lower() == _ENDLESS:
        return None
    number, unit = (text[:-1], _UNITS.get(text[-1].lower())) if text[-1:].isalpha() else (text, 1)
    try:
        seconds = Decimal(number) * (unit or 0)
    except InvalidOperation:
        seconds = Decimal(0)
    if not 0 < seconds < Decimal("1e9"):
        raise ConfigError([_problem("for how long", "no time", text, f"such as 90s, 10m, 2h, 7d, {_ENDLESS}")])
    return seconds


def _so_far(market: MadeUp | Recorded | Real, symbols: Sequence[str] | int) -> FirstCampaign:
    return FirstCampaign(market=market, symbols=symbols, money_usd=Decimal(10**6), care=Care.CAREFUL, seconds=None)


def _require_sound(text: str, plugins: Plugins, file: str) -> None:
    """Open what the configuration names, but for what talks to the outside.

    Raises:
        TrioarbError: as `trioarb check` would.
    """
    loaded = load_table(tomli.loads(text, parse_float=Decimal), plugins, file=file, environment=os.environ)
    if not loaded.live:
        look_at(loaded, plugins, lambda campaign: None)


def _problem(about: str, message: str, value: str = "", allowed: str = "") -> Problem:
    return Problem(file=about, message=message, value=value, allowed=allowed)
