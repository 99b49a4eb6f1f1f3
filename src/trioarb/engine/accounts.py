"""What campaigns of the same accounts on this machine know of each other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path

from trioarb.control.runtime import private_folder
from trioarb.plugin.extras import require
from trioarb.risk.capital import Capital, Share, shares_of

__all__ = ["at_risk_elsewhere", "capital_of", "state_folder"]


def state_folder() -> Path:
    """Return the folder that keeps what has to outlive the machine's restart; nobody else can look into it.

    Raises:
        ControlError: it can't be made, belongs to somebody else, or is open to others.
        MissingPackage: what knows the place isn't installed.
    """
    require("platformdirs", "live mode")
    from platformdirs import user_state_path

    return private_folder(user_state_path("trioarb", appauthor=False))


def capital_of(cap_usd: Decimal, account_ids: Iterable[str], campaign_id: str, journal: str) -> Capital:
    """Return a campaign's part of what all campaigns of its accounts may have at risk.

    Raises:
        TrioarbError: there is no place to keep it.
    """
    files = [_file_of(one) for one in sorted(set(account_ids))]
    return Capital(cap_usd=cap_usd, files=files, campaign_id=campaign_id, journal=journal)


def at_risk_elsewhere(account_id: str, campaign_id: str) -> Mapping[str, Share]:
    """Return what other campaigns of an account have at risk, by campaign.

    Raises:
        SharesUnknown: it can't be read.
    """
    return {name: share for name, share in shares_of(_file_of(account_id)).items() if name != campaign_id}


def _file_of(account_id: str) -> Path:
    return state_folder() / f"at-risk-{account_id}.json"
