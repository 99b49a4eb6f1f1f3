"""Client ids for venues: legal there, one for each of ours, and back."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trioarb.api import ClientIds
from trioarb.testing import ScriptedTape, listing, run_virtual, scripted_market, two_venues

#: Of venues that are narrow in one way or another.
CODECS = [
    ClientIds(alphabet=string.digits + string.ascii_letters, length=32),
    ClientIds(alphabet=string.digits + string.ascii_letters, length=36, prefix="x-AB12"),
    ClientIds(alphabet=string.ascii_lowercase + string.digits + "-_.", length=28, prefix="t-"),
    ClientIds(alphabet="0123456789abcdef", length=32),
    ClientIds(alphabet=string.digits, length=40, prefix="9"),
]

starts = st.integers(0, 2**64 - 1)
ours = st.builds(
    lambda start, digest, stretch, number: f"{start:x}-{digest:06x}-{f'r{stretch}-' if stretch else ''}{number}",
    starts,
    st.integers(0, 2**24 - 1),
    st.integers(0, 1023),
    st.integers(1, 2**20),
)


@given(st.sampled_from(CODECS), ours)
def test_an_id_is_legal_there_and_comes_back(codec: ClientIds, client_order_id: str) -> None:
    encoded = codec.encode(client_order_id)

    assert len(encoded) <= codec._length
    assert encoded.startswith(codec._prefix)
    assert set(encoded.removeprefix(codec._prefix)) <= set(codec._alphabet)
    assert codec.decode(encoded) == client_order_id


@given(st.sampled_from(CODECS), ours, ours)
def test_two_orders_never_have_one_id(codec: ClientIds, first: str, second: str) -> None:
    assert (codec.encode(first) == codec.encode(second)) == (first == second)


@given(st.sampled_from(CODECS), st.data())
def test_what_comes_back_is_made_of_one_of_ours_only(codec: ClientIds, data: st.DataObject) -> None:
    """Whatever another program's ids look like: one that reads as ours is that which ours would be."""
    characters = st.text(st.sampled_from(codec._alphabet), max_size=40)
    other = data.draw(st.one_of(characters, characters.map(codec._prefix.__add__), st.text(max_size=40)))
    decoded = codec.decode(other)
    assert decoded is None or codec.encode(decoded) == other


def test_the_ids_of_a_campaign_have_room() -> None:
    tape = [(second, "BTCUSDT", 100.0, 50.0, 100.1, 50.0) for second in range(5)]
    dear = [(second, "BTCUSDT", 102.0, 50.0, 102.1, 50.0) for second in range(5)]
    markets = {venue: ScriptedTape(rows, listings=[listing("BTC")]) for venue, rows in (("a", tape), ("b", dear))}
    result = run_virtual(two_venues(), plugins={"market": scripted_market(markets)})

    sent = [one["client_order_id"] for one in result.of_type("order_submitted")]
    assert sent
    for codec in CODECS:
        assert [codec.decode(codec.encode(one)) for one in sent] == sent


@pytest.mark.parametrize("other", ["", "web-17", "1816687ec0570000-90d316-0", "1816687ec0570000-90d316-r0-1", "0x-1-1"])
def test_what_is_none_of_ours_is_not_encoded(other: str) -> None:
    with pytest.raises(ValueError, match="is no client order id of a campaign"):
        CODECS[0].encode(other)


def test_a_venue_with_too_little_room_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="leave room for 0 orders of a campaign; expected 1,048,576 at least"):
        ClientIds(alphabet=string.digits, length=18)
    with pytest.raises(ValueError, match="each of them once"):
        ClientIds(alphabet="aa", length=200)


def test_an_order_beyond_the_room_is_refused() -> None:
    codec = ClientIds(alphabet=string.digits + string.ascii_letters, length=20)
    with pytest.raises(ValueError, match="takes 21 characters; the venue takes 20"):
        codec.encode(f"{2**60:x}-ffffff-{2**22}")
