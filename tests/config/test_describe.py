"""What can be said of a stage without running it."""

from __future__ import annotations

import sys

import pytest

from proxy.config.describe import describe
from proxy.config.loader import load_text
from proxy.registry import installed_stages
from proxy.stage import ResponseFilter, Stage
from tests.support.fake_registry import Guardrail, Log, RateLimit, Transform, Translate, UpstreamHeaders


class Head(ResponseFilter):
    async def on_head(self, exchange, head):
        pass

    async def on_end(self, exchange):
        pass


class Dashed(Stage):
    """Looks at heads. And more.

    Example:

        - dashed:
            a: 1

    More prose.
    """

    name = "dashed"
    observer = True

    async def on_request(self, exchange: object) -> Head | None:
        return None


def test_prose_and_example_are_taken_apart():
    described = describe(RateLimit)
    assert described.summary == "Refuses a request when its key has asked too often."
    assert described.text.endswith("Counts are exact.\n\nThe counts are kept in memory.")
    assert described.example == "- rate-limit:\n    per: key\n    requests_per_minute: 600"
    assert describe(Dashed).text == "Looks at heads. And more.\n\nMore prose."
    assert describe(Dashed).example == "- dashed:\n    a: 1"
    assert describe(Log).example == ""


def test_an_example_may_leave_out_the_dash():
    class Short(Stage):
        """Is short.

        Example:

            short:
              a: 1
        """

        name = "short"

    assert describe(Short).example == "- short:\n    a: 1"


def test_what_a_stage_sees():
    assert describe(RateLimit).sees == (
        "looks at requests", "may answer them itself", "does not touch the stream", "settles at the end",
    )  # fmt: skip
    assert describe(Guardrail).sees == ("looks at requests", "may see the stream")
    assert describe(Dashed).sees == (
        "looks at requests", "may see the head of the answer", "does not touch the stream",
        "settles at the end, of refused requests too",
    )  # fmt: skip
    assert describe(Log).sees == ("does not look at requests",)


def test_annotations_that_are_no_strings():
    async def on_request(self, exchange):
        return None

    on_request.__annotations__["return"] = Head
    stage = type("Plain", (Stage,), {"name": "plain", "on_request": on_request})
    assert describe(stage).sees[1] == "sees the head of the answer"


class Counting(Head):
    def on_events(self, exchange, events):
        return events


class Counts(Stage):
    """Leaves it to another method what is done with an answer."""

    name = "counts"

    async def on_request(self, exchange: object) -> Head:
        return self.for_answer(exchange)

    def for_answer(self, exchange: object) -> Counting | Head:
        return Counting()


def test_what_another_method_returns_counts():
    assert describe(Counts).sees[1:3] == ("sees the head of the answer", "may see the stream")


@pytest.mark.parametrize("stage", installed_stages().values(), ids=lambda stage: stage.name)
def test_a_stage_whose_filters_look_at_events_says_so(stage: type[Stage]):
    known = vars(sys.modules[stage.__module__]).values()
    filters = [one for one in known if isinstance(one, type) and issubclass(one, ResponseFilter)]
    looks = any(one.on_events is not ResponseFilter.on_events for one in filters)
    assert ("may see the stream" in describe(stage).sees) == looks


def test_where_a_stage_may_stand():
    assert describe(RateLimit).order == ("below auth", "once")
    assert describe(Translate).order == ("below route", "only with route in the pipeline", "once")
    assert describe(UpstreamHeaders).order == ("below stream-translate", "once")
    assert describe(Transform).order == ("any number of times",)
    assert describe(Guardrail).order == (
        "above stream-translate", "once",
        "better above route; below it, it then runs once an attempt, not once a request",
    )  # fmt: skip


def test_the_settings_are_there():
    assert [row.name for row in describe(RateLimit).settings] == ["per", "requests_per_minute", "window"]


@pytest.mark.parametrize("stage", installed_stages().values(), ids=lambda stage: stage.name)
def test_the_example_of_every_stage_is_right(stage: type[Stage]):
    described = describe(stage)
    assert described.example
    needed = [name for name in dict.fromkeys((*stage.requires, "route")) if name != stage.name]
    others = "".join(f"\n- {name}" for name in needed)
    below = any(name in (*stage.after, *stage.requires) for name in needed)
    text = f"{others}\n{described.example}" if below else f"\n{described.example}{others}"
    file = "upstreams: {echo: {kind: echo}}\nmodels: {'*': echo/*}\npipeline:" + text.replace("\n", "\n  ") + "\n"
    config = load_text(file, stage.name)
    assert stage.name in [entry.name for entry in config.pipeline]
    assert config.warnings == ()


@pytest.mark.parametrize("stage", installed_stages().values(), ids=lambda stage: stage.name)
def test_every_setting_of_every_stage_is_described(stage: type[Stage]):
    assert [row.name for row in describe(stage).settings if not row.description] == []
