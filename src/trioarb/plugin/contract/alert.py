"""Alert channels: how people are told."""

from __future__ import annotations

from abc import ABC, abstractmethod

import attrs

from trioarb.model.alert import AlertMessage
from trioarb.plugin.contract.context import PluginContext

__all__ = ["AlertChannel", "AlertContext"]


class AlertChannel(ABC):
    """One way to tell people: a chat, a mailbox, a bell.

    Runs in a task of its own beside the campaign, which waits for nothing of it. Opened before the campaign, and closed
    after its journal; one that breaks down later is opened again after ten seconds.
    """

    @abstractmethod
    async def send(self, message: AlertMessage) -> None:
        """Deliver a message; return once whoever carries it on has it. Called one at a time.

        Args:
            message: What to tell, without secrets. Its ``number`` counts the channel's messages: who gets one twice can
                tell.

        Raises:
            ChannelError: It wasn't delivered; says whether it makes sense to try again, and when. Anything else that is
                raised is tried again, too, as often as ``tries`` says. Then it counts as undelivered, and is logged:
                the campaign never hears of it.

        Cancellation:
            A try has taken longer than ``try_seconds``, or the campaign's end its ``end_seconds``. It has to let itself
            be cancelled.
        """


@attrs.frozen(kw_only=True)
class AlertContext(PluginContext):
    """What an alert channel is opened with.

    Attributes:
        name: The channel's, ``[channels.NAME]``.
    """

    name: str
