"""What has been silent for too long. Pure: time goes in steps that somebody else counts."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from math import ceil

__all__ = ["Key", "Silence"]

#: What is subscribed to, such as a symbol and a channel.
Key = Hashable

#: The shortest time that something may be silent is cut into so many steps, of no more than a second.
_STEPS = 8
#: What stays silent is named less and less often, down to this power of 2.
_DOUBLED_AT_MOST = 4


class Silence:
    """Names keys of which nothing was heard for too long, and again after twice the time, four times, and so on.

    Args:
        keys: for how many seconds each may be silent; `None`: for ever.
        other_seconds: another time that its steps are to be fine enough for.
    """

    def __init__(self, keys: Mapping[Key, float | None], other_seconds: float | None = None) -> None:
        limits = {key: seconds for key, seconds in keys.items() if seconds is not None}
        spans = [*limits.values(), *([] if other_seconds is None else [other_seconds])]
        self.step_seconds: float = min([1.0, *(seconds / _STEPS for seconds in spans)])
        #: The step of now. To note it with each message costs next to nothing.
        self.step: int = 0
        #: The step at which each key was heard last: whoever hears one sets it.
        self.heard: dict[Key, int] = {}
        self._allowed = {key: self.steps(seconds) for key, seconds in limits.items()}
        #: Of keys that are silent: when they were named last, and how often.
        self._named: dict[Key, tuple[int, int]] = {}
        self._is_looking = False

    def steps(self, seconds: float) -> int:
        """Return in how many steps so much time has surely passed."""
        return ceil(seconds / self.step_seconds)

    def begin(self) -> None:
        """Expect something of each key from now on."""
        self._is_looking = True
        self._named.clear()
        self.heard.update(dict.fromkeys(self._allowed, self.step))

    def end(self) -> None:
        """Expect nothing."""
        self._is_looking = False

    def advance(self) -> list[Key]:
        """Go on by a step; return the keys that have been silent for too long."""
        self.step += 1
        if not self._is_looking:
            return []
        return [key for key, allowed in self._allowed.items() if self._is_silent(key, allowed)]

    def _is_silent(self, key: Key, allowed: int) -> bool:
        if self.step - self.heard[key] <= allowed:
            self._named.pop(key, None)
            return False
        named_at, times = self._named.get(key, (0, 0))
        if times and self.step - named_at <= allowed * 2**times:
            return False
        self._named[key] = (self.step, min(times + 1, _DOUBLED_AT_MOST))
        return True
