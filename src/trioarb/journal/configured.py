"""The configuration of a campaign, as it was last written into its journal."""

from __future__ import annotations

from trioarb.journal.fold import Folding
from trioarb.model.event import CampaignResumed, Commanded, Record

__all__ = ["Configured"]


class Configured(Folding):
    """Folds ``config``, as text, its ``digest``, and ``settings``: what was set after that, by key."""

    def __init__(self, config: str, digest: str) -> None:
        self.config = config
        self.digest = digest
        self.settings: dict[str, str] = {}

    def _resume(self, resumed: CampaignResumed, _: Record) -> None:
        self.config, self.digest, self.settings = resumed.config, resumed.config_digest, {}

    def _set(self, commanded: Commanded, _: Record) -> None:
        if commanded.key is not None and commanded.after is not None:
            self.settings[commanded.key] = commanded.after
