"""Content parts of the Responses API as content blocks of the Messages API."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any

from ...api import invalid
from ...api.raw import given
from ...api.responses.parts import InputFile, InputImage, InputPart, RefusalPart, TextPart
from ...errors import BadRequest

Block = dict[str, Any]

_MAGIC = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF8", "image/gif"),
)
_IMAGES = ("image/jpeg", "image/png", "image/gif", "image/webp")
_PDF = "application/pdf"
_TEXT_TYPES = ("text/", "application/json", "application/xml", "application/yaml", "application/x-yaml")
_DATA_URL = re.compile(r"data:([^,]*),", re.IGNORECASE)
_OWN_FILE = "file_"
EPHEMERAL = {"type": "ephemeral"}


def blocks(content: str | list[InputPart], path: str, *, field: str = "content", cite: bool = False) -> list[Block]:
    """Returns the blocks of a message or output that stands at `path`; raises BadRequest for what cannot be shown.

    Text of nothing but white space is left out: the API refuses it. `cite` asks for citations of documents.
    """
    if isinstance(content, str):
        return text_blocks(content)
    made: list[Block] = []
    for index, part in enumerate(content):
        for one in _part(part, f"{path}.{field}[{index}]"):
            if cite and one["type"] == "document":
                one["citations"] = {"enabled": True}
            if given(part.prompt_cache_breakpoint):
                one["cache_control"] = EPHEMERAL
            made.append(one)
    return made


def text_blocks(text: str) -> list[Block]:
    """Returns a text as one block, or none when it says nothing."""
    return [{"type": "text", "text": text}] if text and not text.isspace() else []


def system_blocks(content: str | list[InputPart], path: str) -> list[Block]:
    """Returns the text blocks of a message that instructs the model; raises BadRequest when there is more than text."""
    if isinstance(content, str):
        return text_blocks(content)
    for index, part in enumerate(content):
        if not isinstance(part, TextPart):
            where = f"{path}.content[{index}].type"
            raise invalid.bad_value(where, str(part.__struct_config__.tag), ("input_text",))
    return blocks(content, path)


def _part(part: InputPart, path: str) -> list[Block]:
    if isinstance(part, TextPart):
        return text_blocks(part.text)
    if isinstance(part, RefusalPart):
        return text_blocks(part.refusal)
    if isinstance(part, InputImage):
        return [_image(part, path)]
    if isinstance(part, InputFile):
        return [_file(part, path)]
    raise _cannot(path, "This upstream takes text, images and documents, neither sound nor films.")


def _image(part: InputImage, path: str) -> Block:
    if part.image_url is not None:
        return {"type": "image", "source": _image_source(part.image_url, f"{path}.image_url")}
    if part.file_id is None:
        raise invalid.missing(f"{path}.image_url")
    return {"type": "image", "source": _kept(part.file_id, f"{path}.file_id")}


def _image_source(url: str, path: str) -> Block:
    match = _DATA_URL.match(url)
    if match is None:
        return _address(url, path)
    data, raw = _decoded(url[match.end() :], match[1], path)
    kind = _image_type(raw)
    if kind is None:
        raise _cannot(path, f"This upstream takes images of these types: {', '.join(_IMAGES)}.")
    return {"type": "base64", "media_type": kind, "data": data}


def _image_type(raw: bytes) -> str | None:
    """Returns what the bytes are, whatever they are called: a wrong name is refused."""
    if raw[:4] == b"RIFF" and raw[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for magic, kind in _MAGIC if raw.startswith(magic)), None)


def _file(part: InputFile, path: str) -> Block:
    if part.file_url is not None:
        source = _address(part.file_url, f"{path}.file_url")
    elif part.file_id is not None:
        source = _kept(part.file_id, f"{path}.file_id")
    elif part.file_data is not None:
        source = _document(part.file_data, f"{path}.file_data")
    else:
        raise invalid.missing(f"{path}.file_data")
    if source.get("media_type") in _IMAGES:
        return {"type": "image", "source": source}
    document: Block = {"type": "document", "source": source}
    if part.filename:
        document["title"] = part.filename
    return document


def _document(data: str, path: str) -> Block:
    """Returns the source of a document that came with the request: a PDF, a text, or an image."""
    match = _DATA_URL.match(data)
    declared = match[1].partition(";")[0].lower() if match is not None else ""
    encoded, raw = _decoded(data[match.end() :] if match is not None else data, match[1] if match else ";base64", path)
    if raw.startswith(b"%PDF") or declared == _PDF:
        return {"type": "base64", "media_type": _PDF, "data": encoded}
    image = _image_type(raw)
    if image is not None:
        return {"type": "base64", "media_type": image, "data": encoded}
    if not declared or declared.startswith(_TEXT_TYPES):
        try:
            return {"type": "text", "media_type": "text/plain", "data": raw.decode()}
        except UnicodeDecodeError:
            pass
    raise _cannot(path, "This upstream takes documents that are PDF or plain text.")


def _decoded(data: str, declared: str, path: str) -> tuple[str, bytes]:
    """Returns base64 as it came, and what it says."""
    if not declared.lower().endswith(";base64"):
        raise _cannot(path, "Data must be given as base64.")
    try:
        return data, base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise invalid.invalid(path, f"Invalid '{path}': it is not valid base64.") from None


def _address(url: str, path: str) -> Block:
    if not url.lower().startswith("https://"):
        raise _cannot(path, "This upstream takes addresses that begin with https:// or data:.")
    return {"type": "url", "url": url}


def _kept(file_id: str, path: str) -> Block:
    if not file_id.startswith(_OWN_FILE):
        raise _cannot(path, f"This upstream has no file '{file_id[:64]}': send the data itself.")
    return {"type": "file", "file_id": file_id}


def _cannot(path: str, message: str) -> BadRequest:
    return invalid.unsupported(path, message)
