"""How the messages of a venue's book follow one another: one rule a venue, as a function of their numbers."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto

__all__ = ["BookRule", "Place", "linked", "numbered", "unnumbered"]


class Place(Enum):
    """Where changes stand to a book: all in it already, next, or with others missing before them."""

    OLD = auto()
    NEXT = auto()
    GAP = auto()


#: (number of the last change in the book; first and last number of a message; last number of the one before it)
BookRule = Callable[[int, int, int, int | None], Place]


def numbered(book: int, first: int, last: int, previous: int | None) -> Place:
    """Changes are numbered without a hole: Binance spot's ``U`` and ``u``.

    Source: Binance, "How to manage a local order book correctly" (steps of 2025-11-12). As sizes are absolute, changes
    that overlap with what is known are applied, such as those of a second connection.

    Args:
        book: The last number that is in the book.
        first: The first number of the message.
        last: The last number of the message.
        previous: What the message says is the last number before it; ``None``: it doesn't say.

    Returns:
        Where the message belongs.
    """
    if last <= book:
        return Place.OLD
    return Place.NEXT if first <= book + 1 else Place.GAP


def linked(book: int, first: int, last: int, previous: int | None) -> Place:
    """Numbers have holes, and each message names the last number before it: Binance USDT-M's ``pu``.

    Source: Binance, "How to manage a local order book correctly" (USDⓈ-M futures). A snapshot may stand anywhere
    between ``previous`` and ``last``: nothing of this book was changed between ``previous`` and ``first``. For the same
    reason changes that overlap with what is known are applied, such as those of a second connection.

    Args:
        book: The last number that is in the book.
        first: The first number of the message.
        last: The last number of the message.
        previous: What the message says is the last number before it; ``None``: it doesn't say.

    Returns:
        Where the message belongs.
    """
    if last <= book:
        return Place.OLD
    return Place.NEXT if previous is not None and previous <= book else Place.GAP


def unnumbered(book: int, first: int, last: int, previous: int | None) -> Place:
    """Nothing is numbered, each message is next: venues with checksums, or snapshots, only (Upbit, Bithumb).

    Args:
        book: The last number that is in the book.
        first: The first number of the message.
        last: The last number of the message.
        previous: What the message says is the last number before it; ``None``: it doesn't say.

    Returns:
        Where the message belongs.
    """
    return Place.NEXT
