"""How the chat servers of the world differ: one struct of switches, each with the reason it exists."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from ...config.types import Mistake
from .think import ThinkTags

TokenLimit = Literal["max_tokens", "max_completion_tokens"]
SystemRole = Literal["system", "developer"]
MergeSystem = Literal["never", "leading", "all"]
ReasoningEffort = Literal["reasoning_effort", "reasoning", "thinking", "chat_template_kwargs", "drop"]
ReplayReasoning = Literal["auto", "never", "reasoning_content", "reasoning", "reasoning_details"]
StructuredOutput = Literal["json_schema", "json_object", "none"]
ToolCallIds = Literal["any", "nine"]
RequiredTool = Literal["required", "any"]
SeedName = Literal["seed", "random_seed"]
Tokenizer = Literal["none", "vllm", "openai"]

_NOT_EXTRA = ("model", "messages", "stream", "stream_options", "tools")


def _about(description: str) -> msgspec.Meta:
    return msgspec.Meta(description=description)


class ChatProfile(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """How one chat server differs. The defaults suit most servers; each switch says who needs it otherwise."""

    token_limit: Annotated[
        TokenLimit, _about("Name of the limit of the answer. OpenAI, Azure, Groq, Cerebras: max_completion_tokens.")
    ] = "max_tokens"
    system_role: Annotated[
        SystemRole, _about("Role of instructions. OpenAI's reasoning models: developer; all others: system.")
    ] = "system"
    merge_system: Annotated[
        MergeSystem,
        _about(
            "Which system messages become one: those at the beginning (many chat templates take only one), "
            "all of them, or none."
        ),
    ] = "leading"
    alternate: Annotated[
        bool, _about("Join neighbouring messages of one role, for servers that want user and assistant to take turns.")
    ] = False
    string_content: Annotated[
        bool, _about("Send text as one string always, for servers that take no lists of parts; images are refused.")
    ] = False
    tool_content_parts: Annotated[bool, _about("Send a tool's texts as a list of parts instead of one string.")] = False
    content_null_as_empty: Annotated[
        bool, _about('Send "" instead of null as content beside tool calls (Ollama, llama.cpp, Cerebras).')
    ] = True
    empty_tool_output: Annotated[str, _about("What to send for a tool that gave back nothing.")] = ""
    object_arguments: Annotated[
        bool, _about("Wrap a call's arguments that are no JSON object, since chat templates fail on them.")
    ] = True
    refusals: Annotated[bool, _about("Send earlier refusals in a field of their own instead of as text.")] = False
    files: Annotated[bool, _about("The server takes documents as parts (OpenAI, OpenRouter); else only text is.")] = (
        False
    )
    videos: Annotated[bool, _about("The server takes videos as parts (vLLM).")] = False
    cache_breakpoints: Annotated[bool, _about("The server takes prompt_cache_breakpoint on content parts.")] = False
    custom_tools: Annotated[bool, _about("The server has freeform tools (OpenAI); else functions stand for them.")] = (
        False
    )
    allowed_tools: Annotated[bool, _about("The server takes tool_choice allowed_tools; else tools are left out.")] = (
        False
    )
    required_tool: Annotated[RequiredTool, _about('Word for "call some tool" in tool_choice. Mistral: any.')] = (
        "required"
    )
    tool_call_ids: Annotated[
        ToolCallIds, _about("Form of the ids of tool calls. Mistral: nine letters or digits, so ids are hashed.")
    ] = "any"
    split_names: Annotated[
        bool,
        _about(
            "The server sends the names of tools in pieces, so that a call is shown only when its arguments begin; "
            "none of the well-known ones does."
        ),
    ] = False
    structured_output: Annotated[
        StructuredOutput,
        _about("What response_format may be. DeepSeek: json_object, so that the schema is put into the prompt."),
    ] = "json_schema"
    stream_usage: Annotated[
        bool,
        _about(
            "Ask for token counts in streams by stream_options.include_usage. A server that refuses to be asked is "
            "asked once, and then no more."
        ),
    ] = True
    reasoning_effort: Annotated[
        ReasoningEffort,
        _about(
            "Field that says how much to think: reasoning_effort, OpenRouter's reasoning object, reasoning_effort with "
            "a switch for none (thinking: DeepSeek), "
            "chat_template_kwargs.enable_thinking (Qwen, GLM on vLLM and SGLang), or none."
        ),
    ] = "reasoning_effort"
    replay_reasoning: Annotated[
        ReplayReasoning,
        _about(
            "Give earlier thinking back to the model: auto in turns with tool calls and in the spelling it came in, "
            "never, or always in the named field (reasoning_content is what DeepSeek's thinking models demand)."
        ),
    ] = "auto"
    tokenizer: Annotated[
        Tokenizer,
        _about("Endpoint that counts the tokens of an input: vLLM's /tokenize, or OpenAI's; none is an estimate."),
    ] = "none"
    think_tags: Annotated[
        ThinkTags, _about("Part thinking from text at <think> tags; implied when the template has opened the tag.")
    ] = "off"
    verbosity: Annotated[bool, _about("The server takes verbosity.")] = False
    service_tier: Annotated[bool, _about("The server takes service_tier (OpenAI, Azure, Groq).")] = False
    prompt_cache_key: Annotated[bool, _about("The server takes prompt_cache_key and prompt_cache_retention.")] = False
    safety_identifier: Annotated[bool, _about("The server takes safety_identifier; else it is sent as user.")] = False
    user: Annotated[bool, _about("The server takes user.")] = True
    seed_name: Annotated[SeedName, _about("What seed is called. Mistral: random_seed.")] = "seed"
    pass_params: Annotated[
        tuple[str, ...], _about("Fields beyond the Responses API that are passed on when a client sends them.")
    ] = ("stop", "seed", "logit_bias")
    extra_body: Annotated[
        dict[str, Any], _about("Fields added to every request, such as chat_template_kwargs or reasoning_format.")
    ] = msgspec.field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuses extra fields that come from the request."""
        for name in _NOT_EXTRA:
            if name in self.extra_body:
                raise Mistake(f'extra_body cannot hold "{name}"', "it comes from the request")
