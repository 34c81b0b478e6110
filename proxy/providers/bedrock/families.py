"""What a model of Bedrock takes, told from its id.

Ids name the maker: `anthropic.claude-sonnet-4-5-20250929-v1:0`, `us.amazon.nova-2-lite-v1:0` (an inference profile),
and so do the ARNs that end in one of these. Other ARNs name nothing: the file says what is behind them.
"""

from __future__ import annotations

import re
from typing import Literal

import msgspec

from ..anthropic.traits import FOREIGN, Traits, traits_of

EffortForm = Literal["none", "thinking", "reasoning_config", "reasoning_effort", "reasoning"]

_ARN = re.compile(r"arn:aws[\w-]*:(?:bedrock|sagemaker):([a-z0-9-]*):")
_REGIONAL = re.compile(r"(?:us-gov|us|eu|apac|au|ca|jp|global)\.(?=[a-z0-9-]+\.)")
_NOVA_2 = re.compile(r"amazon\.nova-(?:premier-)?[2-9]")
_GPT = re.compile(r"openai\.(?:gpt-[5-9]|o\d)")
_NATIVE = re.compile(
    r"openai\.|qwen\.qwen3|deepseek\.v3|mistral\.(?:mistral-large-3|magistral|ministral|voxtral)|moonshot|minimax|nvidia"
    r"|google\.gemma-3"
)
_NO_TOOLS = re.compile(r"deepseek\.r1|amazon\.titan|meta\.llama2|meta\.llama3-(?!\d)|google\.gemma-")


class Family(msgspec.Struct, frozen=True, kw_only=True):
    """What one model takes.

    `claude` is what a Claude takes of its own API. `effort` is how it is told to think. `schemas`: it can be held to a
    JSON schema. `tools`: it knows tools at all. `cache`: up to where a request may be kept (`tools` does not stand for
    the rest). `nine`: ids of its calls are of nine letters. `summaries`: it shows a summary of its thinking.
    """

    claude: Traits | None = None
    effort: EffortForm = "none"
    schemas: bool = False
    tools: bool = True
    cache: tuple[Literal["tools", "system", "messages"], ...] = ()
    nine: bool = False
    summaries: bool = False

    @property
    def traits(self) -> Traits:
        """What it takes of the Messages API; of models of other makers hardly anything is known."""
        return self.claude or FOREIGN


def family_of(model: str) -> Family:
    """Returns what a model takes, by its id or by that of the model behind it."""
    name = bare(model)
    if "claude" in name:
        traits = traits_of(name)
        return Family(
            claude=traits,
            effort="thinking" if traits.thinking != "none" else "none",
            schemas=traits.schemas,
            cache=("tools", "system", "messages"),
            summaries=True,
        )
    return Family(
        effort=_effort(name),
        schemas=_NATIVE.match(name) is not None,
        tools=_NO_TOOLS.match(name) is None,
        cache=("system", "messages") if name.startswith("amazon.nova") else (),
        nine=name.startswith("mistral."),
    )


def _effort(name: str) -> EffortForm:
    if _NOVA_2.match(name):
        return "reasoning_config"
    if _GPT.match(name):
        return "reasoning"
    return "reasoning_effort" if name.startswith("openai.gpt-oss") else "none"


def bare(model: str) -> str:
    """Returns the id without the ARN and the region that may stand before it."""
    name = model.lower()
    if name.startswith("arn:"):
        name = name.rpartition("/")[2]
    return _REGIONAL.sub("", name, count=1) if _REGIONAL.match(name) else name


def maker(model: str) -> str:
    """Returns who made a model: the first word of its id. Of an ARN that names nothing it is the ARN."""
    name = bare(model)
    if "claude" in name:
        return "anthropic"
    return name.partition(".")[0]


def region_of(model: str) -> str | None:
    """Returns the region that an ARN names, None when there is none."""
    match = _ARN.match(model)
    return match[1] or None if match is not None else None
