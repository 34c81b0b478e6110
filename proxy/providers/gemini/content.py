"""Content parts of the Responses API as parts of Gemini's contents."""

from __future__ import annotations

import base64
import mimetypes
import re
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

from ...api import invalid
from ...api.responses.parts import (
    InputAudio,
    InputFile,
    InputImage,
    InputPart,
    InputVideo,
    RefusalPart,
    TextPart,
)

Part = dict[str, Any]

_FILE = re.compile(r"files/[A-Za-z0-9_-]{1,64}")
_FILES = "https://generativelanguage.googleapis.com/v1beta/"
_SCHEMES = ("http://", "https://", "gs://")
_AUDIO = {"mp3": "audio/mp3", "wav": "audio/wav", "pcm16": "audio/pcm"}
_YOUTUBE = ("www.youtube.com", "youtube.com", "youtu.be")
_DETAILS = ("auto", "low", "high", "original")


def user_parts(content: str | list[InputPart], path: str) -> list[Part]:
    """Returns the parts of a message of the user, or of what a tool gave back; empty texts are left out.

    Raises BadRequest for what Gemini cannot be shown.
    """
    if isinstance(content, str):
        return [{"text": content}] if content else []
    parts: list[Part] = []
    for index, part in enumerate(content):
        made = gemini_part(part, f"{path}.content[{index}]")
        if made.get("text") != "":
            parts.append(made)
    return parts


def gemini_part(part: InputPart, path: str) -> Part:
    """Returns one part; raises BadRequest."""
    if isinstance(part, TextPart):
        return {"text": part.text}
    if isinstance(part, RefusalPart):
        return {"text": part.refusal}
    if isinstance(part, InputImage):
        return _image(part, path)
    if isinstance(part, InputFile):
        return _file(part, path)
    if isinstance(part, InputAudio):
        audio = part.input_audio
        return _inline(_AUDIO.get(audio.format, f"audio/{audio.format}"), audio.data)
    assert isinstance(part, InputVideo)
    return _by_address(part.video_url, f"{path}.video_url", "video/mp4")


def _image(part: InputImage, path: str) -> Part:
    if part.detail is not None and part.detail not in _DETAILS:
        raise invalid.bad_value(f"{path}.detail", part.detail, _DETAILS)
    if part.image_url is not None:
        return _by_address(part.image_url, f"{path}.image_url", "image/jpeg")
    if part.file_id is not None:
        return _by_id(part.file_id, f"{path}.file_id", None)
    raise invalid.missing(f"{path}.image_url")


def _file(part: InputFile, path: str) -> Part:
    if part.file_data is not None:
        if part.file_data.startswith("data:"):
            return _by_address(part.file_data, f"{path}.file_data", _guess(part.filename, "application/pdf"))
        return _inline(_guess(part.filename, "application/pdf"), part.file_data)
    if part.file_url is not None:
        return _by_address(part.file_url, f"{path}.file_url", "application/pdf")
    if part.file_id is not None:
        return _by_id(part.file_id, f"{path}.file_id", part.filename)
    raise invalid.missing(f"{path}.file_data")


def _by_address(address: str, path: str, default_type: str) -> Part:
    """Returns what stands at an address: its bytes if it holds them, else the address for Google to fetch."""
    if address.startswith("data:"):
        return _from_data(address, path, default_type)
    if not address.startswith(_SCHEMES):
        raise invalid.unsupported(path, "Only 'https:', 'gs:' and 'data:' addresses are served.")
    try:
        parts = urlsplit(address)
    except ValueError:
        raise invalid.invalid(path, f"'{path}' is no address.") from None
    if parts.hostname in _YOUTUBE:
        return {"fileData": {"fileUri": address}}
    return {"fileData": {"mimeType": _guess(parts.path, default_type), "fileUri": address}}


def _from_data(address: str, path: str, default_type: str) -> Part:
    head, comma, data = address[5:].partition(",")
    if not comma:
        raise invalid.invalid(path, f"'{path}' is no whole data address.")
    kind, *parameters = head.split(";")
    if "base64" not in (parameter.strip().lower() for parameter in parameters):
        data = base64.b64encode(unquote_to_bytes(data)).decode()
    return _inline(kind.strip().lower() or default_type, data)


def _by_id(file_id: str, path: str, filename: str | None) -> Part:
    """Returns a file that Google keeps: by its name, or by the address under which it is known."""
    if _FILE.fullmatch(file_id):
        address = _FILES + file_id
    elif file_id.startswith((_FILES, "gs://")):
        address = file_id
    else:
        raise invalid.unsupported(path, "This upstream keeps no such file: send its content, or 'files/...'.")
    kind = mimetypes.guess_type(filename or address)[0]
    return {"fileData": {"mimeType": kind, "fileUri": address} if kind else {"fileUri": address}}


def _inline(kind: str, data: str) -> Part:
    return {"inlineData": {"mimeType": kind, "data": data}}


def _guess(name: str | None, default: str) -> str:
    return (mimetypes.guess_type(name)[0] if name else None) or default
