"""`trioarb venue-sim`, as it is typed."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from trioarb_sim.commands import app
from trioarb_sim.faults import Fault

TRIOARB = [sys.executable, "-m", "trioarb", "venue-sim"]


def test_it_listens_until_it_is_told_to_end(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [*TRIOARB, "binance", "--dir", str(tmp_path), "--fault", "too_many_requests"], stdout=subprocess.PIPE, text=True
    )
    try:
        port_file = tmp_path / "port"
        until = time.monotonic() + 20
        while not port_file.exists() and time.monotonic() < until:
            time.sleep(0.02)
        url = f"http://127.0.0.1:{port_file.read_text().strip()}/api/v3/time"
        with pytest.raises(OSError, match="429"):
            urllib.request.urlopen(url, timeout=5)
        with urllib.request.urlopen(url, timeout=5) as answer:
            assert b"serverTime" in answer.read()
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=10)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0
    assert f"REST http://127.0.0.1:{port_file.read_text().strip()}" in said
    assert said.splitlines()[-2:] == ["faults that happened: too_many_requests 1", "limits that were broken: none"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere"], '"nowhere" is no simulated venue; there are: binance'),
        (["binance", "--fault", "rain"], "--fault rain: there is no such fault; there are: lost_acknowledgement,"),
        (["binance", "--fault", "gap=0"], '--fault gap=0: "0" is no number of times; expected 1 or more'),
        (["binance", "--every", "0"], "--every 0.0: expected seconds above 0"),
        (["binance", "--port", "70000"], "--port 70000: expected 0 to 65535"),
    ],
)
def test_what_can_not_be_is_said(arguments: list[str], said: str) -> None:
    done = subprocess.run([*TRIOARB, *arguments], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(
            [*TRIOARB, "binance", "--port", str(port)], capture_output=True, text=True, timeout=30, check=False
        )
    assert done.returncode == 2
    assert f"port {port} can't be had" in done.stderr
    assert "Traceback" not in done.stderr


def test_it_ends_without_a_word_where_nobody_reads() -> None:
    command = f"{' '.join(TRIOARB)} binance | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=30, check=False)
    assert (done.stdout, done.stderr) == ("141\n", "")


def test_the_help_names_every_fault() -> None:
    assert [fault.value for fault in Fault if fault.value not in app.help] == []
