"""The webhook as an alert channel: a message is one POST of JSON."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import attrs

from trioarb.api import (
    AlertChannel,
    AlertChannelSpec,
    AlertContext,
    AlertMessage,
    ChannelError,
    hookimpl,
    setting,
)

if TYPE_CHECKING:
    import httpx

__all__ = ["WebhookChannel", "WebhookSettings", "trioarb_alert_channels"]

#: What a server says that may say otherwise a moment later.
_AGAIN = {408, 409, 425, 429}
_SIGNATURE = "X-Trioarb-Signature"


@attrs.frozen(kw_only=True)
class WebhookSettings:
    url: str = setting(doc="where messages are posted to, http or https", secret=True)
    headers: Mapping[str, str] = setting(
        factory=dict, doc="headers that are sent along, such as Authorization", secret=True
    )
    secret: str | None = setting(
        None,
        doc=f"key of the HMAC-SHA256 of the body, in hex, that is sent as {_SIGNATURE}: sha256=…; absent: none",
        secret=True,
    )

    def __attrs_post_init__(self) -> None:
        try:
            parts = urlsplit(self.url)
            is_fine = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
        except ValueError:
            is_fine = False
        if not is_fine and self.url != "***":  # what stands for a secret that isn't read
            raise ValueError("url is no address that begins with http:// or https:// and names a host")


class WebhookChannel(AlertChannel):
    def __init__(self, settings: WebhookSettings, client: httpx.AsyncClient) -> None:
        self._settings = settings
        self._client = client

    async def send(self, message: AlertMessage) -> None:
        """Post the message.

        Raises:
            ChannelError: the server can't be reached, or answers with another status than 2xx. Not to be tried again
                where it says that the request itself is wrong.
        """
        import httpx

        body = json.dumps(_body(message), ensure_ascii=False).encode("utf-8", "replace")
        headers = {**self._settings.headers, "Content-Type": "application/json"}
        try:
            if self._settings.secret is not None:
                digest = hmac.new(self._settings.secret.encode(), body, hashlib.sha256).hexdigest()
                headers[_SIGNATURE] = f"sha256={digest}"
            # The answer's body is of no interest, and may be endless.
            async with self._client.stream("POST", self._settings.url, content=body, headers=headers) as answer:
                status, after = answer.status_code, answer.headers.get("Retry-After", "")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            # Its text may hold the address, which is a secret.
            raise ChannelError(f"the webhook can't be reached: {type(error).__name__}") from None
        except UnicodeError as error:  # nor may this one's be told
            said = f"its url, headers or secret hold what can't be sent: {type(error).__name__}"
            raise ChannelError(f"the webhook can't be reached: {said}", again=False) from None
        if not 200 <= status < 300:
            again = status in _AGAIN or status >= 500
            seconds = float(after) if after.isascii() and after.isdecimal() and len(after) < 6 else 0.0
            raise ChannelError(f"the webhook answered with status {status}", again=again, after_seconds=seconds)


def _body(message: AlertMessage) -> dict[str, Any]:
    return {
        "title": message.title,
        "text": message.body,
        "severity": message.severity.value,
        "is_over": message.is_over,
        "campaign": message.campaign,
        "env": message.env,
        "mode": message.mode,
        "number": message.number,
        "alerts": [
            {
                "rule": alert.rule,
                "incident": alert.incident,
                "severity": alert.severity.value,
                "about": alert.about,
                "text": alert.text,
                "at_ns": alert.at_ns,
                "seq": alert.seq,
                "is_over": alert.is_over,
                "held_back": alert.held_back,
                "details": dict(alert.details),
            }
            for alert in message.alerts
        ],
    }


@asynccontextmanager
async def _open(settings: WebhookSettings, context: AlertContext) -> AsyncIterator[AlertChannel]:
    import httpx

    # How long a try may take is said by who tries.
    async with httpx.AsyncClient(timeout=None, follow_redirects=False) as client:
        yield WebhookChannel(settings, client)


@hookimpl
def trioarb_alert_channels() -> list[AlertChannelSpec]:
    return [
        AlertChannelSpec(
            name="webhook",
            doc="each message is posted as JSON to an address",
            settings=WebhookSettings,
            open=_open,
            live=True,
            needs=("httpx",),
        )
    ]
