"""Alert channels: how people are told."""

from __future__ import annotations

from abc import ABC, abstractmethod

import attrs

from trioarb.model.alert import AlertMessage
from trioarb.plugin.contract.context import PluginContext

__all__ = ["AlertChannel", "AlertContext"]


class AlertChannel(ABC):
    @abstractmethod
    async def send(self, message: AlertMessage) -> None:
        """Deliver a message; return once whoever carries it on has it. Called one at a time.

        It has to let itself be cancelled: that is what happens when a try takes too long.

        Raises:
            ChannelError: it wasn't delivered; says whether it makes sense to try again, and when. Anything else that
                is raised is tried again, too.
        """


@attrs.frozen(kw_only=True)
class AlertContext(PluginContext):
    """``name`` is that of the channel, ``[channels.NAME]``."""

    name: str
