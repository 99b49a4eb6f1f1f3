"""Which ids there were, in a few bytes each."""

from __future__ import annotations

__all__ = ["SeenIds"]

_DIGITS = "0123456789"
#: Numbers that are further beyond the highest one than this don't continue a sequence.
_GAP = 1 << 16


class SeenIds:
    """A set of ids. Those that a running number ends, as ours do, take a bit each and not a string."""

    def __init__(self) -> None:
        self._bits: dict[str, bytearray] = {}
        self._others: set[str] = set()

    def __contains__(self, text: str) -> bool:
        prefix, number = _split(text)
        bits = self._bits.get(prefix)
        if bits is None or number < 0 or number >> 3 >= len(bits):
            return text in self._others
        return bool(bits[number >> 3] >> (number & 7) & 1) or text in self._others

    def add(self, text: str) -> bool:
        """Add an id; return whether it is new.

        Args:
            text: The id.
        """
        prefix, number = _split(text)
        bits = self._bits.get(prefix)
        if bits is None:
            bits = self._bits[prefix] = bytearray()
        byte, bit = number >> 3, 1 << (number & 7)
        if number < 0 or byte >= len(bits) + _GAP:
            is_new = text not in self
            self._others.add(text)
            return is_new
        if byte >= len(bits):
            bits.extend(bytes(byte + 1 + len(bits) // 8))
        if bits[byte] & bit or (self._others and text in self._others):
            return False
        bits[byte] |= bit
        return True


def _split(text: str) -> tuple[str, int]:
    """Return an id's prefix and number; -1 where the number does not say all of the rest."""
    prefix = text.rstrip(_DIGITS)
    digits = text[len(prefix) :]
    if not digits or len(digits) > 15 or (digits[0] == "0" and len(digits) > 1):
        return prefix, -1
    return prefix, int(digits)
