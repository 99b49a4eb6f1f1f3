"""Guard tiers as the engine has them: behind the border."""

from __future__ import annotations

from trioarb.api import GuardTier
from trioarb.plugin.border import CheckedGuard
from trioarb.plugin.call import Calls, Where

__all__ = ["checked"]


def checked(name: str, tier: GuardTier) -> CheckedGuard:
    return CheckedGuard(tier, Where(key=f"guards.{name}", plugin=name, calls=Calls(seconds=30)))
