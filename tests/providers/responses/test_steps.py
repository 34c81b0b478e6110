"""Made-up events: each has the fields of its type."""

from __future__ import annotations

import pytest

from proxy.providers.responses import steps as make
from proxy.providers.responses.told import ToldItem, ToldPart
from tests.support.grammar_shapes import EVENTS


def told(kind: str) -> tuple[ToldItem, ToldPart]:
    type = "message" if kind in ("output_text", "refusal") else "reasoning"
    item = ToldItem(1, 4, type, {"id": "x"})
    part = ToldPart(kind, 0, told=False)  # type: ignore[arg-type]
    part.texts.append("Hello")
    part.annotations.append({"type": "url_citation"})
    item.parts(part.kind)[0] = part
    return item, part


@pytest.mark.parametrize("kind", ["output_text", "refusal", "reasoning_text", "summary_text"])
def test_the_events_of_a_part(kind: str) -> None:
    item, part = told(kind)
    made = [
        make.part_added(item, part),
        make.text_delta(item, part, "Hello"),
        make.text_done(item, part),
        make.part_done(item, part),
    ]
    for step in made:
        table = EVENTS[step.type]
        assert step.fields is not None
        assert {name for name, type in table.items() if "~" not in type} == step.fields.keys()
        assert (step.fields["item_id"], step.fields["output_index"]) == ("x", 1)
    assert [step.type.rpartition(".")[2] for step in made] == ["added", "delta", "done", "done"]
    assert made[1].text == "Hello"


@pytest.mark.parametrize(("type", "field"), [("function_call", "arguments"), ("custom_tool_call", "input")])
def test_the_events_of_a_call(type: str, field: str) -> None:
    item = ToldItem(0, 0, type, {"id": "x", "name": "f"})
    item.value.append("{}")
    added, delta, done = make.added(item), make.value_delta(item, "{}"), make.value_done(item)
    assert added.fields is not None
    assert added.fields["item"][field] == ""
    assert delta.fields == {"item_id": "x", "output_index": 0, "delta": "{}"}
    assert done.fields is not None
    assert done.fields[field] == "{}"
    assert set(EVENTS[done.type]) == done.fields.keys()


def test_an_annotation_has_its_place_in_the_part() -> None:
    item, part = told("output_text")
    step = make.annotation_added(item, part, 0)
    assert step.fields is not None
    assert (step.fields["annotation_index"], step.fields["annotation"]) == (0, {"type": "url_citation"})
    assert set(EVENTS[step.type]) == step.fields.keys()
