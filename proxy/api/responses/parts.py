"""The content parts of messages and tool outputs, as clients send them."""

from __future__ import annotations

import msgspec

from ..raw import ABSENT, Raw


class Part(msgspec.Struct, tag_field="type", kw_only=True):
    """Base of all content parts. `prompt_cache_breakpoint` is a hint that some upstreams take on any part."""

    prompt_cache_breakpoint: Raw = ABSENT


class TextPart(Part, kw_only=True):
    """Base of all parts that are plain text."""

    text: str


class InputText(TextPart, tag="input_text"):
    """Text of the client."""


class OutputText(TextPart, tag="output_text"):
    """Text that a model said earlier; its annotations and logprobs are not read back."""


class PlainText(TextPart, tag="text"):
    """Text under the name that chat completions give it; not in the API, but sent by some clients."""


class SummaryText(TextPart, tag="summary_text"):
    """A summary of thinking."""


class ReasoningText(TextPart, tag="reasoning_text"):
    """Thinking itself."""


class RefusalPart(Part, tag="refusal", kw_only=True):
    """What a model said when it refused."""

    refusal: str


class InputImage(Part, tag="input_image", kw_only=True):
    """An image by address (`https:` or `data:`) or by the id of an uploaded file."""

    image_url: str | None = None
    file_id: str | None = None
    detail: str | None = None


class InputFile(Part, tag="input_file", kw_only=True):
    """A document by content (a `data:` address or base64), address, or id of an uploaded file."""

    filename: str | None = None
    file_data: str | None = None
    file_url: str | None = None
    file_id: str | None = None


class Audio(msgspec.Struct):
    """Sound: base64 and its format (`wav`, `mp3`)."""

    data: str
    format: str


class InputAudio(Part, tag="input_audio", kw_only=True):
    """Sound as input."""

    input_audio: Audio


class InputVideo(Part, tag="input_video", kw_only=True):
    """A film by address."""

    video_url: str


InputPart = InputText | OutputText | PlainText | RefusalPart | InputImage | InputFile | InputAudio | InputVideo
"""What may stand in a message or in a tool's output."""

PlainPart = InputText | OutputText | PlainText
"""What is text and nothing else."""

ThoughtPart = SummaryText | ReasoningText | PlainText | InputText | OutputText
"""What may stand in a reasoning item."""
