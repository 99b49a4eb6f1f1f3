"""What a campaign does in live mode only."""

from __future__ import annotations

from decimal import Decimal
from functools import partial

import attrs

from trioarb.course.course import Course
from trioarb.engine.accounts import capital_of
from trioarb.engine.campaign import Campaign
from trioarb.engine.preflight import Verdict, preflight
from trioarb.errors import CampaignError
from trioarb.model.trade import Refusal
from trioarb.risk.capital import Capital
from trioarb.time.campaign_time import SECOND_NS, Turn, seconds_to_ns

__all__ = ["begin_live", "count_capital", "end_live", "warm_up"]

_WARM_ORDER = Turn.SERVICE.order(number=20)
_CAPITAL_ORDER = Turn.SERVICE.order(number=21)
_WARMING = "warming_up"


@attrs.define
class _SeenCapital(Capital):
    """What others have at risk is no part of the campaign: it stands in its course what came of looking."""

    course: Course

    def claim(self, at_risk_usd: Decimal, more_usd: Decimal) -> Refusal | None:
        look = partial(Capital.claim, self, at_risk_usd, more_usd)
        return self.course.seen("claim", look)

    def say(self, at_risk_usd: Decimal) -> None:
        if not self.course.is_told:
            Capital.say(self, at_risk_usd)


async def begin_live(campaign: Campaign, *, journal: str, is_resumed: bool) -> None:
    """Look at the venues before anything is sent to them, and let nothing be entered before `warm_up` says so.

    What is at risk counts together with the accounts' other campaigns from now on. What speaks against trading fences
    a campaign that is resumed: there may be something to close, which nothing must stop.

    Raises:
        CampaignError: a new campaign must not begin so, says all of it; or nobody can say what is at risk elsewhere.
    """
    cap_usd, holds = campaign.config.live.capital_cap_usd, campaign.parts.guards.holds
    assert cap_usd is not None
    ids = [exchange.account_id for exchange in campaign.world.exchanges.values() if exchange.account_id]
    course = campaign.course
    own = capital_of(cap_usd, [] if course.is_told else ids, campaign.campaign_id, journal)
    campaign.parts.guards.capital = _SeenCapital(cap_usd, own.files, campaign.campaign_id, journal, course)
    holds.hold(_WARMING, f"until every venue has quoted for {campaign.config.live.warm_seconds} s")
    found = await preflight(campaign, campaign.world.exchanges)
    refused = [str(one) for one in found if one.verdict is Verdict.REFUSE]
    if refused and not is_resumed:
        raise CampaignError("nothing was sent; what speaks against it:\n  " + "\n  ".join(refused))
    if refused:
        holds.hold("preflight", "; ".join(refused))
    warned = [str(one) for one in found if one.verdict is not Verdict.GOOD]
    campaign.warnings = (*campaign.warnings, *map(campaign.config.redactor.text, warned))


def end_live(campaign: Campaign) -> None:
    """Say what is left at risk."""
    if campaign.parts.guards.capital is not None:
        campaign.parts.guards.capital.say(campaign.state.exposure.exposure_usd())


async def count_capital(campaign: Campaign) -> None:
    """Say each second what is at risk: it becomes less without anybody asking."""
    capital = campaign.parts.guards.capital
    assert capital is not None
    while True:
        capital.say(campaign.state.exposure.exposure_usd())
        await campaign.parts.time.sleep(SECOND_NS, _CAPITAL_ORDER)


async def warm_up(campaign: Campaign) -> None:
    """Let entries begin once every venue has quoted for a while: books come one by one."""
    warm_ns = seconds_to_ns(campaign.config.live.warm_seconds)
    time, venues, boards = campaign.parts.time, campaign.world.markets, campaign.world.boards
    since: dict[str, int] = {}
    while len(since) < len(venues) or time.now_ns() < max(since.values()) + warm_ns:
        await time.sleep(SECOND_NS // 10, _WARM_ORDER)
        for venue in venues:
            if venue not in since and any(board.quote_at(venue) is not None for board in boards.values()):
                since[venue] = time.now_ns()
    campaign.parts.guards.holds.release(_WARMING)
