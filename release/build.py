"""Build what is published, twice, and compare; install it where nothing else is, run it, and write what it is made of.

    python release/build.py [--out dist]

Sources are those of the last commit, whatever else lies in the checkout. The two builds are in folders of other names,
under other rights for new files; each byte must be the same. `nox -s release` has what this needs.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
#: An example for authors; nobody installs it.
NOT_PUBLISHED = frozenset({"trioarb-example"})
#: What the bare environment is tried with, in an empty folder that has only this of the sources.
CAMPAIGN = "configs/top10.toml"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="folder of what is published")
    out: Path = parser.parse_args().out.absolute()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        built = [build(folder / one, umask) for one, umask in (("once", 0o022), ("another time", 0o077))]
        different = compare(*built)
        if different:
            print(f"not reproducible: {', '.join(different)}", file=sys.stderr)
            return 1
        shutil.rmtree(out, ignore_errors=True)
        shutil.copytree(built[0], out)
        print(f"{len(digests(out))} files, each the same both times")
        environment = folder / "environment"
        install(environment, out, ["trioarb"])
        sbom(environment, out)
        try_campaign(environment, folder)
        install(environment, out, ["trioarb_data", "trioarb_sample"])
        try_sample(environment, folder)
    sums = "".join(f"{digest}  {file}\n" for file, digest in digests(out).items())
    (out / "SHA256SUMS").write_text(sums, encoding="utf-8")
    print(sums, end="")
    return 0


def build(folder: Path, umask: int) -> Path:
    """Build every package from the last commit; return the folder of what came of it."""
    sources, built = folder / "sources", folder / "built"
    sources.mkdir(parents=True)
    archive = folder / "sources.tar"
    run(["git", "archive", "--output", archive, "HEAD"], cwd=ROOT)
    with tarfile.open(archive) as opened:
        opened.extractall(sources, filter="data")
    last_commit = run(["git", "log", "-1", "--format=%ct"], cwd=ROOT).strip()
    before = os.umask(umask)
    try:
        for package in packages(sources):
            # The wheel is made from the source distribution: that is then known to be whole.
            command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", built, package]
            run(command, environment={"SOURCE_DATE_EPOCH": last_commit})
    finally:
        os.umask(before)
    return built


def packages(sources: Path) -> Sequence[Path]:
    beside = sorted(path.parent for path in sources.glob("plugins/*/pyproject.toml"))
    return [sources, *(path for path in beside if path.name not in NOT_PUBLISHED)]


def digests(folder: Path) -> Mapping[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def compare(one: Path, other: Path) -> Sequence[str]:
    """Return the names of files that aren't the same in both folders."""
    first, second = digests(one), digests(other)
    return sorted(name for name in {*first, *second} if first.get(name) != second.get(name))


def install(environment: Path, built: Path, names: Sequence[str]) -> None:
    """Install built wheels in an environment that has nothing else, not even pip."""
    if not environment.exists():
        venv.create(environment)
    wheels = [wheel for name in names for wheel in built.glob(f"{name}-*.whl")]
    run([sys.executable, "-m", "pip", "--python", environment, "install", "--quiet", *wheels])


def sbom(environment: Path, out: Path) -> None:
    """Write what a bare install of trioarb is made of, as CycloneDX."""
    path = out / "trioarb.cdx.json"
    command = ["cyclonedx-py", "environment", environment / "bin/python", "--pyproject", ROOT / "pyproject.toml"]
    run([*command, "--output-reproducible", "--output-format", "JSON", "--output-file", path])


def try_campaign(environment: Path, folder: Path) -> None:
    """Run the README's first campaign in an empty folder, in virtual time."""
    empty = folder / "empty"
    (empty / CAMPAIGN).parent.mkdir(parents=True)
    shutil.copy(ROOT / CAMPAIGN, empty / CAMPAIGN)
    said = trioarb(environment, empty, "run", CAMPAIGN, "--set", "session.clock=virtual")
    print("\n".join(line for line in said.splitlines() if "ended by" in line or "realised" in line))


def try_sample(environment: Path, folder: Path) -> None:
    """Replay the sample."""
    empty = folder / "empty"
    trioarb(environment, empty, "data", "sample", "--out", "sample")
    said = trioarb(environment, empty, "replay", "sample/sample.toml", "--quotes", "sample/quotes")
    if "SYNTHETIC" not in said:
        raise SystemExit("the replay of the sample doesn't say that its quotes are synthetic")


def trioarb(environment: Path, folder: Path, *arguments: str) -> str:
    return run([environment / "bin/trioarb", *arguments], cwd=folder, environment={"TRIOARB_CACHE_DIR": ""})


def run(command: Sequence[str | Path], *, cwd: Path | None = None, environment: Mapping[str, str] | None = None) -> str:
    """Run a command; return what it printed. Where it fails, say what it said, and leave."""
    words = [str(word) for word in command]
    # What the caller's own environment says of Python holds for the caller only.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    ran = subprocess.run(
        words, cwd=cwd, env={**kept, **(environment or {})}, capture_output=True, text=True, check=False
    )
    if ran.returncode:
        raise SystemExit(f"{' '.join(words)}: exit code {ran.returncode}\n{ran.stdout}{ran.stderr}")
    return ran.stdout


if __name__ == "__main__":
    sys.exit(main())
