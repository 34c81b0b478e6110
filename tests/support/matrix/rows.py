"""The rows of the matrix: every kind of upstream in each of its dialects, and the fake that stands for it."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from tests.support.fakes.bedrock import ACCESS_KEY, REGION, SECRET, Bedrock
from tests.support.fakes.chat import DeepSeek, Vllm
from tests.support.fakes.claude import Anthropic
from tests.support.fakes.google import Gemini, Vertex
from tests.support.fakes.openai import AzureAI, AzureOpenAI, OpenAI
from tests.support.fakes.server import KEY, Fake

ACCOUNT = "account.json"
"""The file with Google's credentials, beside the file that is served."""


class Row(msgspec.Struct, kw_only=True):
    """An upstream: what stands for it in the table and in the file, its model, and the fake.

    `passes` are the APIs whose requests and answers go through as they are. A client of chat completions says its limit
    in the server's own word there (`limit`).
    """

    label: str
    name: str
    model: str
    fake: Callable[[], Fake]
    settings: str
    passes: tuple[str, ...] = ()
    limit: str = "max_completion_tokens"

    def entry(self, origin: str) -> str:
        """Returns the upstream's line in the file."""
        return f"  {self.name}: {{base_url: {origin}, {self.settings}}}\n"


_KEY = f"api_key: {KEY}"
_AWS = f"region: {REGION}, access_key_id: {ACCESS_KEY}, secret_access_key: {SECRET}"
_GOOGLE = f"credentials: 'file:./{ACCOUNT}'"
_OF_DEPLOYMENTS = "{my-mini: gpt-5-mini}"
_SONNET = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"

ROWS = (
    Row(
        label="`openai`",
        name="openai",
        model="gpt-5-mini",
        fake=OpenAI,
        settings=f"kind: openai, {_KEY}",
        passes=("responses", "chat"),
    ),
    Row(
        label="`openai`, Responses API",
        name="openai-responses",
        model="gpt-5-mini",
        fake=OpenAI,
        settings=f"kind: openai, {_KEY}, api: responses, reasoning_summary: auto",
        passes=("responses",),
    ),
    Row(
        label="`openai`, chat completions",
        name="openai-chat",
        model="gpt-5-mini",
        fake=OpenAI,
        settings=f"kind: openai, {_KEY}, api: chat",
        passes=("chat",),
    ),
    Row(
        label="`openai-compatible`, preset `vllm`",
        name="vllm",
        model="qwen3-vl",
        fake=Vllm,
        settings=f"kind: openai-compatible, preset: vllm, {_KEY}",
        passes=("chat",),
        limit="max_tokens",
    ),
    Row(
        label="`openai-compatible`, preset `deepseek`",
        name="deepseek",
        model="deepseek-v4-flash",
        fake=DeepSeek,
        settings=f"kind: openai-compatible, preset: deepseek, {_KEY}",
        passes=("chat",),
        limit="max_tokens",
    ),
    Row(
        label="`azure-openai`, v1 path",
        name="azure",
        model="gpt-5-mini",
        fake=AzureOpenAI,
        settings=f"kind: azure-openai, {_KEY}",
        passes=("responses", "chat"),
    ),
    Row(
        label="`azure-openai`, deployments path",
        name="azure-deployments",
        model="my-mini",
        fake=AzureOpenAI,
        settings=f"kind: azure-openai, {_KEY}, api: chat, api_version: 2024-10-21, base_models: {_OF_DEPLOYMENTS}",
        passes=("chat",),
    ),
    Row(
        label="`azure-ai`, DeepSeek",
        name="foundry",
        model="deepseek-v3.2",
        fake=AzureAI,
        settings=f"kind: azure-ai, {_KEY}",
        passes=("chat",),
        limit="max_tokens",
    ),
    Row(
        label="`azure-ai`, Claude",
        name="foundry-claude",
        model="claude-sonnet-4-5",
        fake=AzureAI,
        settings=f"kind: azure-ai, {_KEY}",
    ),
    Row(
        label="`anthropic`, Opus 5.5",
        name="anthropic-newest",
        model="claude-opus-5-5",
        fake=Anthropic,
        settings=f"kind: anthropic, {_KEY}",
    ),
    Row(
        label="`anthropic`, Opus 4.6",
        name="anthropic",
        model="claude-opus-4-6",
        fake=Anthropic,
        settings=f"kind: anthropic, {_KEY}",
    ),
    Row(
        label="`gemini`",
        name="gemini",
        model="gemini-3-flash-preview",
        fake=Gemini,
        settings=f"kind: gemini, {_KEY}",
    ),
    Row(
        label="`vertex`, Gemini",
        name="vertex",
        model="gemini-3-flash-preview",
        fake=Vertex,
        settings=f"kind: vertex, location: europe-west4, {_GOOGLE}",
    ),
    Row(
        label="`vertex`, Claude",
        name="vertex-claude",
        model="claude-sonnet-4-6",
        fake=Vertex,
        settings=f"kind: vertex, location: eu, {_GOOGLE}",
    ),
    Row(
        label="`vertex`, open models",
        name="vertex-open",
        model="xai/grok-4.3",
        fake=Vertex,
        settings=f"kind: vertex, location: us, {_GOOGLE}",
        passes=("chat",),
        limit="max_tokens",
    ),
    Row(
        label="`vertex`, Mistral",
        name="vertex-mistral",
        model="mistralai/mistral-large-2411",
        fake=Vertex,
        settings=f"kind: vertex, location: us-central1, {_GOOGLE}",
        passes=("chat",),
        limit="max_tokens",
    ),
    Row(
        label="`bedrock`, Nova",
        name="bedrock-nova",
        model="us.amazon.nova-2-lite-v1:0",
        fake=Bedrock,
        settings=f"kind: bedrock, {_AWS}",
    ),
    Row(
        label="`bedrock`, Converse",
        name="bedrock",
        model=_SONNET,
        fake=Bedrock,
        settings=f"kind: bedrock, {_AWS}",
    ),
    Row(
        label="`bedrock`, InvokeModel",
        name="bedrock-invoke",
        model=_SONNET,
        fake=Bedrock,
        settings=f"kind: bedrock, {_AWS}, api: invoke",
    ),
)
