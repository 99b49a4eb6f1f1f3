"""Client order ids as a venue takes them: shorter, of fewer characters, with a prefix; and back."""

from __future__ import annotations

import re

__all__ = ["ClientIds"]

#: ``START-DIGEST-[rSTRETCH-]NUMBER``: the campaign's start and digest in hexadecimal digits, which stretch of it, if it
#: was resumed, and the order's number.
_OURS = re.compile(r"([1-9a-f][0-9a-f]{0,15}|0)-([0-9a-f]{6})-(?:r([1-9][0-9]*)-)?([1-9][0-9]*)", re.ASCII)

_START_BITS, _DIGEST_BITS, _STRETCH_BITS = 64, 24, 10
#: A campaign has room for so many orders at least.
_LEAST_ORDERS = 1 << 20


class ClientIds:
    """Makes a venue's client ids from ours, and ours from them; nothing has to be remembered for it.

    Two orders never get one id, whatever campaigns they are of, and an id that isn't made of one of ours has none.

    Args:
        alphabet: The characters that the venue takes.
        length: How many at most, the prefix included.
        prefix: What each of them begins with.

    Raises:
        ValueError: Not enough ids fit.
    """

    def __init__(self, *, alphabet: str, length: int, prefix: str = "") -> None:
        if len(set(alphabet)) < len(alphabet) or len(alphabet) < 2:
            raise ValueError(f"alphabet = {alphabet!r}; expected two characters at least, each of them once")
        self._alphabet = alphabet
        self._digit_of = {character: digit for digit, character in enumerate(alphabet)}
        self._prefix = prefix
        self._length = length
        room = len(alphabet) ** max(0, length - len(prefix)) >> _START_BITS + _DIGEST_BITS + _STRETCH_BITS
        if room < _LEAST_ORDERS:
            raise ValueError(
                f"length = {length}, prefix = {prefix!r}: {len(alphabet)} different characters leave room for {room:,} "
                f"orders of a campaign; expected {_LEAST_ORDERS:,} at least"
            )

    def encode(self, client_order_id: str) -> str:
        """Return the venue's id of one of ours.

        Args:
            client_order_id: Ours, as in an `Order`.

        Raises:
            ValueError: It is none of ours, or has no room.
        """
        found = _OURS.fullmatch(client_order_id)
        if found is None:
            raise ValueError(f"{client_order_id!r} is no client order id of a campaign")
        start, digest, stretch, number = int(found[1], 16), int(found[2], 16), int(found[3] or 0), int(found[4])
        if stretch >> _STRETCH_BITS:
            raise ValueError(f"{client_order_id!r}: no room for a campaign that was resumed {stretch} times")
        packed = ((number << _STRETCH_BITS | stretch) << _DIGEST_BITS | digest) << _START_BITS | start
        digits = list[str]()
        while packed:
            packed, digit = divmod(packed, len(self._alphabet))
            digits.append(self._alphabet[digit])
        encoded = self._prefix + "".join(reversed(digits))
        if len(encoded) > self._length:
            raise ValueError(f"{client_order_id!r} takes {len(encoded)} characters; the venue takes {self._length}")
        return encoded

    def decode(self, venue_id: str) -> str | None:
        """Return ours of a venue's id; ``None``: it isn't made of one of ours.

        Args:
            venue_id: As the venue says it.
        """
        digits = venue_id.removeprefix(self._prefix)
        if not venue_id.startswith(self._prefix) or not digits or len(venue_id) > self._length:
            return None
        packed = 0
        for character in digits:
            digit = self._digit_of.get(character)
            if digit is None:
                return None
            packed = packed * len(self._alphabet) + digit
        packed, start = divmod(packed, 1 << _START_BITS)
        packed, digest = divmod(packed, 1 << _DIGEST_BITS)
        number, stretch = divmod(packed, 1 << _STRETCH_BITS)
        ours = f"{start:x}-{digest:06x}-{f'r{stretch}-' if stretch else ''}{number}"
        # Zeros before it would be another name of the same order.
        return ours if number and digits[0] != self._alphabet[0] else None
