"""The version of what plugins are written against, and whether a plugin fits it."""

from __future__ import annotations

from typing import Final

from trioarb.errors import shown

__all__ = ["API_VERSION", "version_flaw"]

#: The major version of the plugin API: `trioarb.api`, `trioarb.testing` and `trioarb.venue`. It changes when a plugin
#: that was right before may be wrong after; what is added doesn't change it.
API_VERSION: Final = 1

#: What a plugin's module, or the object that has its hooks, calls the version that it was written for.
_NAME = "TRIOARB_API"


def version_flaw(plugin: object) -> str:
    """Return why a plugin can't be used with this version of the API, and what to do; '': it can."""
    version: object = getattr(plugin, _NAME, 1)
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        return f"says {_NAME} = {shown(version)}; write the major version as a whole number, {_NAME} = {API_VERSION}"
    if version == API_VERSION:
        return ""
    remedy = (
        "upgrade trioarb, or install an earlier version of that package"
        if version > API_VERSION
        else "install a newer version of that package, or an earlier trioarb"
    )
    return f"is written for version {version} of the plugin API, and this trioarb has version {API_VERSION}; {remedy}"
