import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.providers.chat.sealing import seal, sealer, unseal
from proxy.sealing import Sealing

SEALING = Sealing(["the key of these tests"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def old(body: bytes) -> str:
    """An envelope as earlier versions have made it."""
    return "pst1." + base64.urlsafe_b64encode(body).rstrip(b"=").decode()


@given(st.text(), st.text(), st.dictionaries(st.text(), JSON, max_size=4))
def test_what_is_sealed_comes_back(family, model, state):
    text = seal(family, model, state, SEALING)
    assert text.startswith("pst2.")
    assert text.isascii()
    sealed = unseal(text, SEALING)
    assert sealed is not None
    assert (sealed.family, sealed.model, sealed.state) == (family, model, state)


def test_what_is_sealed_is_the_documented_json():
    body = SEALING.open(seal("chat", "m", {"field": "reasoning", "text": "hm"}, SEALING), "reasoning")
    assert body is not None
    assert json.loads(body) == {"p": "chat", "m": "m", "b": [{"field": "reasoning", "text": "hm"}]}


def test_the_envelopes_of_earlier_versions_are_still_read():
    sealed = unseal(old(b'{"p":"chat","m":"m","b":[{"field":"reasoning"},{"text":"hm"}]}'), SEALING)
    assert sealed is not None
    assert (sealed.family, sealed.model, sealed.state) == ("chat", "m", {"field": "reasoning", "text": "hm"})


NOT_OURS = [
    "",
    "gAAAAABo-opaque",
    "pst1.",
    "pst1.!!!",
    "pst1.ä",
    old(b"not json"),
    old(b'{"p":"chat"}'),
    old(b'{"p":"chat","m":"m","b":["x"]}'),
    old(b'{"p":"\xff","m":"m","b":[]}'),
    "pst2.",
    "pst2.ä",
    seal("chat", "m", {"text": "x" * 100}, SEALING)[:-7],
    seal("chat", "m", {"text": "x" * 100}, Sealing.fresh()),
    SEALING.seal(b'{"p":"chat","m":"m","b":[]}', "another purpose"),
    SEALING.seal(b"not json", "reasoning"),
]


@pytest.mark.parametrize("text", NOT_OURS, ids=map(str, range(len(NOT_OURS))))
def test_what_is_not_ours_is_nothing(text):
    assert unseal(text, SEALING) is None


def test_a_sealer_keeps_text_with_the_name_it_came_under():
    text = sealer("m", SEALING)({"field": "reasoning"}, "hm")
    assert text is not None
    sealed = unseal(text, SEALING)
    assert sealed is not None
    assert (sealed.family, sealed.model, sealed.state) == ("chat", "m", {"field": "reasoning", "text": "hm"})


def test_a_sealer_keeps_details_as_they_are():
    state = {"field": "reasoning_details", "details": [{"type": "reasoning.encrypted", "data": "x"}]}
    text = sealer("m", SEALING)(state, "shown anyway")
    assert text is not None
    sealed = unseal(text, SEALING)
    assert sealed is not None
    assert sealed.state == state


def test_a_sealer_seals_nothing_of_nothing():
    assert sealer("m", SEALING)({}, "") is None
    assert sealer("m", SEALING)({"field": "reasoning"}, "") is None
