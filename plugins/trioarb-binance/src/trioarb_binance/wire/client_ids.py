"""Client ids as Binance takes them: ``^[a-zA-Z0-9-_]{1,36}$``, unique among open orders."""

from __future__ import annotations

from trioarb.api import ClientIds

__all__ = ["CLIENT_IDS"]

#: Digits and consonants only. Binance's firewall blocks requests that hold words of SQL, and its page asks to avoid
#: them: neither ``--`` nor such a word can come about by chance here.
CLIENT_IDS = ClientIds(alphabet="0123456789bcdfghjklmnpqrstvwxz", length=36, prefix="trioarb-")
