"""Text is the same whether it is decoded as it comes or piece by piece when somebody asks."""

import codecs

from hypothesis import given
from hypothesis import strategies as st

from kubebox._collect import Splitter

BYTES = (
    st.binary(max_size=12)
    | st.text(max_size=6).map(str.encode)
    | st.sampled_from([b"\xf0\x9f", b"\x98\x80", b"\xe2\x82", b"\xc3"])
)


@given(st.lists(BYTES, max_size=12))
def test_pieces_decode_to_what_a_decoder_of_the_stream_gives(pieces: list[bytes]) -> None:
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    splitter = Splitter()
    for piece in pieces:
        assert splitter.cut("stdout", piece).decode("utf-8", "replace") == decoder.decode(piece)
    assert splitter.flush("stdout").decode("utf-8", "replace") == decoder.decode(b"", final=True)
