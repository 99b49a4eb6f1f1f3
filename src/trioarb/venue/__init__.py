"""The venue kit: what plugins of real venues are made of. Public for plugin authors, beside `trioarb.api`.

Requests, signatures and books are pure: they can be built and checked without a network. Import from here.
"""

from trioarb.errors import WireError
from trioarb.venue.backoff import Backoff
from trioarb.venue.beside import run_beside
from trioarb.venue.book import BookOutcome, Change, OrderBook
from trioarb.venue.book_rule import BookRule, Place, linked, numbered, unnumbered
from trioarb.venue.budget import open_limits
from trioarb.venue.calls import Calls
from trioarb.venue.clock import ClockRules, VenueClock
from trioarb.venue.endpoint import Endpoint
from trioarb.venue.failure import NotSent, RequestFailed
from trioarb.venue.heartbeat import Heartbeat
from trioarb.venue.host import Host
from trioarb.venue.ledger import Ledger
from trioarb.venue.limit_rules import Closed, Costs, LimitReached, LimitRules, Priority, Told, Usage
from trioarb.venue.limits import Limits, Permit
from trioarb.venue.number import require_exact
from trioarb.venue.pace import Pace
from trioarb.venue.refusal import date_ms, retry_after, seconds_to_reset
from trioarb.venue.request import Credentials, Request, Response
from trioarb.venue.rest import RestClient, open_rest
from trioarb.venue.resync import Resync
from trioarb.venue.runtime import runtime_folder
from trioarb.venue.session import WebSocketSession
from trioarb.venue.sign import account_id, base64_of, hmac_digest, json_web_token
from trioarb.venue.silence import Key
from trioarb.venue.tls import tls_context
from trioarb.venue.window import Limit

__all__ = [
    "Backoff",
    "BookOutcome",
    "BookRule",
    "Calls",
    "Change",
    "ClockRules",
    "Closed",
    "Costs",
    "Credentials",
    "Endpoint",
    "Heartbeat",
    "Host",
    "Key",
    "Ledger",
    "Limit",
    "LimitReached",
    "LimitRules",
    "Limits",
    "NotSent",
    "OrderBook",
    "Pace",
    "Permit",
    "Place",
    "Priority",
    "Request",
    "RequestFailed",
    "Response",
    "RestClient",
    "Resync",
    "Told",
    "Usage",
    "VenueClock",
    "WebSocketSession",
    "WireError",
    "account_id",
    "base64_of",
    "date_ms",
    "hmac_digest",
    "json_web_token",
    "linked",
    "numbered",
    "open_limits",
    "open_rest",
    "require_exact",
    "retry_after",
    "run_beside",
    "runtime_folder",
    "seconds_to_reset",
    "tls_context",
    "unnumbered",
]
