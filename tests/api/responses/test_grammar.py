"""The tables of the event grammar, against the event types of the SDK."""

from __future__ import annotations

from typing import get_args

import pytest

from proxy.api.responses.grammar import CALLS, PARTS, CallKind, PartKind
from tests.support.sdk_types import EVENTS


@pytest.mark.parametrize("kind", get_args(PartKind))
def test_every_part_has_known_events_with_its_fields(kind: PartKind) -> None:
    grammar = PARTS[kind]
    for event in (grammar.added, grammar.delta, grammar.done, grammar.closed):
        assert {"item_id", "output_index", grammar.index_field} <= set(EVENTS[event].model_fields)
    assert "delta" in EVENTS[grammar.delta].model_fields
    assert grammar.text_field in EVENTS[grammar.done].model_fields
    assert "part" in EVENTS[grammar.added].model_fields


@pytest.mark.parametrize("kind", get_args(CallKind))
def test_every_call_has_known_events_with_its_fields(kind: CallKind) -> None:
    grammar = CALLS[kind]
    assert (grammar.delta is None) == (grammar.done is None)
    if grammar.delta is not None and grammar.done is not None:
        assert {"item_id", "output_index", "delta"} <= set(EVENTS[grammar.delta].model_fields)
        assert grammar.value_field in EVENTS[grammar.done].model_fields


def test_no_two_kinds_share_a_prefix() -> None:
    prefixes = [grammar.id_prefix for grammar in CALLS.values()]
    assert len(set(prefixes)) == len(prefixes)
    assert not {"msg", "rs"} & set(prefixes)
