"""What it takes before a command may send orders that cost money."""

from __future__ import annotations

import time
from pathlib import Path

import attrs

from trioarb.config.digest import digest_of
from trioarb.config.schema import Config, Mode
from trioarb.engine.accounts import state_folder
from trioarb.errors import CampaignError, ConfigError
from trioarb.settings.problem import Problem

__all__ = ["ARMED_SECONDS", "arm", "require_armed", "require_live"]

#: How long a configuration stays armed: whoever looked at the pre-flight is still there.
ARMED_SECONDS = 600


def require_live(config: Config, *, flag: bool) -> None:
    """See that both the configuration and the command line say so.

    Raises:
        ConfigError: only one of them does.
    """
    mode = config.session.mode
    if mode is Mode.LIVE and not flag:
        raise ConfigError(
            [
                Problem(
                    key="session.mode",
                    message="sends orders that cost money, and the flag --live is missing",
                    value=f'"{mode.value}"',
                    remedy="add --live if that is what you want, or --set session.mode=paper",
                )
            ]
        )
    if flag and mode is not Mode.LIVE:
        raise ConfigError(
            [
                Problem(
                    file="--live",
                    key="session.mode",
                    message="sends no order to a real venue, so --live has no meaning",
                    value=f'"{mode.value}"',
                    remedy="leave --live out, or --set session.mode=live",
                )
            ]
        )


def arm(config: Config) -> None:
    """Let a campaign of this configuration begin within ten minutes from now.

    Raises:
        CampaignError: it can't be written down.
    """
    path = _path(config)
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        for other in path.parent.iterdir():
            if time.time() - other.stat().st_mtime > ARMED_SECONDS:
                other.unlink()
        path.touch()
    except OSError as error:
        raise CampaignError(f"{path} can't be written: {error.strerror}") from None


def require_armed(config: Config, file: Path) -> None:
    """See that the pre-flight of this configuration was passed within the last ten minutes; for live mode.

    Raises:
        ConfigError: it wasn't.
    """
    if config.session.mode is not Mode.LIVE:
        return
    try:
        age = time.time() - _path(config).stat().st_mtime
    except OSError:
        age = None
    if age is not None and 0 <= age <= ARMED_SECONDS:
        return
    raise ConfigError(
        [
            Problem(
                file=str(file),
                message="isn't armed with these settings"
                if age is None
                else f"was armed {age / 60:,.0f} minutes ago, which is too long",
                remedy=f"trioarb check {file} --online, with the same --set, looks at keys, clocks, balances and fees, "
                f"and arms it for {ARMED_SECONDS // 60} minutes",
            )
        ]
    )


def _path(config: Config) -> Path:
    """Return the file that says so: of the configuration, but for how long and where it runs."""
    session = attrs.evolve(config.session, max_runtime_seconds=None, max_iterations=None, journal=None)
    return state_folder() / "armed" / digest_of(attrs.evolve(config, session=session))
