"""Native symbols such as ``btcusdt`` or ``BTC_USDT``, split into base and quote asset."""

from __future__ import annotations

import re

__all__ = ["base_and_quote", "is_base_and_quote"]

_QUOTES = frozenset(
    "USDT USDC FDUSD BUSD TUSD DAI USD EUR GBP JPY KRW TRY BRL AUD BTC ETH BNB".split()  # noqa: SIM905
)
#: Decide where two quote assets would fit: BNBUSD is BNB-USD, not BN-BUSD.
_BASES = frozenset(
    "BTC XBT ETH BNB SOL XRP ADA DOGE TRX DOT LTC BCH LINK AVAX XLM SHIB UNI ATOM ETC NEAR APT ARB SUI TON".split()  # noqa: SIM905
)
_WHOLE = re.compile(r"[A-Z0-9]+")
_PARTED = re.compile(r"([A-Z0-9]+)[-_/]([A-Z0-9]+)")


def base_and_quote(native: str) -> str | None:
    """Return a native symbol as BASE-QUOTE, in capitals; None where only its exchange knows what it means.

    The quote asset must be a well-known one: ``BTC-PERPETUAL`` and ``BTCUSD_240628`` are no pairs of assets.
    """
    name = native.upper()
    parted = _PARTED.fullmatch(name)
    if parted is not None:
        base, quote = parted.groups()
        return f"{base}-{quote}" if quote in _QUOTES else None
    if not _WHOLE.fullmatch(name):
        return None
    splits = [(name.removesuffix(quote), quote) for quote in _QUOTES if name.endswith(quote) and name != quote]
    if len(splits) > 1:
        splits = [split for split in splits if split[0] in _BASES]
    return "-".join(splits[0]) if len(splits) == 1 else None


def is_base_and_quote(name: str) -> bool:
    """Return whether a name is of the form that recordings have."""
    base, _, quote = name.partition("-")
    return bool(base and quote) and "-" not in quote
