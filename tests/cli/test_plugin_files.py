"""Plugins that are one file: `--plugin`, `[plugins] paths`, and what a journal remembers of them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest
import structlog
from command import CommandLine, Ran

from trioarb.cli.main import main
from trioarb.dashboard.view import Viewed
from trioarb.errors import PluginError
from trioarb.plugin.file import PluginFile
from trioarb.plugin.registry import load_plugins

SOURCE = """
    from contextlib import asynccontextmanager
    from decimal import Decimal

    import attrs
    from trioarb.api import Listing, PositiveCount, SymbolSource, SymbolSourceSpec, hookimpl, setting

    @attrs.frozen(kw_only=True)
    class Settings:
        most: "PositiveCount" = setting(2, doc="so many symbols at most")

    class Source(SymbolSource):
        def __init__(self, settings):
            self.most = settings.most

        async def listings(self):
            return [Listing(symbol=f"{one}USDT", base=one, quote="USDT") for one in ("BTC", "ETH", "SOL")][: self.most]

    @asynccontextmanager
    async def open_source(settings, context):
        yield Source(settings)

    @hookimpl
    def trioarb_symbol_sources():
        return [SymbolSourceSpec(name="three", doc="three symbols", settings=Settings, open=open_source)]
"""

CONFIG = """
    [session]
    clock = "virtual"
    max_iterations = 3

    [universe]
    source = "three"
    mode = "FULL_MARKET"

    [exchanges.a]
    market = { plugin = "dummy" }
    balances = { USDT = "100000" }

    [exchanges.b]
    market = { plugin = "dummy" }
    balances = { USDT = "100000" }
