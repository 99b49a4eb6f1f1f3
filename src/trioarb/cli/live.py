"""What it takes before a command may send orders that cost money."""

from __future__ import annotations

from trioarb.config.schema import Config, Mode
from trioarb.errors import ConfigError
from trioarb.settings.problem import Problem

__all__ = ["require_live"]


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
