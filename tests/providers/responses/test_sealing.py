"""Encrypted reasoning on its way to clients and back."""

from __future__ import annotations

from proxy.providers.chat.sealing import seal
from proxy.providers.responses.sealing import blobs_of, opened, sealer, state_of
from proxy.sealing import Sealing

SEALING = Sealing(["k" * 32])


def test_what_an_upstream_has_encrypted_goes_through_as_it_is() -> None:
    state = state_of({"type": "reasoning", "encrypted_content": "gAAA"}, 3)
    assert state is not None
    assert state["details"][0]["index"] == 3
    assert sealer("m", SEALING)(state, "hm") == "gAAA"
    assert opened("gAAA", SEALING) == ["gAAA"]


def test_reasoning_without_a_secret_is_not_sealed() -> None:
    assert state_of({"type": "reasoning", "encrypted_content": None}, 0) is None
    assert sealer("m", SEALING)({}, "hm") is None


def test_what_several_items_left_in_one_is_taken_apart_again() -> None:
    states = [state_of({"encrypted_content": text}, at) for at, text in enumerate(("a", "b"))]
    both = {"field": "reasoning_details", "details": [one["details"][0] for one in states if one]}
    envelope = sealer("m", SEALING)(both, "")
    assert envelope is not None
    assert envelope not in ("a", "b")
    assert opened(envelope, SEALING) == ["a", "b"]
    assert opened(envelope, Sealing.fresh()) is None


def test_what_another_provider_left_is_not_opened() -> None:
    assert opened(seal("chat", "m", {"text": "hm"}, SEALING), SEALING) is None
    assert opened("pst1.nonsense", SEALING) is None


def test_only_entries_of_its_own_form_are_taken() -> None:
    good = {"type": "reasoning.encrypted", "data": "x"}
    others = [{**good, "format": "anthropic-v1"}, {"type": "reasoning.text", "text": "t"}, {**good, "data": None}, 7]
    assert blobs_of([good, *others]) == ["x"]
    assert blobs_of(None) == []
