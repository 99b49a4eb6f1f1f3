"""A venue's limits as this machine has them together: whoever asks a venue from here counts in one budget."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import structlog

from trioarb.venue.ledger import Ledger
from trioarb.venue.limit_rules import Closed, LimitRules
from trioarb.venue.limits import Limits
from trioarb.venue.runtime import runtime_folder

__all__ = ["open_limits"]


def _warn(closed: Closed) -> None:
    structlog.get_logger("trioarb.venue").warning(
        "a venue refuses more for now",
        venue=closed.venue,
        limits=", ".join(closed.buckets),
        seconds=round(closed.seconds, 1),
        because=closed.reason,
    )


@contextmanager
def open_limits(
    venue: str,
    rules: LimitRules,
    *,
    address: str,
    api_key: str = "",
    on_closed: Callable[[Closed], None] = _warn,
) -> Iterator[Limits]:
    """Keep a venue's limits together with all of this user's processes that ask it at this address.

    What the venue counts by key (`LimitRules.by_key`) is shared by those of the same ``api_key``, and not at all
    without one; everything else by all of them, so by source, market data and account as well. What each of them is
    told closes it for the others, too.

    Args:
        venue: The name that errors and reports have.
        rules: Its limits.
        address: Host and port, or anything else that tells one counter from another.
        api_key: Whose limits by key these are; never shown, nor written as it is.
        on_closed: Told when the venue refuses more; must not raise. The log says it, unless something else is given.

    Yields:
        The limits, to be asked until the block ends.

    Raises:
        VenueError: The file that they share can't be opened, or isn't ours.
    """
    folder, name = runtime_folder(), f"{venue} {address}"
    with ExitStack() as stack:

        def ledger(key: str) -> Ledger:
            opened = Ledger.of_key(folder, name, key)
            stack.callback(opened.close)
            return opened

        by_address = ledger("")
        ledgers = {bucket: by_address for bucket in rules.buckets if bucket not in rules.by_key}
        if api_key and rules.by_key:
            by_key = ledger(api_key)
            ledgers |= {bucket: by_key for bucket in rules.buckets if bucket in rules.by_key}
        yield Limits(venue, rules, on_closed=on_closed, ledgers=ledgers)