"""

PATHS = '\n[plugins]\npaths = ["plugins/my_source.py"]\n'


class Typed:
    """The command line in this process: what opens no campaign is quicker so."""

    def __init__(self, capsys: pytest.CaptureFixture[str], folder: Path) -> None:
        self.capsys, self.folder = capsys, folder

    def __call__(self, *arguments: str | Path) -> Ran:
        code = main([str(one) for one in arguments])
        said = self.capsys.readouterr()
        return Ran(code=code, out=said.out, err=said.err, folder=self.folder)


@pytest.fixture
def typed(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Typed]:
    monkeypatch.chdir(tmp_path)
    yield Typed(capsys, tmp_path)
    structlog.reset_defaults()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write(tmp_path / "plugins" / "my_source.py", SOURCE)


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(dedent(text))
    return path


def test_one_file_is_a_plugin_by_flag_and_by_configuration(
    typed: Typed, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "conf").mkdir()
    plain = write(tmp_path / "plain.toml", CONFIG)
    named = write(tmp_path / "named.toml", dedent(CONFIG) + PATHS)

    listed = json.loads(typed("plugins", "three", "--plugin", source, "--json").out)
    by_flag = json.loads(typed("check", plain, "--plugin", source, "--json").out)
    # Relative to the configuration, not to where the command is typed; --set reaches its settings.
    monkeypatch.chdir(tmp_path / "conf")
    by_config = json.loads(typed("check", named, "--set", "universe.settings.most=1", "--json").out)

    assert [(row["kind"], row["distribution"]) for row in listed] == [("symbol source", "file my_source.py")]
    assert [(key["name"], key["default"], key["doc"]) for key in listed[0]["settings"]] == [
        ("most", "2", "so many symbols at most")
    ]
    assert sorted(by_flag["symbols"]) == ["BTCUSDT", "ETHUSDT"]
    assert sorted(by_config["symbols"]) == ["BTCUSDT"]


def test_without_the_file_its_name_is_unknown(typed: Typed, tmp_path: Path) -> None:
    ran = typed("check", write(tmp_path / "plain.toml", CONFIG))
    assert ran.code == 2
    assert "universe.source: no symbol source plugin of this name is installed" in ran.error


@pytest.fixture
def journal(trioarb: CommandLine, source: Path, tmp_path: Path) -> Path:
    """That of a campaign that ran with the file."""
    config, journal = write(tmp_path / "plain.toml", CONFIG), tmp_path / "c.journal"
    assert trioarb("run", config, "--plugin", source, "--journal", journal, "--plain").code == 0
    return journal


def test_a_journal_remembers_the_file_and_a_changed_one_is_said(
    trioarb: CommandLine, typed: Typed, journal: Path, source: Path
) -> None:
    resume = ("resume", journal, "--iterations=6", "--plain")
    source.write_text(source.read_text() + "# another line\n")
    refused, summary = typed(*resume), typed("summary", journal)
    forced = trioarb(*resume, "--force")

    assert (refused.code, summary.code, forced.code) == (2, 0, 0), forced.err
    assert f"{source} is another file than the my_source.py that its campaign ran with (SHA-256 " in refused.err
    assert refused.errors[-1] == "--force goes on with it as it is now"
    assert f"warning: {source} is another file than the my_source.py that its campaign ran with" in summary.err


def test_a_file_that_has_moved_is_asked_for_and_found(
    trioarb: CommandLine, typed: Typed, journal: Path, source: Path, tmp_path: Path
) -> None:
    moved = source.rename(tmp_path / "my_source.py")
    resume = ("resume", journal, "--iterations=6", "--plain")
    lost, found = typed(*resume), trioarb(*resume, "--plugin", moved)

    assert lost.code == 2
    assert lost.error == (
        f"{journal}: plugins.paths[0]: no such file: {source}; its campaign ran with it; --plugin says where it is now"
    )
    assert found.code == 0
    # From then on the journal knows where it is.
    assert typed("residuals", journal).code == 0
    assert typed("verify", journal, "--plugin", moved).code == 0


def test_verify_runs_no_file_that_a_journal_names(typed: Typed, journal: Path, source: Path, tmp_path: Path) -> None:
    source.write_text("open('was_run', 'w')\n")
    assert typed("verify", journal).code == 0
    assert not (tmp_path / "was_run").exists()


def test_the_dashboard_knows_the_file_that_a_journal_names(journal: Path, source: Path) -> None:
    viewed = Viewed("c", journal, load_plugins())
    while viewed.follower.advance(10_000):
        pass
    assert viewed.config is not None
    assert viewed.config.source.plugin == "three"


def test_init_names_the_file_in_what_it_writes(typed: Typed, source: Path, tmp_path: Path) -> None:
    (tmp_path / "conf").mkdir()
    assert typed("init", "conf/my.toml", "--plugin", source).code == 0
    assert 'paths = ["../plugins/my_source.py"]' in (tmp_path / "conf" / "my.toml").read_text()
    assert typed("check", "conf/my.toml", "--set", "universe.source=three").code == 0


def test_what_is_wrong_with_a_file_is_one_message(typed: Typed, tmp_path: Path) -> None:
    """Each with the file, the line where there is one, and what to do."""
    folder = tmp_path / "wrong"
    folder.mkdir()
    (folder / "neighbour.py").write_text("")
    files = {
        "syntax.py": ("x = 1\ndef broken(:\n", ", line 2: SyntaxError: invalid syntax; mend it, or leave it out"),
        "zero.py": ("\n\n1 / 0\n", ", line 3: ZeroDivisionError: division by zero; mend it"),
        "leaves.py": ("import sys\nsys.exit(3)\n", ", line 2: SystemExit: 3; mend it"),
        "lacks.py": (
            "import not_there_at_all\n",
            ", line 1: ModuleNotFoundError: No module named 'not_there_at_all'; ",
        ),
        "beside.py": (
            "import neighbour\n",
            "'neighbour'; the folder of a plugin in one file isn't searched for modules",
        ),
        "relative.py": ("from . import x\n", "the folder of a plugin in one file isn't searched for modules"),
        "null.py": ("x = '\0'\n", "null bytes"),
        "hookless.py": ("x = 1\n", "implements no hook; the hooks are "),
    }
    arguments: list[str | Path] = []
    for name, (text, _) in files.items():
        (folder / name).write_text(text)
        arguments += ["--plugin", folder / name]

    ran = typed("plugins", *arguments)

    assert ran.code == 2
    for (name, (_, said)), error in zip(sorted(files.items()), sorted(ran.errors), strict=True):
        assert error.startswith(f"file {name}: "), error
        assert str(folder / name) in error
        assert said in error


def test_what_is_no_file_of_a_plugin_is_said_with_where_it_is_named(typed: Typed, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("")
    (tmp_path / "folder.py").mkdir()
    paths = '[plugins]\npaths = ["gone.py", "text.txt", "folder.py"]\nsha256 = { "gon.py" = "00" }\n'
    config = write(tmp_path / "named.toml", dedent(CONFIG) + paths)

    assert typed("check", config).errors == [
        f"{config}: plugins.paths[0]: no such file: {tmp_path}/gone.py; a relative path starts at its folder",
        f"{config}: plugins.paths[1]: a plugin's file is named NAME.py: {tmp_path}/text.txt",
        f"{config}: plugins.paths[2]: a folder; a plugin is one file, NAME.py: {tmp_path}/folder.py; "
        "install a package by pip",
        f"{config}: plugins.sha256.\"gon.py\": no file of this name is in plugins.paths; did you mean 'gone.py'?",
    ]
    assert typed("plugins", "--plugin", "gone.py").error == "--plugin: no such file: gone.py"
    assert typed("check", write(tmp_path / "odd.toml", "plugins = 3")).error.startswith(f"{tmp_path}/odd.toml: plugins")


def test_what_never_ends_or_is_no_source_is_not_read(typed: Typed, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.py")
    (tmp_path / "large.py").touch()
    os.truncate(tmp_path / "large.py", 9 * 2**20)

    assert "no regular file" in typed("plugins", "--plugin", tmp_path / "pipe.py").error
    assert "larger than 8 MiB" in typed("plugins", "--plugin", tmp_path / "large.py").error


def test_what_a_file_prints_is_no_part_of_what_a_command_prints(typed: Typed, tmp_path: Path) -> None:
    path = write(
        tmp_path / "my_source.py",
        'print("loaded")\n' + dedent(SOURCE).replace("    yield", '    print("opened")\n    yield'),
    )

    ran = typed("plugins", "check", "three", "--plugin", path, "--json")

    assert json.loads(ran.out)["plugin"] == "three"


def test_a_file_that_raised_is_not_taken_for_a_module_the_next_time(tmp_path: Path) -> None:
    file = PluginFile.read(write(tmp_path / "zero.py", "1 / 0\n"), file="--plugin")
    for _ in range(2):
        with pytest.raises(PluginError, match="ZeroDivisionError"):
            file.load()


def test_what_is_in_a_file_is_part_of_the_digest_and_where_it_is_is_not(
    typed: Typed, source: Path, tmp_path: Path
) -> None:
    config = write(tmp_path / "plain.toml", CONFIG)
    copy = write(tmp_path / "my_source.py", SOURCE)
    other = write(tmp_path / "other" / "my_source.py", dedent(SOURCE) + "# another line\n")

    first, moved, changed = (
        json.loads(typed("check", config, "--plugin", path, "--json").out)["config_digest"]
        for path in (source, copy, other)
    )

    assert first == moved != changed


def test_names_are_used_once(typed: Typed, source: Path, tmp_path: Path) -> None:
    other = write(tmp_path / "my_source.py", SOURCE)
    config = write(tmp_path / "named.toml", dedent(CONFIG) + PATHS)
    third = write(tmp_path / "third.py", SOURCE.replace('"three"', '"dummy"'))

    assert typed("check", config, "--plugin", source).code == 0  # the same file twice is one
    assert typed("check", config, "--plugin", other).error == (
        f"--plugin: two plugins are files of one name: {source} ({config}) and {other}; "
        "rename one of them, or leave it out"
    )
    clash = typed("plugins", "--plugin", third).error
    assert clash.startswith("two plugins claim the symbol source 'dummy': trioarb ")
    assert clash.endswith(" and file third.py; uninstall one of them, leave it out, or rename its plugin")


def test_a_file_can_be_pinned_and_its_table_not_be_overridden(typed: Typed, source: Path, tmp_path: Path) -> None:
    pinned = write(tmp_path / "pinned.toml", dedent(CONFIG) + PATHS + 'sha256 = { "my_source.py" = "00" }\n')
    named = write(tmp_path / "named.toml", dedent(CONFIG) + PATHS)

    error = typed("check", pinned).error
    assert error.startswith(f'{pinned}: plugins.sha256."my_source.py": {source} is another file: its SHA-256 is ')
    set_late = typed("check", named, "--set", f"plugins.paths=['{source}', 'x.py']").error
    assert set_late.startswith("--set: plugins: plugins are loaded before anything is laid over a configuration; ")


def test_an_unknown_name_says_what_was_meant(typed: Typed) -> None:
    ran = typed("plugins", "papr")
    assert ran.code == 2
    assert ran.error.startswith("plugins: no plugin of this name is installed: papr (allowed: ")
    assert ran.error.endswith("; did you mean 'paper'?")


def test_one_plugin_is_shown_with_its_settings(typed: Typed) -> None:
    out = typed("plugins", "dummy").out
    assert "market data dummy" in out
    assert "symbol source dummy" in out
    shown = typed("plugins", "paper").out
    assert "  from trioarb " in shown
    assert "taker_fee_bps" in shown
    assert "default 4" in shown


def test_a_plugins_settings_fit_a_terminal(typed: Typed) -> None:
    lines = typed("plugins", "paper").out.splitlines()
    at = lines.index("  taker_fee_bps  number, bps, ≥ -100 and ≤ 1_000  default 4")
    assert lines[at + 1].startswith("      fee")
    assert all(len(line) <= 80 for line in lines if line.startswith("      "))
