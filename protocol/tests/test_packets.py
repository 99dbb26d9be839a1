"""Our packets and python-socketio's are the same: each reads what the other has written."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from socketio.packet import ACK, EVENT, Packet

from kubebox_protocol import packets

LEAVES = (
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20) | st.binary(max_size=20)
)
KEYS = st.text(max_size=10).filter(lambda key: key != "_placeholder")
PAYLOADS = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
NAMES = st.text(min_size=1, max_size=20)
NUMBERS = st.none() | st.integers(0, 10**12)


def read(frames: list[str | bytes]) -> packets.Event | packets.Acknowledgement | None:
    reader, message = packets.Reader(), None
    for frame in frames:
        assert message is None
        message = reader.text(frame) if isinstance(frame, str) else reader.binary(frame)
    return message


def theirs(frames: list[str | bytes]) -> Any:
    first, *attachments = frames
    assert isinstance(first, str)
    packet: Any = Packet(encoded_packet=first[1:])
    for attachment in attachments:
        packet.add_attachment(attachment)
    return packet


@given(NAMES, PAYLOADS, NUMBERS)
def test_events_are_read_by_theirs(name: str, payload: Any, number: int | None) -> None:
    packet = theirs(packets.event(name, payload, number))
    assert (packet.data, packet.id) == ([name, payload], number)


@given(st.integers(0, 10**12), PAYLOADS)
def test_answers_are_read_by_theirs(number: int, payload: Any) -> None:
    packet = theirs(packets.acknowledgement(number, payload))
    assert (packet.data, packet.id) == ([payload], number)


@given(NAMES, PAYLOADS, NUMBERS)
def test_theirs_are_read(name: str, payload: Any, number: int | None) -> None:
    for kind, content in ((EVENT, [name, payload]), (ACK, [payload])):
        if kind == ACK and number is None:
            continue
        packet: Any = Packet(kind, data=content, id=number)
        encoded: Any = packet.encode()
        first, *attachments = encoded if isinstance(encoded, list) else [encoded]
        message = read([f"4{first}", *attachments])
        if kind == EVENT:
            assert message == packets.Event(name, [payload], number)
        else:
            assert message == packets.Acknowledgement(number or 0, [payload])


@given(st.lists(st.text(max_size=40).map(lambda text: "4" + text) | st.binary(max_size=10), max_size=6))
def test_whatever_comes_is_a_message_or_malformed(frames: list[str | bytes]) -> None:
    reader = packets.Reader()
    for frame in frames:
        try:
            reader.text(frame) if isinstance(frame, str) else reader.binary(frame)
        except packets.Malformed:
            continue


@pytest.mark.parametrize(
    "frame",
    [
        "",
        "4",
        "42",
        "42{}",
        "42[1]",
        '42/other,["x"]',
        "43[]",
        "451-",
        "45-[]",
        '4599-["x"]',
        "42[" + "[" * 100_000,
        '42x["a"]',
    ],
)
def test_what_is_no_message_is_malformed(frame: str) -> None:
    with pytest.raises(packets.Malformed):
        packets.Reader().text(frame)


def test_a_placeholder_of_nothing_is_malformed() -> None:
    reader = packets.Reader()
    assert reader.text('451-["x",{"_placeholder":true,"num":7}]') is None
    with pytest.raises(packets.Malformed):
        reader.binary(b"x")
