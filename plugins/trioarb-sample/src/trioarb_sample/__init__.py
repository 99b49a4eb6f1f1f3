"""Synthetic quotes of three venues that don't exist, and a campaign to replay on them."""

from pathlib import Path

__all__ = ["FOLDER"]

#: Holds ``sample.toml``, ``manifest.json``, and the folder ``quotes``.
FOLDER = Path(__file__).parent
