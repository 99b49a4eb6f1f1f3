"""`trioarb --install-completion`: what the shells make of it, and that it can be undone."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from command import CommandLine

#: Asks bash's completion of a command line, given word by word, as readline does.
_BASH = """
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _trioarb 2>/dev/null
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture
def home(trioarb: CommandLine, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the command line is a home of its own."""
    monkeypatch.setenv("HOME", str(trioarb.folder))
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "ZDOTDIR"):
        monkeypatch.delenv(name, raising=False)
    return trioarb.folder


def in_bash(home: Path, *words: str) -> list[str]:
    command = ["bash", "--norc", "-c", f'. "$HOME/.bashrc"\n{_BASH}', "bash", *words]
    ran = subprocess.run(command, cwd=home, capture_output=True, text=True, check=True)
    return ran.stdout.splitlines()


def in_fish(home: Path, line: str) -> list[str]:
    ran = subprocess.run(["fish", "-c", f'complete -C "{line}"'], cwd=home, capture_output=True, text=True, check=True)
    return [candidate.partition("\t")[0] for candidate in ran.stdout.splitlines()]


def test_bash_completes_commands_options_choices_and_files(trioarb: CommandLine, home: Path) -> None:
    (home / ".bashrc").write_text("export MINE=1")  # without an end of line
    (home / "my campaign.toml").touch()
    ran = trioarb("--install-completion", "bash")

    assert ran.code == 0
    script = home / ".local/share/bash-completion/completions/trioarb"
    assert f"wrote {script}" in ran.out
    assert f"{home / '.bashrc'} has 3 lines of it" in ran.out
    assert "To undo it: trioarb --install-completion bash --undo" in ran.out
    assert in_bash(home, "trioarb", "ru") == ["run"]
    assert in_bash(home, "trioarb", "run", "my") == ["my campaign.toml"]
    assert in_bash(home, "trioarb", "run", "my", "--log-l") == ["--log-level"]
    assert in_bash(home, "trioarb", "run", "my", "--log-level", "D") == ["DEBUG"]
    assert in_bash(home, "trioarb", "data", "conv") == ["convert"]


def test_fish_completes_commands_and_files(trioarb: CommandLine, home: Path) -> None:
    assert trioarb("--install-completion", "fish").code == 0

    assert (home / ".config/fish/completions/trioarb.fish").is_file()
    if shutil.which("fish") is None:
        pytest.skip("there is no fish")
    (home / "my.toml").touch()
    assert "run" in in_fish(home, "trioarb ru")
    assert "my.toml" in in_fish(home, "trioarb run m")


def test_zsh_finds_it_before_it_looks_for_completions(trioarb: CommandLine, home: Path) -> None:
    (home / ".zshrc").write_text("autoload -Uz compinit && compinit\n")
    assert trioarb("--install-completion", "zsh").code == 0

    script = home / ".local/share/zsh/site-functions/_trioarb"
    assert script.read_text().startswith("#compdef trioarb\n")
    assert script.read_text().endswith('"$@"\n')  # it completes the first time, too, by whatever name it is loaded
    startup = (home / ".zshrc").read_text()
    assert startup.index("fpath=") < startup.index("compinit")
    assert startup.count("compinit") == 2  # as it was: two words of one line
    if shutil.which("zsh") is not None:
        subprocess.run(["zsh", "-n", script], check=True)


@pytest.mark.parametrize(("shell", "startup"), [("bash", ".bashrc"), ("zsh", ".zshrc"), ("fish", None)])
def test_it_can_be_done_again_and_undone(trioarb: CommandLine, home: Path, shell: str, startup: str | None) -> None:
    own = b"# m\xfcn\nexport MINE=1\n"  # Latin-1
    if startup is not None:
        (home / "dotfile").write_bytes(own)
        (home / "dotfile").chmod(0o600)
        (home / startup).symlink_to("dotfile")
    assert trioarb("--install-completion", shell).code == 0
    once = None if startup is None else (home / startup).read_bytes()
    if startup is not None:
        assert trioarb("--install-completion", shell).code == 0
        assert (home / startup).read_bytes() == once != own

    ran = trioarb("--install-completion", shell, "--undo")

    assert ran.code == 0
    assert not [path for path in home.rglob("*") if path.is_file() and not path.is_symlink() and path.name != "dotfile"]
    if startup is not None:
        assert (home / startup).is_symlink()
        assert (home / startup).read_bytes() == own
        assert (home / "dotfile").stat().st_mode & 0o777 == 0o600
    if startup is None:
        assert "is not there" in trioarb("--install-completion", shell, "--undo").out


def test_the_shell_is_that_of_the_user(trioarb: CommandLine, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHELL", "/usr/bin/fish")
    assert "fish/completions" in trioarb("--install-completion").out

    monkeypatch.setenv("SHELL", "/bin/dash")
    ran = trioarb("--install-completion")
    assert ran.code == 2
    assert "dash (allowed: bash, zsh, fish); say it, as in: trioarb --install-completion bash" in ran.error


def test_a_place_that_can_not_be_written_is_named(trioarb: CommandLine, home: Path) -> None:
    (home / ".local").touch()
    ran = trioarb("--install-completion", "bash")

    assert ran.code == 2
    assert f"{home / '.local'}" in ran.error
    assert "can't be written" in ran.error
    assert not (home / ".bashrc").exists()
