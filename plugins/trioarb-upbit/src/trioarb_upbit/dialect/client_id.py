"""Client order ids: ours, in letters and digits that both venues take."""

from __future__ import annotations

from string import ascii_lowercase, digits

from trioarb.api import ClientIds

__all__ = ["DIGITS", "ours_of"]

#: Lower case only: nobody says whether ids that differ in case are different.
DIGITS = digits + ascii_lowercase


def ours_of(ids: ClientIds, client_id: str | None, venue_order_id: str) -> str:
    """Return our id of an order; of one that somebody else sent, the id that it has, at the venue if need be."""
    if not client_id:
        return venue_order_id
    return ids.decode(client_id) or client_id
