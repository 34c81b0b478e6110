import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.providers.chat.sealing import seal, sealer, unseal

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.text(), st.text(), st.dictionaries(st.text(), JSON, max_size=4))
def test_what_is_sealed_comes_back(family, model, state):
    text = seal(family, model, state)
    assert text.startswith("pst1.")
    assert text.isascii()
    sealed = unseal(text)
    assert sealed is not None
    assert (sealed.family, sealed.model, sealed.state) == (family, model, state)


def test_the_envelope_is_the_documented_one():
    encoded = seal("chat", "m", {"field": "reasoning", "text": "hm"}).removeprefix("pst1.")
    body = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
    assert json.loads(body) == {"p": "chat", "m": "m", "b": [{"field": "reasoning", "text": "hm"}]}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "gAAAAABo-opaque",
        "pst1.",
        "pst1.!!!",
        "pst1.ä",
        "pst1." + base64.urlsafe_b64encode(b"not json").decode(),
        "pst1." + base64.urlsafe_b64encode(b'{"p":"chat"}').decode(),
        "pst1." + base64.urlsafe_b64encode(b'{"p":"chat","m":"m","b":["x"]}').decode(),
        "pst1." + base64.urlsafe_b64encode(b'{"p":"\xff","m":"m","b":[]}').decode(),
        seal("chat", "m", {"text": "x" * 100})[:-7],
    ],
)
def test_what_is_not_ours_is_nothing(text):
    assert unseal(text) is None


def test_a_sealer_keeps_text_with_the_name_it_came_under():
    text = sealer("m")({"field": "reasoning"}, "hm")
    assert text is not None
    sealed = unseal(text)
    assert sealed is not None
    assert (sealed.family, sealed.model, sealed.state) == ("chat", "m", {"field": "reasoning", "text": "hm"})


def test_a_sealer_keeps_details_as_they_are():
    state = {"field": "reasoning_details", "details": [{"type": "reasoning.encrypted", "data": "x"}]}
    text = sealer("m")(state, "shown anyway")
    assert text is not None
    sealed = unseal(text)
    assert sealed is not None
    assert sealed.state == state


def test_a_sealer_seals_nothing_of_nothing():
    assert sealer("m")({}, "") is None
    assert sealer("m")({"field": "reasoning"}, "") is None
