"""What the file says of how Gemini is asked, whichever way leads to it."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

Threshold = Literal["OFF", "BLOCK_NONE", "BLOCK_ONLY_HIGH", "BLOCK_MEDIUM_AND_ABOVE", "BLOCK_LOW_AND_ABOVE"]


def _about(description: str) -> msgspec.Meta:
    return msgspec.Meta(description=description)


class SafetySettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """From which probability on answers are blocked, for each kind of harm; else Google's default is in force."""

    harassment: Annotated[Threshold | None, _about("Insults and threats.")] = None
    hate_speech: Annotated[Threshold | None, _about("Contempt for groups of people.")] = None
    sexually_explicit: Annotated[Threshold | None, _about("Sexual content.")] = None
    dangerous_content: Annotated[Threshold | None, _about("Help with what does harm.")] = None
    civic_integrity: Annotated[Threshold | None, _about("What could harm elections.")] = None

    def as_list(self) -> list[dict[str, str]]:
        """Returns the settings as requests have them."""
        named = ((name, getattr(self, name)) for name in self.__struct_fields__)
        return [
            {"category": f"HARM_CATEGORY_{name.upper()}", "threshold": threshold}
            for name, threshold in named
            if threshold is not None
        ]


_Tokens = Annotated[int, msgspec.Meta(ge=-1)] | None


class ThinkingBudgets(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Tokens of thinking for each effort, for models that take a budget (Gemini 2.5); -1 lets the model choose."""

    none: Annotated[_Tokens, _about("As little as the model can: 0, but 128 for pro models.")] = None
    minimal: Annotated[_Tokens, _about("By default 512.")] = None
    low: Annotated[_Tokens, _about("By default 1024.")] = None
    medium: Annotated[_Tokens, _about("By default 8192.")] = None
    high: Annotated[_Tokens, _about("By default 24576, and 32768 for pro models.")] = None
    xhigh: Annotated[_Tokens, _about("By default that of high.")] = None
    max: Annotated[_Tokens, _about("By default that of high.")] = None


class AskSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How Gemini is asked: what the file says, and what the way to it takes."""

    safety: SafetySettings = SafetySettings()
    thinking_budgets: ThinkingBudgets = ThinkingBudgets()
    include_thoughts: bool = False
    stream_arguments: bool = False
    """Whether arguments of calls are to come in pieces; the Gemini API has no word for it."""
    service_tiers: bool = True
    """Whether requests may name a service tier: Vertex AI has headers for it instead."""
    tells_hosted: bool = True
    """Whether the calls of Google's own tools are to be told beside functions: the Gemini API wants to be asked."""
