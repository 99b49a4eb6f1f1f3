"""What alerts arrive at: an HTTP server and a mail server on this machine, each in threads of its own."""

from __future__ import annotations

import email
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import attrs

__all__ = ["HttpReceiver", "MailReceiver", "http_receiver", "mail_receiver"]


@attrs.define(eq=False)
class HttpReceiver:
    """Messages as they were posted, and when. ``status`` is what is answered, after ``pause_seconds``."""

    url: str = ""
    status: int = 204
    pause_seconds: float = 0.0
    bodies: list[dict[str, Any]] = attrs.field(factory=list)
    headers: list[dict[str, str]] = attrs.field(factory=list)
    raw: list[bytes] = attrs.field(factory=list)
    times: list[float] = attrs.field(factory=list)

    def lines(self) -> list[str]:
        return [alert["text"] for body in list(self.bodies) for alert in body["alerts"]]


@contextmanager
def http_receiver() -> Iterator[HttpReceiver]:
    receiver = HttpReceiver()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["Content-Length"]))
            time.sleep(receiver.pause_seconds)
            receiver.times.append(time.time())
            receiver.raw.append(raw)
            receiver.headers.append(dict(self.headers.items()))
            receiver.bodies.append(json.loads(raw))
            self.send_response(receiver.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    receiver.url = f"http://127.0.0.1:{server.server_port}/hook/T0P-SECRET-PATH"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@attrs.define(eq=False)
class MailReceiver:
    """Mails as (subject, text)."""

    url: str = ""
    mails: list[tuple[str, str]] = attrs.field(factory=list)

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        mail = email.message_from_bytes(envelope.content, policy=default)
        body = mail.get_body(("plain", "html"))
        self.mails.append((str(mail["Subject"]), "" if body is None else body.get_content()))
        return "250 OK"


@contextmanager
def mail_receiver() -> Iterator[MailReceiver]:
    from aiosmtpd.controller import Controller

    receiver = MailReceiver()
    controller = Controller(receiver, hostname="127.0.0.1", port=0)
    try:
        controller.start()
    except Exception:  # it can't know that port 0 is another one by now
        if controller.server is None:
            raise
    port = controller.server.sockets[0].getsockname()[1]
    receiver.url = (
        f"mailto://127.0.0.1:{port}/?from=trioarb@example.com&to=desk@example.com&mode=insecure&smtp=127.0.0.1"
    )
    try:
        yield receiver
    finally:
        controller.stop()
