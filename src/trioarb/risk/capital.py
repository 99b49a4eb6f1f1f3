"""What all campaigns of an account on this machine have at risk together, and that it stays below a cap.

Each account has a file: what every campaign of it last said it has at risk. Whoever wants more locks the file, adds up,
and writes down what it takes, all at once. A campaign that was killed still holds what it held: its positions are
there, too. Who goes on with it, or ends it, changes that.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from decimal import Decimal
from pathlib import Path

import attrs
import msgspec

from trioarb.errors import TrioarbError
from trioarb.model.number import EXACT, ZERO, text
from trioarb.model.trade import Answer, OrderSize, Refusal

__all__ = ["Capital", "Share", "SharesUnknown", "shares_of"]

#: Nobody holds the lock for longer than a fraction of a millisecond, unless it was stopped in there.
_TRIES, _TRY_SECONDS = 40, 0.0005


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """What one campaign has at risk at an account. ``journal``: where it is kept, '' if nowhere."""

    usd: Decimal
    journal: str


class SharesUnknown(TrioarbError):
    """What others have at risk can't be known: why, and what to do."""


_Shares = dict[str, Share]


@attrs.define
class Capital:
    """The part of one campaign. ``files``: of each account that it trades with."""

    cap_usd: Decimal
    files: Sequence[Path]
    campaign_id: str
    journal: str
    #: What the files say of it.
    _said: Decimal | None = attrs.field(default=None, init=False)

    def claim(self, at_risk_usd: Decimal, more_usd: Decimal) -> Refusal | None:
        """Take what is at risk already and so much more, at all accounts or at none; or say why not.

        Where something is left, the refusal reduces to that.
        """
        wanted = EXACT.add(at_risk_usd, more_usd)
        try:
            with self._locked() as found:
                others = [_total(shares, self.campaign_id) for shares in found]
                most = max(others, default=ZERO)
                if EXACT.add(most, wanted) > self.cap_usd:
                    return self._refusal(EXACT.subtract(EXACT.subtract(self.cap_usd, most), at_risk_usd), most, wanted)
                self._write(found, wanted)
        except SharesUnknown as error:
            return Refusal(answer=Answer.DENY, rule="capital_cap", value=str(error), limit=text(self.cap_usd))
        return None

    def say(self, at_risk_usd: Decimal) -> None:
        """Take note of what is at risk now. What can't be written down now is written the next time."""
        if at_risk_usd == self._said:
            return
        try:
            with self._locked() as found:
                self._write(found, at_risk_usd)
        except SharesUnknown:
            self._said = None

    def _refusal(self, left: Decimal, others: Decimal, wanted: Decimal) -> Refusal:
        value = f"{text(EXACT.add(others, wanted))}, {text(others)} of it of other campaigns"
        if left <= 0:
            return Refusal(answer=Answer.DENY, rule="capital_cap", value=value, limit=text(self.cap_usd))
        return Refusal(
            answer=Answer.REDUCE,
            rule="capital_cap",
            value=value,
            limit=text(self.cap_usd),
            largest=OrderSize(usd=left),
        )

    @contextmanager
    def _locked(self) -> Iterator[list[_Shares]]:
        """Hold the locks of all files, in their order, and give what they say."""
        with ExitStack() as stack:
            for path in self.files:
                stack.enter_context(_lock_of(path))
            yield [shares_of(path) for path in self.files]

    def _write(self, found: Sequence[_Shares], usd: Decimal) -> None:
        for path, shares in zip(self.files, found, strict=True):
            mine = {self.campaign_id: Share(usd=usd, journal=self.journal)} if usd else {}
            others = {name: share for name, share in shares.items() if name != self.campaign_id}
            _replace(path, others | mine)
        self._said = usd


def shares_of(path: Path) -> _Shares:
    """Return what an account's campaigns have at risk, by campaign.

    Raises:
        SharesUnknown: the file can't be read.
    """
    try:
        shares = _DECODER.decode(path.read_bytes())
        if not all(share.usd.is_finite() and share.usd > 0 for share in shares.values()):
            raise ValueError
        return shares
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.MsgspecError, ValueError) as error:
        what = type(error).__name__
        raise SharesUnknown(f"{path} can't be read ({what}); remove it once no campaign holds anything") from None


def _total(shares: Mapping[str, Share], without: str) -> Decimal:
    total = ZERO
    for name, share in shares.items():
        if name != without:
            total = EXACT.add(total, share.usd)
    return total


@contextmanager
def _lock_of(path: Path) -> Iterator[None]:
    try:
        held = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise SharesUnknown(f"{path} can't be locked: {error.strerror}") from None
    try:
        for _ in range(_TRIES):
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                time.sleep(_TRY_SECONDS)
        else:
            raise SharesUnknown(f"{path} is locked by another campaign that doesn't go on")
        yield
    finally:
        os.close(held)  # which lets the lock go


def _replace(path: Path, shares: _Shares) -> None:
    """Write a file anew, so that whoever is killed meanwhile leaves the old one or the new one."""
    beside = path.with_suffix(".new")
    try:
        beside.write_bytes(_ENCODER.encode(shares))
        beside.replace(path)
    except OSError as error:
        raise SharesUnknown(f"{path} can't be written: {error.strerror}") from None


_DECODER = msgspec.json.Decoder(dict[str, Share])
_ENCODER = msgspec.json.Encoder()
