"""The channel is held to the cases of the conformance kit, on a web server of this machine."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import Any

import pytest
from alert_receivers import http_receiver

from trioarb.pytest_plugin import Conformance
from trioarb.testing.conformance import ChannelStage, Trouble, Verdict

#: What Apprise imports warns of itself.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@asynccontextmanager
async def server() -> AsyncIterator[ChannelStage]:
    with http_receiver() as receiver:

        class Server(ChannelStage):
            troubles = frozenset({Trouble.SERVER_ERROR, Trouble.LOST_ANSWER})
            settings: Mapping[str, Any] = MappingProxyType(
                {"urls": [receiver.url.replace("http://", "json://")], "pace_seconds": 0}
            )

            def arrived(self) -> list[str]:
                return [f"{body['title']}\n{body['message']}" for body in list(receiver.bodies)]

            async def trouble(self, trouble: Trouble, times: int = 1) -> None:
                receiver.status, receiver.pause_seconds = (500, 0) if trouble is Trouble.SERVER_ERROR else (204, 0.7)

            async def calm(self) -> None:
                receiver.status, receiver.pause_seconds = 204, 0

        yield Server()


def test_it_conforms(conformance: Conformance) -> None:
    report = conformance(kind="alert", name="apprise", stage=server)
    assert {one.verdict for one in report.outcomes} == {Verdict.PASS}, list(report.lines())
