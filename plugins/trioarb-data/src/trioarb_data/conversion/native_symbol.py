"""Native symbols such as ``btcusdt`` or ``BTC_USDT``, split into base and quote asset."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

import attrs

__all__ = ["Split", "certain_quote", "is_base_and_quote", "split"]

_QUOTES = frozenset(
    "USDT USDC FDUSD BUSD TUSD GUSD PYUSD RLUSD USDP USDD USDE DAI USD EUR AEUR EURC EURI GBP JPY KRW BKRW TRY BRL "  # noqa: SIM905
    "AUD BTC WBTC ETH WETH BNB".split()
)
#: What others are named after, with a letter or a few before it, as GUSD after USD: BTCXUSD may be BTC-XUSD.
_NAMESAKES = frozenset("USD EUR GBP JPY KRW TRY BRL AUD BTC ETH".split())  # noqa: SIM905
_MOST_LETTERS = 3
#: Decide where two quote assets would fit: BNBUSD is BNB-USD, not BN-BUSD.
_BASES = frozenset(
    "BTC XBT ETH BNB SOL XRP ADA DOGE TRX DOT LTC BCH LINK AVAX XLM SHIB UNI ATOM ETC NEAR APT ARB SUI TON "  # noqa: SIM905
    "USDT USDC".split()
)
_WHOLE = re.compile(r"[A-Z0-9]+")
_PARTED = re.compile(r"([A-Z0-9]+)[-_/]([A-Z0-9]+)")


@attrs.frozen
class Split:
    """What a native symbol is, as BASE-QUOTE; ``None`` if that can't be told. ``others``: what else it may be."""

    symbol: str | None
    others: tuple[str, ...] = ()


def split(native: str, known_quotes: Collection[str]) -> Split:
    """Split a native symbol, given the quote assets that its exchange is known to have.

    The quote asset must be a well-known one: ``BTC-PERPETUAL`` and ``BTCUSD_240628`` are no pairs of assets. Where two
    readings are left, a known quote asset decides, or else a well-known base asset; where these disagree, nothing does.
    """
    readings = _readings(native)
    if len(readings) < 2:
        return Split("-".join(readings[0]) if readings else None)
    by_quote = [one for one in readings if one[1] in known_quotes]
    by_base = [one for one in readings if one[0] in _BASES and one[1] in _QUOTES]
    decided = {tuple(found) for found in (by_quote, by_base) if len(found) == 1}
    names = ["-".join(one) for one in readings]
    if len(decided) != 1 or len(by_quote) > 1:
        return Split(None, tuple(names))
    ((taken,),) = decided
    return Split("-".join(taken), tuple(name for name in names if name != "-".join(taken)))


def certain_quote(native: str) -> str | None:
    """Return the quote asset that a native symbol names beyond doubt: it is parted, or can be read in one way."""
    readings = _readings(native)
    return readings[0][1] if len(readings) == 1 else None


def _readings(native: str) -> Sequence[tuple[str, str]]:
    """Return every base and quote asset that a native symbol may stand for."""
    name = native.upper()
    parted = _PARTED.fullmatch(name)
    if parted is not None:
        base, quote = parted.groups()
        return [(base, quote)] if quote in _QUOTES else []
    if not _WHOLE.fullmatch(name):
        return []
    found = [(name.removesuffix(quote), quote) for quote in sorted(_QUOTES) if name.endswith(quote) and name != quote]
    if len(found) == 1 and found[0][0] not in _BASES and found[0][1] in _NAMESAKES:
        base, quote = found[0]
        for count in range(1, _MOST_LETTERS + 1):
            if base[:-count] in _BASES:
                found.append((base[:-count], base[-count:] + quote))
    return found


def is_base_and_quote(name: str) -> bool:
    """Return whether a name is of the form that recordings have."""
    base, _, quote = name.partition("-")
    return bool(base and quote) and "-" not in quote
