"""Choose the symbols of a campaign from what a source lists, and say why each is in or out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal

import attrs

from trioarb.config.schema import Universe, UniverseMode
from trioarb.errors import UniverseError
from trioarb.model.market import Listing
from trioarb.model.number import text
from trioarb.settings.keydoc import toml_literal
from trioarb.settings.problem import did_you_mean

__all__ = ["Selection", "Verdict", "coverage_warning", "select", "stablecoin_warning", "unknown_warnings"]

_STABLECOINS = frozenset(
    ("BUSD", "DAI", "FDUSD", "PYUSD", "RLUSD", "TUSD", "USD1", "USDC", "USDD", "USDE", "USDP", "USDS", "USDT", "UST")
)


@attrs.frozen(kw_only=True)
class Verdict:
    """Why a listed symbol is in or out."""

    symbol: str
    volume_24h_quote: Decimal | None
    is_in: bool
    reason: str


@attrs.frozen(kw_only=True)
class Selection:
    """The symbols, best first, and a verdict on every listing: those that are in, then those that are out.

    ``listed``: how many symbols the universe's filters let through, before TOP_N takes its own of them; ``None``: they
    were not filtered, since a campaign goes on with the symbols that it had.
    """

    symbols: tuple[Listing, ...]
    verdicts: tuple[Verdict, ...]
    listed: int | None = None


_Chosen = list[tuple[Listing, str]]


@attrs.frozen
class _Out:
    """``rule`` is the key that took the symbol out."""

    listing: Listing
    rule: str
    reason: str


def select(listings: Sequence[Listing], settings: Universe) -> Selection:
    """Return the universe that ``settings`` describe.

    Raises:
        UniverseError: a named symbol isn't listed, the settings contradict themselves, or nothing is left.
    """
    known: dict[str, Listing] = {}
    for listing in listings:
        known.setdefault(listing.symbol, listing)
    if not known:
        raise UniverseError(f'universe.source: the symbol source "{settings.source}" lists no symbols')
    match settings.mode:
        case UniverseMode.SINGLE:
            chosen, out = _single(known, settings)
        case UniverseMode.FIXED_LIST:
            chosen, out = _fixed_list(known, settings)
        case _:
            chosen, out = _ranked(known, settings)
    if not chosen:
        raise UniverseError(_nothing_left(len(known), out, settings))
    return Selection(
        symbols=tuple(listing for listing, _ in chosen),
        verdicts=(
            *(_verdict(listing, reason, is_in=True) for listing, reason in chosen),
            *(_verdict(item.listing, item.reason, is_in=False) for item in out),
        ),
        listed=len(chosen) + sum(item.rule == "top_n" for item in out),
    )


def _single(known: Mapping[str, Listing], settings: Universe) -> tuple[_Chosen, list[_Out]]:
    symbol = settings.symbol
    if not symbol:
        raise UniverseError('mode = "SINGLE" needs [universe] symbol')
    if symbol in settings.blacklist:
        raise UniverseError(f"{symbol} is the symbol of SINGLE and blacklisted; take it out of [universe] blacklist")
    chosen = _named("symbol", symbol, known, settings)
    out = [_Out(item, "symbol", f"not the symbol {symbol}") for item in known.values() if item is not chosen]
    return [(chosen, "the symbol of SINGLE")], out


def _fixed_list(known: Mapping[str, Listing], settings: Universe) -> tuple[_Chosen, list[_Out]]:
    if not settings.whitelist:
        raise UniverseError('mode = "FIXED_LIST" needs [universe] whitelist')
    wanted = [symbol for symbol in dict.fromkeys(settings.whitelist) if symbol not in settings.blacklist]
    chosen = [(_named("whitelist", symbol, known, settings), "whitelisted") for symbol in wanted]
    out = [
        _Out(item, "blacklist", "blacklisted")
        if symbol in settings.blacklist
        else _Out(item, "whitelist", "not in the whitelist")
        for symbol, item in known.items()
        if symbol not in wanted
    ]
    return chosen, out


def _ranked(known: Mapping[str, Listing], settings: Universe) -> tuple[_Chosen, list[_Out]]:
    is_top = settings.mode is UniverseMode.TOP_N
    if is_top and (settings.top_n is None or settings.top_n < 1):
        raise UniverseError('mode = "TOP_N" needs [universe] top_n, a whole number, ≥ 1')
    passed: list[Listing] = []
    out: list[_Out] = []
    for listing in known.values():
        refusal = _filtered(listing, settings)
        if refusal is None:
            passed.append(listing)
        else:
            out.append(refusal)
    # Sorting in reverse keeps the source's order among equals.
    passed.sort(key=lambda listing: _volume(listing) or Decimal(0), reverse=True)
    limit = settings.top_n if is_top and settings.top_n is not None else len(passed)
    beyond = [
        _Out(listing, "top_n", f"rank {rank}, top_n is {limit}")
        for rank, listing in enumerate(passed[limit:], start=limit + 1)
    ]
    return [(listing, f"rank {rank}") for rank, listing in enumerate(passed[:limit], start=1)], [*beyond, *out]


def _filtered(listing: Listing, settings: Universe) -> _Out | None:
    minimum, volume = settings.min_24h_quote_volume, _volume(listing)
    if listing.quote != settings.base_quote:
        return _Out(listing, "base_quote", f"quote asset is {listing.quote}, not {settings.base_quote}")
    if listing.symbol in settings.blacklist:
        return _Out(listing, "blacklist", "blacklisted")
    if settings.whitelist and listing.symbol not in settings.whitelist:
        return _Out(listing, "whitelist", "not in the whitelist")
    if minimum is not None and volume is None:
        return _Out(listing, "min_24h_quote_volume", "24 h volume unknown")
    if minimum is not None and volume is not None and volume < minimum:
        return _Out(listing, "min_24h_quote_volume", f"24 h volume {text(volume)} below {text(minimum)}")
    return None


def _volume(listing: Listing) -> Decimal | None:
    # A source may hand on what its venue sent; a volume that is not a number is not known.
    volume = listing.volume_24h_quote
    return volume if volume is not None and volume.is_finite() else None


def _named(key: str, symbol: str, known: Mapping[str, Listing], settings: Universe) -> Listing:
    if symbol in known:
        return known[symbol]
    raise UniverseError(_not_listed(key, symbol, known, settings))


def _not_listed(key: str, symbol: str, known: Iterable[str], settings: Universe) -> str:
    source = f'universe.{key}: the symbol source "{settings.source}"'
    return f"{source} does not list {symbol!r}{did_you_mean(symbol, known)}"


def _verdict(listing: Listing, reason: str, *, is_in: bool) -> Verdict:
    return Verdict(symbol=listing.symbol, volume_24h_quote=_volume(listing), is_in=is_in, reason=reason)


def _nothing_left(listed: int, out: Sequence[_Out], settings: Universe) -> str:
    quotes = ", ".join(dict.fromkeys(item.listing.quote for item in out))
    advice = {
        "base_quote": f"set base_quote to one of {quotes}",
        "blacklist": "shorten the blacklist",
        "whitelist": "add listed symbols to the whitelist",
        "min_24h_quote_volume": "lower min_24h_quote_volume, or remove it",
    }
    removed = Counter(item.rule for item in out)
    counts = ", ".join(f"{removed[rule]} by {rule}" for rule in advice if removed[rule])
    # The last filter that took something out met the symbols that all others had let through.
    is_fixed = settings.mode is UniverseMode.FIXED_LIST
    last = "blacklist" if is_fixed else [rule for rule in advice if removed[rule]][-1]
    return f"no symbol is left of the {listed} listed: {counts} removed; {advice[last]} under [universe]"


def unknown_warnings(selection: Selection, settings: Universe, *, is_recorded: bool = False) -> Iterator[str]:
    """Say which blacklisted and whitelisted symbols the source doesn't list, and so have no effect.

    ``is_recorded``: from recordings, which lack by right what was left out when they were made.
    """
    known = [verdict.symbol for verdict in selection.verdicts]
    blacklist = () if is_recorded else settings.blacklist
    for key, symbols in (("blacklist", blacklist), ("whitelist", settings.whitelist)):
        yield from (_not_listed(key, symbol, known, settings) for symbol in symbols if symbol not in known)


def coverage_warning(selection: Selection, loaded: int, settings: Universe) -> str | None:
    """Say that TOP_N gets fewer symbols than it asks for; ``loaded``: how many can be traded."""
    if settings.mode is not UniverseMode.TOP_N or selection.listed is None or loaded >= (settings.top_n or 0):
        return None
    return (
        f"universe.top_n asks for {settings.top_n} symbols, and {loaded} can be traded: {selection.listed} of the "
        f'{len(selection.verdicts)} that the source "{settings.source}" lists pass the filters of [universe], and '
        f"{loaded} of those taken are listed at two venues"
    )


def stablecoin_warning(symbols: Iterable[Listing], settings: Universe) -> str | None:
    """Return a warning with the line that takes stablecoin pairs out of the universe; ``None``: nothing to say."""
    found = [listing.symbol for listing in symbols if listing.base in _STABLECOINS]
    # The symbol of SINGLE was asked for by name, and a blacklist would contradict it.
    if not found or settings.mode is UniverseMode.SINGLE:
        return None
    blacklist = toml_literal(list(dict.fromkeys([*settings.blacklist, *found])))
    return (
        f"{', '.join(found)}: the base asset is a stablecoin, whose price hardly moves; "
        f"to leave such symbols out, write under [universe]: blacklist = {blacklist}"
    )
