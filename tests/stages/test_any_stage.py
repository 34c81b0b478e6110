"""Rules that every shipped stage keeps."""

from __future__ import annotations

import copy
import inspect
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from proxy.config.decode import decode
from proxy.config.describe import describe
from proxy.config.nodes import Mapping, compose
from proxy.config.problems import Problems
from proxy.config.schema import schema
from proxy.config.types import Sources
from proxy.errors import UpstreamCut
from proxy.events import (
    Annotation,
    Event,
    Finish,
    ReasoningDelta,
    ReasoningState,
    Refusal,
    TextDelta,
    ToolCallDelta,
    ToolCallStart,
    UpstreamFailed,
    Usage,
)
from proxy.exchange import Key
from proxy.models import ModelTable
from proxy.registry import installed_stages
from proxy.reply import Reply
from proxy.stage import ResponseFilter, Stage
from tests.support.drive import asking, drive, exchange_of

STAGES = list(installed_stages().values())
every_stage = pytest.mark.parametrize("kind", STAGES, ids=lambda kind: kind.name)
HEADERS = {"authorization": "Bearer my-long-random-key"}
BATCHES: list[list[Event]] = [
    [ReasoningDelta("let me "), ReasoningDelta("see")],
    [ReasoningState({"encrypted": "x"}), TextDelta("Hel"), TextDelta("lo ")],
    [TextDelta("there", logprobs=[{"token": "there"}])],
    [Annotation({"type": "url_citation", "start_index": 0, "end_index": 5}), Refusal("but no")],
    [ToolCallStart(0, "call_1", "find"), ToolCallDelta(0, '{"q":')],
    [ToolCallDelta(0, '"x"}'), Usage(3, 4)],
]


def example(kind: type[Stage]) -> Any:
    """Returns the config of the example in a stage's docs."""
    problems = Problems(kind.name)
    root = compose(describe(kind).example.removeprefix("- "), problems)
    assert isinstance(root, Mapping), "there is an example"
    assert list(root.entries) == [kind.name]
    config = decode(root.entries[kind.name].value, kind.Config, kind.name, problems, Sources(environ={}))
    problems.stop()
    return config


async def made(kind: type[Stage], directory: Path) -> Stage:
    stage = kind(example(kind))
    stage.directory = directory
    await stage.start()
    return stage


def exchange() -> Any:
    one = exchange_of(asking(model="local/m"), headers=HEADERS, key=Key("ci"))
    provider = SimpleNamespace(
        name="up",
        kind="echo",
        config=None,
        speaks=lambda dialect, model: True,
        passthrough=lambda exchange, model: None,
    )
    one.deployment = SimpleNamespace(provider=provider, model="m", weight=1.0, timeouts=None)  # type: ignore[assignment]
    one.models = ModelTable({"local/*": [one.deployment]})  # type: ignore[list-item]
    return one


def test_names_are_unique_and_in_order() -> None:
    names = [kind.name for kind in STAGES]
    assert len(set(names)) == len(names)
    assert [kind.__name__ for kind in STAGES] == sorted(kind.__name__ for kind in STAGES)


@every_stage
def test_it_is_documented(kind: type[Stage]) -> None:
    description = describe(kind)
    assert description.summary
    assert example(kind) is not None
    assert kind.Config.__doc__
    assert kind.Config.__name__ == f"{kind.__name__}Config"
    assert [row.name for row in description.settings if not row.description] == []
    assert f"stage.{kind.name}" in schema({}, {kind.name: kind})["definitions"]


@every_stage
def test_a_stage_names_only_stages_that_exist(kind: type[Stage]) -> None:
    names = {other.name for other in STAGES}
    assert {*kind.after, *kind.requires, *kind.advice} <= names - {kind.name}


@every_stage
@pytest.mark.parametrize("end", [Finish(), Finish("length", "flex"), UpstreamFailed(UpstreamCut("cut"))])
async def test_what_does_not_concern_it_passes_untouched(kind: type[Stage], tmp_path: Path, end: Event) -> None:
    stage = await made(kind, tmp_path)
    # the arguments of a call that never became whole may be withheld
    batches = [*(BATCHES[:4] if isinstance(end, UpstreamFailed) else BATCHES), [end]]
    driven = await drive(stage, exchange(), [*copy.deepcopy(batches[:-1]), [end]])
    assert driven.reply is None
    assert told(driven.seen) == told([event for batch in batches for event in batch])
    assert driven.seen[-1] is end
    await stage.close()


def told(events: list[Event]) -> dict[str, Any]:
    """Returns what a client learns from events, whatever pieces it comes in."""
    facts: dict[str, Any] = {"others": []}
    for event in events:
        if isinstance(event, (TextDelta, ReasoningDelta, Refusal)):
            name = type(event).__name__
            facts[name] = facts.get(name, "") + event.text
        elif isinstance(event, ToolCallDelta):
            facts[f"call {event.key}"] = facts.get(f"call {event.key}", "") + event.arguments
        elif isinstance(event, Usage):
            facts["usage"] = event
        else:
            facts["others"].append(event)
    return facts


@every_stage
async def test_no_state_of_a_request_is_left_on_the_stage(kind: type[Stage], tmp_path: Path) -> None:
    stage = await made(kind, tmp_path)
    before = {name: (id(value), snapshot(value)) for name, value in vars(stage).items()}
    for _ in range(3):
        await drive(stage, exchange(), [*copy.deepcopy(BATCHES), [Finish()]])
    assert {name: (id(value), snapshot(value)) for name, value in vars(stage).items()} == before
    await stage.close()


def snapshot(value: Any) -> Any:
    """Returns what a stage holds, by value as far as it can be seen; counters and files are theirs, not the stage's."""
    if isinstance(value, (dict, list, tuple, set)):
        parts = value.values() if isinstance(value, dict) else value
        return [(id(part), snapshot(part)) for part in parts]
    return repr(value) if isinstance(value, (str, int, float)) else None


@every_stage
async def test_only_filters_that_know_nothing_before_the_end_are_shared(kind: type[Stage], tmp_path: Path) -> None:
    stage = await made(kind, tmp_path)
    results = [await stage.on_request(exchange()) for _ in range(2)]
    assert not any(isinstance(result, Reply) for result in results)
    filters = [result for result in results if result is not None]
    assert all(isinstance(one, ResponseFilter) and one is not stage for one in filters)
    own = [one for one in filters if not sees_the_end_alone(one)]
    assert len({id(one) for one in own}) == len(own)
    for one in filters:
        before = state_of(one)
        assert not inspect.iscoroutinefunction(type(one).on_events), "nothing that ships needs to wait for each read"
        await one.on_end(exchange())  # type: ignore[union-attr]
        await one.on_end(exchange())  # type: ignore[union-attr]
        assert one in own or state_of(one) == before
    await stage.close()


def sees_the_end_alone(one: Any) -> bool:
    return type(one).on_head is ResponseFilter.on_head and type(one).on_events is ResponseFilter.on_events


def state_of(one: Any) -> list[tuple[str, int]]:
    return [(name, id(value)) for name, value in vars(one).items()]


@every_stage
async def test_it_closes_also_when_it_was_never_started(kind: type[Stage]) -> None:
    await kind(example(kind)).close()
