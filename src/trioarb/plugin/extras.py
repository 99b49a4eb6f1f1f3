"""Packages that are installed beside trioarb: what brings each, and what it holds."""

from __future__ import annotations

import importlib
import importlib.util

import attrs

from trioarb.errors import MissingPackage

__all__ = ["EXTRAS", "Extra", "extra_with_command", "extra_with_plugin", "missing", "require"]


@attrs.frozen(kw_only=True)
class Extra:
    """An extra of trioarb. ``folder``: where its package lies in a checkout, if it is one of ours; ``needs``: where
    another of ours does that it is built on.

    ``plugins``, ``commands`` and ``modules`` are what there is with it only.
    """

    name: str
    folder: str = ""
    needs: str = ""
    plugins: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()

    @property
    def package(self) -> str:
        """The distribution that the extra brings, if it is one of ours."""
        return self.folder.rpartition("/")[2]

    @property
    def install(self) -> str:
        """The line that installs it, and the one for a checkout."""
        folders = f"{self.needs} {self.folder}".strip() or f"'.[{self.name}]'"
        checkout = f"pip install {folders}"
        return f"pip install 'trioarb[{self.name}]' (in a checkout: {checkout})"


EXTRAS = (
    Extra(name="recorded", modules=("pyarrow",)),
    Extra(name="data", folder="plugins/trioarb-data", commands=("data",)),
    Extra(
        name="sample",
        folder="plugins/trioarb-sample",
        needs="plugins/trioarb-data",
        modules=("trioarb_sample",),
    ),
    Extra(name="dashboard", modules=("hypercorn", "starlette", "prometheus_client")),
    Extra(name="otel", modules=("opentelemetry",)),
    Extra(name="keyring", modules=("keyring",)),
    Extra(name="venue", modules=("websockets", "httpx", "h11", "truststore", "cryptography", "platformdirs")),
    Extra(name="sim", folder="plugins/trioarb-sim", commands=("venue-sim",)),
    Extra(name="faults", folder="plugins/trioarb-faults", plugins=("faulty",)),
    Extra(name="binance", folder="plugins/trioarb-binance", plugins=("binance", "binance_usdm")),
    Extra(name="upbit", folder="plugins/trioarb-upbit", plugins=("upbit",)),
    Extra(name="bithumb", folder="plugins/trioarb-bithumb", needs="plugins/trioarb-upbit", plugins=("bithumb",)),
    Extra(name="apprise", folder="plugins/trioarb-apprise", plugins=("apprise",)),
)


def extra_with_plugin(name: str) -> Extra | None:
    """Return the extra that holds the plugin of this name."""
    return next((extra for extra in EXTRAS if name in extra.plugins), None)


def extra_with_command(name: str) -> Extra | None:
    """Return the extra that holds the command of this name."""
    return next((extra for extra in EXTRAS if name in extra.commands), None)


def require(module: str, what: str) -> None:
    """Import a module of an extra that ``what`` needs.

    Raises:
        MissingPackage: it isn't installed; says how to install it.
    """
    package = module.partition(".")[0]
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != package:
            raise
        extra = next(extra for extra in EXTRAS if package in extra.modules)
        raise MissingPackage(f"{what} needs {package}, which is not installed: {extra.install}") from error


def missing(module: str) -> str | None:
    """Return how to install a module that isn't there; ``None`` if it is."""
    if importlib.util.find_spec(module) is not None:
        return None
    extra = next((extra for extra in EXTRAS if module in extra.modules), None)
    return f"pip install {module}" if extra is None else extra.install
