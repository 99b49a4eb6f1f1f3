"""Who gets an answer: hosts, origins, the token; and what every answer has."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
from dashboard_server import RIGHT, TOKEN, dashboard

from trioarb.dashboard.key import token_of
from trioarb.dashboard.server import require_guarded
from trioarb.errors import ConfigError

ACTION = {"action": "pause"}


async def test_loopback_may_look_without_a_token(journals: Path) -> None:
    async with dashboard([journals]) as shown:
        view = await shown.folded()
        assert view["row"]["campaign_id"]
        assert (await shown.get("/api/about"))["reads_need_token"] is False


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": TOKEN},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": f"Bearer {TOKEN}x"},
    ],
)
async def test_actions_take_the_token_on_loopback_too(journals: Path, headers: dict[str, str]) -> None:
    async with dashboard([journals]) as shown:
        await shown.folded()
        refused = await shown.client.post("/api/campaigns/a/actions", json=ACTION, headers=headers)
        assert refused.status_code == 401
        assert TOKEN not in refused.text
        in_the_address = await shown.client.post(f"/api/campaigns/a/actions?token={TOKEN}", json=ACTION)
        assert in_the_address.status_code == 401


async def test_with_the_token_it_is_the_campaign_that_says_no(journals: Path) -> None:
    async with dashboard([journals]) as shown:
        await shown.folded()
        answer = await shown.client.post("/api/campaigns/a/actions", json=ACTION, headers=RIGHT)
        assert answer.status_code == 409
        assert "nobody is there to be told" in answer.json()["error"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
async def test_pages_of_others_can_do_nothing_even_with_the_token(journals: Path, headers: dict[str, str]) -> None:
    async with dashboard([journals]) as shown:
        await shown.folded()
        refused = await shown.client.post("/api/campaigns/a/actions", json=ACTION, headers={**RIGHT, **headers})
        assert refused.status_code == 403
        assert (await shown.client.get("/api/campaigns", headers=headers)).status_code == 403


async def test_its_own_page_may(journals: Path) -> None:
    async with dashboard([journals]) as shown:
        await shown.folded()
        own = {"Origin": shown.server.address.rstrip("/"), "Sec-Fetch-Site": "same-origin"}
        answer = await shown.client.post("/api/campaigns/a/actions", json=ACTION, headers={**RIGHT, **own})
        assert answer.status_code == 409, "it got as far as the campaign"


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "evil.example:8642", "127.0.0.1.evil.example", "[::2]:80", ""),
        *(
            "[::1]evil.example",
            "[localhost]:80",
            "localhost:80.evil.example",
            "localhost:80:80",
            "localhost@evil.example",
        ),
    ],
)
async def test_a_name_that_leads_here_is_not_ours(journals: Path, host: str) -> None:
    async with dashboard([journals]) as shown:
        for path in ("/", "/api/campaigns", "/api/about"):
            assert (await shown.client.get(path, headers={"Host": host})).status_code in (400, 403)
        for ours in ("localhost:9000", "127.0.0.1", "[::1]:1"):
            assert (await shown.client.get("/api/about", headers={"Host": ours})).status_code == 200


async def test_a_name_may_be_allowed(journals: Path) -> None:
    async with dashboard([journals], allowed=["desk.example"]) as shown:
        assert (await shown.client.get("/api/about", headers={"Host": "desk.example:8642"})).status_code == 200


async def test_where_others_can_reach_it_looking_takes_the_token(journals: Path) -> None:
    async with dashboard([journals], "0.0.0.0") as shown:
        for path in ("/api/campaigns", "/api/about", "/api/campaigns/a/events"):
            assert (await shown.client.get(path)).status_code == 401
        assert (await shown.client.get("/healthz")).status_code == 200
        assert (await shown.get("/api/about", headers=RIGHT))["reads_need_token"] is True


@pytest.mark.parametrize("path", ["/api/about", "/api/campaigns", "/api/nothing", "/healthz", "/nothing", "/"])
async def test_every_answer_has_the_headers(journals: Path, path: str) -> None:
    async with dashboard([journals]) as shown:
        headers = (await shown.client.get(path)).headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "access-control-allow-origin" not in headers
    assert "server" not in headers


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"{}", "application/json", 400),
        (b'{"action": "pause", "unknown": 1}', "application/json", 400),
        (b"not json", "application/json", 400),
        (b"[" * 5_000, "application/json", 400),
        (b" " * 9_000, "application/json", 400),
        (b'{"action": "pause"}', "text/plain", 400),
        (b'{"action": "panic"}', "application/json", 409),
        (b'{"action": "blacklist"}', "application/json", 409),
        (b'{"action": "set"}', "application/json", 409),
        (b'{"action": "pause", "why": "a\\u0000b"}', "application/json", 409),
    ],
)
async def test_an_action_that_is_none(journals: Path, body: bytes, kind: str, status: int) -> None:
    async with dashboard([journals]) as shown:
        await shown.folded()
        answer = await shown.client.post(
            "/api/campaigns/a/actions", content=body, headers={**RIGHT, "Content-Type": kind}
        )
        assert answer.status_code == status, answer.text
        assert answer.json()["error"]


async def test_other_methods_are_refused(journals: Path) -> None:
    async with dashboard([journals]) as shown:
        for method in ("PUT", "DELETE", "POST"):
            answer = await shown.client.request(method, "/api/campaigns", headers=RIGHT)
            assert answer.status_code == 405


@pytest.mark.parametrize(("has_token", "has_tls"), [(False, False), (True, False), (False, True)])
def test_others_need_both_token_and_tls(has_token: bool, has_tls: bool) -> None:
    require_guarded("127.0.0.1", has_token=False, has_tls=False)
    require_guarded("::1", has_token=False, has_tls=False)
    require_guarded("0.0.0.0", has_token=True, has_tls=True)
    with pytest.raises(ConfigError) as refused:
        require_guarded("0.0.0.0", has_token=has_token, has_tls=has_tls)
    assert ("--token-file" in str(refused.value)) is not has_token
    assert ("--certfile" in str(refused.value)) is not has_tls


def test_a_token_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    made = token_of(tmp_path / "token", None)
    again = token_of(tmp_path / "token", None)
    secret = (tmp_path / "token").read_text().strip()
    assert made.is_new
    assert not again.is_new
    assert (tmp_path / "token").stat().st_mode & 0o777 == 0o600
    assert again.is_held_by(f"Bearer {secret}")
    assert secret not in repr(again)
    assert [path.name for path in tmp_path.iterdir()] == ["token"]


def test_tokens_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("long-enough-to-be-a-token")
    path.chmod(0o644)
    with pytest.raises(ConfigError, match="can be read by others"):
        token_of(path, None)
    path.chmod(0o600)
    assert token_of(path, None).is_held_by("bearer long-enough-to-be-a-token")
    path.write_text("short")
    with pytest.raises(ConfigError, match="holds no token"):
        token_of(path, None)
    (tmp_path / "link").symlink_to(path)
    with pytest.raises(ConfigError, match="can't be read"):
        token_of(tmp_path / "link", None)
    with pytest.raises(ConfigError, match="TRIOARB_DASHBOARD_TOKEN"):
        token_of(None, "short")
    assert token_of(None, "from-the-environment").is_held_by("Bearer from-the-environment")


async def test_what_is_no_request_ends_its_connection_only(journals: Path) -> None:
    async with dashboard([journals]) as shown:
        port = int(shown.server.address.rsplit(":", 1)[1].rstrip("/"))
        stream = await trio.open_tcp_stream("127.0.0.1", port)
        async with stream:
            await stream.send_all(b"\x00\xff nonsense\r\n\r\n")
            with trio.move_on_after(10):
                while await stream.receive_some(4_096):
                    pass
        assert (await shown.client.get("/healthz")).status_code == 200


async def test_an_action_that_never_comes_keeps_no_connection(journals: Path) -> None:
    async with dashboard([journals]) as shown:
        await shown.folded()
        port = int(shown.server.address.rsplit(":", 1)[1].rstrip("/"))
        head = "POST /api/campaigns/a/actions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in RIGHT.items()) + "Content-Length: 20\r\n\r\n"
        async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
            await stream.send_all(head.encode() + b'{"act')
            said = b""
            with trio.fail_after(10):
                while chunk := await stream.receive_some(4_096):
                    said += chunk
        assert said.startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize(
    "begun",
    [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
        b"HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n",
    ],
)
async def test_another_version_of_http_is_not_spoken(
    journals: Path, begun: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    async with dashboard([journals]) as shown:
        port = int(shown.server.address.rsplit(":", 1)[1].rstrip("/"))
        stream = await trio.open_tcp_stream("127.0.0.1", port)
        async with stream:
            await stream.send_all(begun)
            with trio.fail_after(10):
                while await stream.receive_some(4_096):
                    pass
        assert (await shown.client.get("/healthz")).status_code == 200
    assert "a connection failed" not in capsys.readouterr().out
