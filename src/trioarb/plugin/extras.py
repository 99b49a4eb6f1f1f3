"""Packages that are installed beside trioarb: what brings each, and what it holds."""

from __future__ import annotations

import attrs

__all__ = ["EXTRAS", "Extra", "extra_with_plugin"]


@attrs.frozen(kw_only=True)
class Extra:
    """An extra of trioarb. ``folder``: where its package lies in a checkout, if it is one of ours."""

    name: str
    folder: str = ""
    plugins: tuple[str, ...] = ()

    @property
    def package(self) -> str:
        """The distribution that the extra brings, if it is one of ours."""
        return self.folder.rpartition("/")[2]

    @property
    def install(self) -> str:
        """The line that installs it, and the one for a checkout."""
        checkout = f"pip install {self.folder}" if self.folder else f"pip install '.[{self.name}]'"
        return f"pip install 'trioarb[{self.name}]' (in a checkout: {checkout})"


EXTRAS = (Extra(name="faults", folder="plugins/trioarb-faults", plugins=("faulty",)),)


def extra_with_plugin(name: str) -> Extra | None:
    """Return the extra that holds the plugin of this name."""
    return next((extra for extra in EXTRAS if name in extra.plugins), None)
