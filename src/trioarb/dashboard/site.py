"""What the dashboard answers, by address: the page's files, campaigns as JSON, and event streams."""

from __future__ import annotations

from contextlib import aclosing
from functools import partial
from importlib.resources import files
from pathlib import Path

import msgspec
import trio
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

from trioarb import __version__
from trioarb.dashboard.asking import ACTIONS, tell
from trioarb.dashboard.channel import Channel
from trioarb.dashboard.comparison import compare
from trioarb.dashboard.fleet import Campaigns, event_of
from trioarb.dashboard.gate import failed
from trioarb.dashboard.message import About, Action, Edges, Failure, Told, encoded
from trioarb.dashboard.metrics import CONTENT_TYPE, metrics_text
from trioarb.dashboard.past import Wanted, log_page, story_of
from trioarb.errors import ControlError, JournalError

__all__ = ["MOST_VIEWERS", "site_of"]

MOST_VIEWERS = 1_000
#: A comment is sent where there is no news for so long: it shows that both ends are there.
_QUIET_SECONDS = 3.0
#: In so much time an action has to come: it is a line, and nobody may hold its connection with the rest.
_BODY_SECONDS = 3.0
#: Of an action's body, and of events on a page of the log.
_LARGEST_BODY = 8_192


class _EventStream:
    """Sends what comes of a channel until it is closed, or nobody reads any more."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"x-accel-buffering", b"no")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_until_gone, receive, nursery.cancel_scope)
            with self._channel.watched() as apart:
                await self._send(send, apart)
            nursery.cancel_scope.cancel()

    async def _send(self, send: Send, apart: float) -> None:
        seen, channel = 0, self._channel
        while not channel.is_closed:
            seen, message = await channel.next(seen, apart=apart, quiet_seconds=_QUIET_SECONDS)
            if channel.is_closed:
                break
            await send({"type": "http.response.body", "body": message or b": quiet\n\n", "more_body": True})
        end = event_of("end", Failure(error="the server ends"))
        await send({"type": "http.response.body", "body": end, "more_body": False})


async def _until_gone(receive: Receive, scope: trio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()


class Site:
    """The handlers of all addresses."""

    def __init__(self, campaigns: Campaigns, *, reads_need_token: bool) -> None:
        self._campaigns = campaigns
        self._reads_need_token = reads_need_token

    async def about(self, _: Request) -> Response:
        return _json(
            About(
                version=__version__,
                reads_need_token=self._reads_need_token,
                actions=tuple(ACTIONS),
                viewers=self._campaigns.viewers,
                most_viewers=MOST_VIEWERS,
            )
        )

    async def fleet(self, _: Request) -> Response:
        await self._campaigns.freshen_all()
        return _json(self._campaigns.fleet())

    async def fleet_events(self, _: Request) -> Response | _EventStream:
        return self._stream(self._campaigns.fleet_channel)

    async def view(self, request: Request) -> Response:
        viewed = self._campaigns.find(request.path_params["name"])
        if viewed is None:
            return _unknown()
        await self._campaigns.freshen(viewed)
        view = self._campaigns.guarded(viewed, partial(self._campaigns.view, viewed, with_series=True))
        return _not_shown() if view is None else _json(view)

    async def events(self, request: Request) -> Response | _EventStream:
        name = request.path_params["name"]
        return _unknown() if self._campaigns.find(name) is None else self._stream(self._campaigns.channel(name))

    async def edges(self, request: Request) -> Response:
        viewed = self._campaigns.find(request.path_params["name"])
        symbol = request.query_params.get("symbol", "")
        return _unknown() if viewed is None else _json(Edges(symbol=symbol, series=viewed.edges(symbol)))

    async def log(self, request: Request) -> Response:
        viewed, asked = self._campaigns.find(request.path_params["name"]), request.query_params
        if viewed is None:
            return _unknown()
        try:
            numbers = {name: int(asked[name]) for name in ("before", "after", "limit") if name in asked}
        except ValueError:
            return failed(400, "before, after and limit are numbers")
        await self._campaigns.freshen(viewed)
        wanted = Wanted(type=asked.get("type", ""), symbol=asked.get("symbol", ""), text=asked.get("text", ""))
        try:
            return _json(await log_page(viewed.follower, wanted, **numbers))
        except JournalError as error:
            return failed(409, str(error))

    async def trade(self, request: Request) -> Response:
        viewed = self._campaigns.find(request.path_params["name"])
        if viewed is None:
            return _unknown()
        await self._campaigns.freshen(viewed)
        try:
            story = await story_of(viewed.follower, request.path_params["trade_id"])
        except JournalError as error:
            return failed(409, str(error))
        return failed(404, "the campaign has no such trade") if story is None else _json(story)

    async def compare(self, request: Request) -> Response:
        a, b = (self._campaigns.find(request.query_params.get(name, "")) for name in ("a", "b"))
        if a is None or b is None:
            return _unknown()
        await self._campaigns.freshen(a)
        await self._campaigns.freshen(b)
        if not (a.follower.is_current and b.follower.is_current):
            return failed(503, "their journals are still being read")
        compared = self._campaigns.guarded(a, partial(compare, a, b))
        return _not_shown() if compared is None else _json(compared)

    async def act(self, request: Request) -> Response:
        viewed = self._campaigns.find(request.path_params["name"])
        if viewed is None:
            return _unknown()
        if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            return failed(400, "an action is sent as application/json")
        body = b""
        with trio.move_on_after(_BODY_SECONDS) as reading:
            async with aclosing(request.stream()) as chunks:
                async for chunk in chunks:
                    body += chunk
                    if len(body) > _LARGEST_BODY:
                        return failed(400, f"an action has at most {_LARGEST_BODY} bytes")
        if reading.cancelled_caught:
            return failed(408, f"the action did not come within {_BODY_SECONDS:g} s")
        try:
            answer = await tell(viewed, msgspec.json.decode(body, type=Action))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return failed(400, f"this is no action: {error}")
        except ControlError as error:
            return failed(409, str(error))
        await self._campaigns.renew(viewed)
        return failed(409, answer.said) if answer.exit_code else _json(Told(said=answer.said))

    async def metrics(self, _: Request) -> Response:
        await self._campaigns.freshen_all()
        return Response(metrics_text(self._campaigns, self._campaigns.guarded), media_type=CONTENT_TYPE)

    async def healthz(self, _: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(self, _: Request) -> Response:
        """Say whether all that runs is read up to now, and answers."""
        await self._campaigns.freshen_all()
        running = [one for one in self._campaigns if one.follower.is_running]
        silent = sum(one.answered is None for one in running)
        reading = sum(not one.follower.is_current for one in running)
        said = f"running: {len(running)}; without an answer: {silent}; still being read: {reading}\n"
        return PlainTextResponse(said, status_code=503 if silent or reading else 200)

    def _stream(self, channel: Channel) -> Response | _EventStream:
        if self._campaigns.viewers >= MOST_VIEWERS:
            return failed(429, f"{MOST_VIEWERS} viewers look already")
        return _EventStream(channel)


def _json(message: msgspec.Struct) -> Response:
    return Response(encoded(message), media_type="application/json")


def _not_shown() -> Response:
    return failed(500, "the campaign can't be shown; the dashboard's log says why")


def _unknown() -> Response:
    return failed(404, "there is no campaign of this name")


def site_of(campaigns: Campaigns, *, reads_need_token: bool) -> Starlette:
    """Return the application, without its gate."""
    site = Site(campaigns, reads_need_token=reads_need_token)
    static = Path(str(files("trioarb.dashboard"))) / "static"
    routes = [
        Route("/healthz", site.healthz),
        Route("/metrics", site.metrics),
        Route("/readyz", site.readyz),
        Route("/api/about", site.about),
        Route("/api/campaigns", site.fleet),
        Route("/api/events", site.fleet_events),
        Route("/api/campaigns/{name}", site.view),
        Route("/api/campaigns/{name}/events", site.events),
        Route("/api/campaigns/{name}/edges", site.edges),
        Route("/api/campaigns/{name}/log", site.log),
        Route("/api/campaigns/{name}/trades/{trade_id}", site.trade),
        Route("/api/campaigns/{name}/actions", site.act, methods=["POST"]),
        Route("/api/compare", site.compare),
        *([Mount("/", StaticFiles(directory=static, html=True))] if static.is_dir() else []),
    ]
    return Starlette(routes=routes)
