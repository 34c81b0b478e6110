"""Content parts of the Responses API as those of chat completions."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from ...api import invalid
from ...api.raw import given
from ...api.responses.parts import (
    InputAudio,
    InputFile,
    InputImage,
    InputPart,
    InputVideo,
    RefusalPart,
    TextPart,
)
from ...errors import BadRequest
from .profile import ChatProfile

Content = str | list[dict[str, Any]]

PARAGRAPH = "\n\n"

_DETAILS = {"auto": "auto", "low": "low", "high": "high", "original": "high"}
_TEXT_TYPES = ("text/", "application/json", "application/xml", "application/yaml", "application/x-yaml")


def user_content(content: str | list[InputPart], path: str, profile: ChatProfile) -> Content:
    """Returns the content of a user's message; raises BadRequest for what this upstream cannot be shown."""
    if isinstance(content, str):
        return content
    parts = [chat_part(part, f"{path}.content[{index}]", profile) for index, part in enumerate(content)]
    return simplest(parts, profile)


def simplest(parts: list[dict[str, Any]], profile: ChatProfile) -> Content:
    """Returns parts as one string where that says the same or the upstream takes nothing else."""
    if not parts:
        return ""
    if len(parts) == 1 and parts[0].keys() == {"type", "text"}:
        text: str = parts[0]["text"]
        return text
    if profile.string_content:
        return PARAGRAPH.join(part["text"] for part in parts)
    return parts


def system_text(content: str | list[InputPart], path: str) -> str:
    """Returns the text of a message that instructs the model; raises BadRequest when there is more than text."""
    if isinstance(content, str):
        return content
    texts: list[str] = []
    for index, part in enumerate(content):
        if not isinstance(part, TextPart):
            where = f"{path}.content[{index}].type"
            raise invalid.bad_value(where, str(part.__struct_config__.tag), ("input_text",))
        texts.append(part.text)
    return PARAGRAPH.join(texts)


def chat_part(part: InputPart, path: str, profile: ChatProfile) -> dict[str, Any]:
    """Returns one part; raises BadRequest for what this upstream cannot be shown."""
    made = _text(part) or _media(part, path, profile)
    if profile.string_content and made["type"] != "text":
        raise _cannot(path, "This upstream takes text only.")
    if profile.cache_breakpoints and given(part.prompt_cache_breakpoint):
        made["prompt_cache_breakpoint"] = part.prompt_cache_breakpoint
    return made


def _text(part: InputPart) -> dict[str, Any] | None:
    if isinstance(part, TextPart):
        return {"type": "text", "text": part.text}
    if isinstance(part, RefusalPart):
        return {"type": "text", "text": part.refusal}
    return None


def _media(part: InputPart, path: str, profile: ChatProfile) -> dict[str, Any]:
    if isinstance(part, InputImage):
        return _image(part, path)
    if isinstance(part, InputFile):
        return _file(part, path, profile)
    if isinstance(part, InputAudio):
        audio = part.input_audio
        return {"type": "input_audio", "input_audio": {"data": audio.data, "format": audio.format}}
    if isinstance(part, InputVideo) and profile.videos:
        return {"type": "video_url", "video_url": {"url": part.video_url}}
    raise _cannot(path, "This upstream takes no videos.")


def _image(part: InputImage, path: str) -> dict[str, Any]:
    if part.image_url is None:
        if part.file_id is not None:
            raise _cannot(f"{path}.file_id", "Images by file id are not served: send an 'image_url'.")
        raise invalid.missing(f"{path}.image_url")
    image: dict[str, Any] = {"url": part.image_url}
    if part.detail is not None:
        detail = _DETAILS.get(part.detail)
        if detail is None:
            raise invalid.bad_value(f"{path}.detail", part.detail, _DETAILS)
        image["detail"] = detail
    return {"type": "image_url", "image_url": image}


def _file(part: InputFile, path: str, profile: ChatProfile) -> dict[str, Any]:
    if part.file_url is not None:
        raise _cannot(f"{path}.file_url", "Files by address are not served: send 'file_data'.")
    if part.file_id is not None:
        if not profile.files:
            raise _cannot(f"{path}.file_id", "This upstream keeps no files: send 'file_data'.")
        return {"type": "file", "file": {"file_id": part.file_id}}
    if part.file_data is None:
        raise invalid.missing(f"{path}.file_data")
    if profile.files:
        named = {"filename": part.filename} if part.filename is not None else {}
        return {"type": "file", "file": {**named, "file_data": part.file_data}}
    text = _text_of_file(part.file_data)
    if text is None:
        raise _cannot(f"{path}.file_data", "This upstream takes no documents but plain text.")
    return {"type": "text", "text": f"[file: {part.filename or 'unnamed'}]\n{text}"}


def _text_of_file(data: str) -> str | None:
    """Returns the text of a document given as a `data:` address; None when it is no text."""
    head, comma, body = data.partition(",")
    if not comma or not head.startswith("data:") or not head[5:].lower().startswith(_TEXT_TYPES):
        return None
    if not head.endswith(";base64"):
        return None
    try:
        return base64.b64decode(body, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return None


def _cannot(path: str, message: str) -> BadRequest:
    return invalid.unsupported(path, message)
