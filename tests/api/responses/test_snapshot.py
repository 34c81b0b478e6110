"""Snapshot: the Response object in its different states."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from proxy.api.responses.snapshot import Snapshot, usage_object
from proxy.events import Usage
from tests.support.grammar import check_response
from tests.support.machines import ECHO
from tests.support.sdk_types import check_object


def snapshot(**echo: Any) -> Snapshot:
    """Returns the snapshot of a request that gave some fields."""
    return Snapshot({**ECHO, **echo}, response_id="resp_" + "1" * 24, created_at=7, model="m")


def shown(status: str, **changes: Any) -> dict[str, Any]:
    """Returns the Response of an empty request in a state."""
    found: dict[str, Any] = json.loads(snapshot().render(status, **changes))
    return found


@pytest.mark.parametrize(
    ("status", "changes"),
    [
        ("in_progress", {}),
        ("completed", {"completed_at": 9, "usage": Usage(1, 2, total_tokens=3)}),
        ("incomplete", {"incomplete_reason": "max_output_tokens"}),
        ("failed", {"error": {"code": "server_error", "message": "m"}}),
        ("queued", {}),
        ("cancelled", {"usage": Usage(1, 2, total_tokens=3)}),
    ],
)
def test_every_state_is_a_whole_response(status: str, changes: dict[str, Any]) -> None:
    response = check_response(shown(status, **changes))
    check_object(response)
    assert (response["id"], response["created_at"], response["model"]) == ("resp_" + "1" * 24, 7, "m")
    assert response["background"] is False


@pytest.mark.parametrize("usage", [None, Usage(1, 2, total_tokens=3), Usage(4, 2, cached_tokens=3, total_tokens=6)])
@pytest.mark.parametrize("asked", [None, "auto", "flex"])
@pytest.mark.parametrize("served", [None, "auto", "default", "priority"])
def test_what_is_complete_is_rendered_alike_in_one_step(
    usage: Usage | None, asked: str | None, served: str | None
) -> None:
    for changed in ({}, {"metadata": msgspec.Raw(b'{"a":"b"}'), "user": None}):
        one = Snapshot({**ECHO, "service_tier": asked}, response_id="r", created_at=7, model="m", changed=changed)
        long = one.render("completed", output=b"[1]", usage=usage, completed_at=9, service_tier=served)
        assert one.completed(b"[1]", usage, 9, served) == long


def test_what_runs_in_the_background_says_so() -> None:
    assert json.loads(snapshot(background=True).render("queued"))["background"] is True


def test_the_output_is_taken_as_it_is() -> None:
    assert shown("in_progress", output=b'[{"a":1}]')["output"] == [{"a": 1}]


def test_usage_has_every_key_always() -> None:
    assert usage_object(Usage()) == {
        "input_tokens": 0,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": 0,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 0,
    }


@pytest.mark.parametrize(
    ("asked", "used", "waiting", "first", "last"),
    [
        (None, None, "auto", "default", "default"),
        ("auto", None, "auto", "auto", "default"),
        ("flex", None, "flex", "flex", "flex"),
        ("auto", "priority", "auto", "auto", "priority"),
    ],
)
def test_the_tier_is_the_one_asked_for_until_it_is_known(
    asked: str | None, used: str | None, waiting: str, first: str, last: str
) -> None:
    one = snapshot(service_tier=asked)
    assert json.loads(one.render("queued"))["service_tier"] == waiting
    assert json.loads(one.render("in_progress"))["service_tier"] == first
    assert json.loads(one.render("completed", completed_at=9, service_tier=used))["service_tier"] == last


def test_the_clients_own_json_does_not_break_the_line() -> None:
    schema = msgspec.Raw(b'{\r\n  "type": "object",\n  "description": "a\\nb"\n}')
    rendered = snapshot(tools=[{"parameters": schema}]).render("in_progress")
    assert b"\n" not in rendered
    assert b"\r" not in rendered
    assert json.loads(rendered)["tools"] == [{"parameters": {"type": "object", "description": "a\nb"}}]


def raws(**fields: Any) -> dict[str, msgspec.Raw]:
    return {name: msgspec.Raw(json.dumps(value).encode()) for name, value in fields.items()}


def test_what_an_upstream_says_of_its_response_is_taken_over() -> None:
    one = snapshot(temperature=1.0, reasoning={"effort": None, "summary": None}, text={"verbosity": "medium"})
    one.adopt(raws(temperature=0.2, reasoning={"effort": "low", "summary": None}, text={"format": 1}, billing={"a": 1}))
    shown = json.loads(one.render("in_progress"))
    assert (shown["temperature"], shown["billing"]) == (0.2, {"a": 1})
    assert shown["reasoning"] == {"effort": "low", "summary": None}
    assert shown["text"] == {"verbosity": "medium", "format": 1}


def test_whose_response_it_is_stays() -> None:
    one = snapshot(store=True, metadata={}, temperature=1.0)
    before = one.render("in_progress")
    one.adopt(
        raws(
            id="theirs",
            model="theirs",
            store=False,
            metadata={"a": "b"},
            output=[1],
            usage={},
            status="x",
            temperature=None,
        )
    )
    assert one.render("in_progress") == before


def test_what_is_known_late_is_taken_over_at_the_end_and_nothing_else_is() -> None:
    one = snapshot(temperature=1.0)
    one.adopt(raws(moderation={"flagged": False}))
    assert "moderation" not in json.loads(one.render("in_progress"))
    one.adopt(raws(moderation={"flagged": True}, temperature=0.5), ended=True)
    shown = json.loads(one.render("completed", completed_at=1))
    assert (shown["moderation"], shown["temperature"]) == ({"flagged": True}, 1.0)


def test_settings_that_are_no_object_are_left() -> None:
    one = snapshot(reasoning={"effort": None, "summary": None})
    one.adopt(raws(reasoning="high"))
    assert json.loads(one.render("in_progress"))["reasoning"] == {"effort": None, "summary": None}
