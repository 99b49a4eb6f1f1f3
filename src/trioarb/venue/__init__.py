"""The venue kit: what plugins of real venues are made of. Public for plugin authors, beside `trioarb.api`.

Requests, signatures and books are pure: they can be built and checked without a network. Import from here.
"""

from trioarb.errors import WireError
from trioarb.venue.book import BookOutcome, Change, OrderBook
from trioarb.venue.book_rule import BookRule, Place, linked, numbered, unnumbered
from trioarb.venue.number import finite, finite_float
from trioarb.venue.request import Credentials, Request, Response
from trioarb.venue.sign import base64_of, hmac_digest, json_web_token

__all__ = [
    "BookOutcome",
    "BookRule",
    "Change",
    "Credentials",
    "OrderBook",
    "Place",
    "Request",
    "Response",
    "WireError",
    "base64_of",
    "finite",
    "finite_float",
    "hmac_digest",
    "json_web_token",
    "linked",
    "numbered",
    "unnumbered",
]
