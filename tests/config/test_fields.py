"""The settings of a struct as a table."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from proxy.config.fields import FieldRow, rows
from proxy.config.types import Duration, Secret, Size
from proxy.stage import StageConfig


class Step(StageConfig, frozen=True, kw_only=True, rename={"from_": "from"}):
    """One step."""

    from_: Annotated[str, Meta(description="Whence.")]
    steps: tuple[Step, ...] = ()


class Words(msgspec.Struct, tag_field="match", tag="words"):
    words: Annotated[list[str], Meta(description="The words.")]
    action: Annotated[Literal["redact", "block"], Meta(description="What then.")] = "block"


class Regex(msgspec.Struct, tag_field="match", tag="regex"):
    pattern: str
    action: Annotated[Literal["redact", "block"], Meta(description="What then.")] = "block"


class Whole(StageConfig, frozen=True, kw_only=True):
    count: Annotated[int, Meta(gt=0, le=9, description="How many.")] | None = None
    share: Annotated[Annotated[float, Meta(ge=0.5)], Meta(description="How much.")] = 1.0
    idle: Duration = Duration(90)
    size: Size = Size(2048)
    key: Secret | None = None
    on_fire: bool = False
    first: Step | None = None
    rules: tuple[Words | Regex, ...] = ()
    by_name: dict[str, Step] = msgspec.field(default_factory=dict)
    extra: dict[str, Any] = msgspec.field(default_factory=dict)
    mode: int | Literal["auto"] = "auto"


def test_rows():
    assert rows(Whole) == (
        FieldRow("count", "whole number > 0, ≤ 9", "", "How many."),
        FieldRow("share", "number ≥ 0.5", "1.0", "How much."),
        FieldRow("idle", "duration", "90s", ""),
        FieldRow("size", "size", "2KiB", ""),
        FieldRow("key", "secret", "", ""),
        FieldRow("on_fire", "true or false", "false", ""),
        FieldRow("first", "mapping", "", ""),
        FieldRow("first.from", "text", "required", "Whence."),
        FieldRow("first.steps", "list of mapping", "[]", ""),
        FieldRow("rules", "list of mapping", "[]", ""),
        FieldRow("rules[].match", "`words` or `regex`", "required", "Which of the forms below it is."),
        FieldRow("rules[].words", "list of text", "required", "With match: words. The words."),
        FieldRow("rules[].action", "`block` or `redact`", "block", "What then."),
        FieldRow("rules[].pattern", "text", "required", "With match: regex. "),
        FieldRow("by_name", "mapping of mapping", "{}", ""),
        FieldRow("by_name.*.from", "text", "required", "Whence."),
        FieldRow("by_name.*.steps", "list of mapping", "[]", ""),
        FieldRow("extra", "mapping of anything", "{}", ""),
        FieldRow("mode", "whole number or `auto`", "auto", ""),
    )


class OneOrMore(msgspec.Struct):
    words: Words | tuple[Words, ...] | None = None


def test_a_form_that_may_stand_alone_or_in_a_list_is_shown_once():
    assert [row.name for row in rows(OneOrMore)] == ["words", "words.match", "words.words", "words.action"]
