"""Every text in a piece of JSON that says something: where it stands, and how another one is put in its place.

What says nothing to a model is left out: kinds, ids, roles, sealed and binary data; so is what is secret, such as the
headers for a server of tools. Files count where they come with the request and are texts. Names of fields are texts
too, where clients choose them: in schemas, in metadata, among the variables of a prompt.
"""

from __future__ import annotations

import base64
import mimetypes
import re
from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, unquote_to_bytes

import msgspec

from ..errors import BadRequest

if TYPE_CHECKING:
    from ..request import ModelRequest

Keys = tuple[str | int, ...]
"""The way to a text: names of fields and indexes. The last is a `Name` where the text is the name itself."""

_SILENT = frozenset(
    (
        "b64_json",
        "call_id",
        "container_id",
        "data",
        "detail",
        "encrypted_content",
        "file_id",
        "format",
        "id",
        "partial_image_b64",
        "role",
        "signature",
        "status",
        "thought_signature",
        "tool_call_id",
        "type",
    )
)
_SECRET = frozenset(("authorization", "headers"))
_FREE = frozenset(("input_schema", "metadata", "parameters", "schema", "variables"))
"""Below these, clients choose the names of fields."""
_TYPES = frozenset(("array", "boolean", "integer", "null", "number", "object", "string"))
_KEYWORDS = frozenset(
    ("$defs", "$ref", "additionalProperties", "allOf", "anyOf", "const", "default", "definitions", "description",
     "enum", "examples", "format", "items", "maxItems", "maxLength", "maximum", "minItems", "minLength", "minimum",
     "oneOf", "pattern", "properties", "required", "title", "type")
)  # fmt: skip
"""Words of JSON Schema: nobody has chosen them."""
_FILE = "file_data"
_LONGEST_RESULT = 4096
"""A longer `result` is a picture."""
_TEXTUAL = frozenset(
    ("application/json", "application/xml", "application/yaml", "application/x-yaml", "application/toml",
     "application/javascript", "application/sql", "application/x-sh", "application/x-ndjson", "application/jsonl")
)  # fmt: skip
_SUFFIXES = frozenset(
    ("cfg", "conf", "csv", "env", "go", "ini", "java", "jsonl", "jsx", "kt", "log", "markdown", "md", "ndjson", "rs",
     "rst", "sql", "swift", "tex", "toml", "ts", "tsv", "tsx", "txt", "yaml", "yml")
)  # fmt: skip
_OPAQUE = (
    "application/gzip", "application/msword", "application/pdf", "application/vnd.", "application/zip",
    "audio/", "font/", "image/", "video/",
)  # fmt: skip
"""What media types of files that are no texts begin with."""
_ADDRESSED = ("audio", "image", "src", "uri", "url", "video")
"""What names of fields end in that hold an address, be it one that is the data itself."""
_FOREIGN = re.compile(r"[^A-Za-z0-9+/=_\s-]")
"""What base64 does not have, in any of its alphabets."""
_NOT_READ = re.compile(r"[^A-Za-z0-9+/=]+")
_TO_STANDARD = str.maketrans("-_", "+/")
_LOOKED_AT = 1024
_OPENING = (b'"', b"{", b"[")


class Name(str):
    """The name of a field, as the last of the keys that lead to it."""

    __slots__ = ()


class FieldText:
    """One text in a top-level field of a request, other than its input; `path` says where it stands."""

    __slots__ = ("_field", "_keys", "_request", "path", "text")

    def __init__(self, request: ModelRequest, field: str, keys: Keys, text: str) -> None:
        self._request = request
        self._field = field
        self._keys = keys
        self.path = field + path_of(keys)
        self.text = text

    def replace(self, text: str) -> None:
        """Puts another text in its place."""
        self.replace_all([(self, text)])

    @staticmethod
    def replace_all(changes: Sequence[tuple[FieldText, str]]) -> None:
        """Does so for many, field by field."""
        wholes: dict[str, Any] = {}
        for place, text in changes:
            field = place._field
            if field not in wholes:
                wholes[field] = place._request.get(field)
            wholes[field] = with_text(wholes[field], place._keys, text)
            place.text = text
        for field, whole in wholes.items():
            changes[0][0]._request.set(field, whole)


def field_texts(request: ModelRequest, fields: Collection[str]) -> Iterator[FieldText]:
    """Yields the texts in some fields of a request, in their order. Raises BadRequest for what cannot be read."""
    for field, raw in list(request.fields.items()):
        if field in fields and bytes(memoryview(raw)[:1]) in _OPENING:
            for keys, text in texts_of(raw, field, free=field in _FREE):
                yield FieldText(request, field, keys, text)


def texts_of(raw: bytes, path: str, *, free: bool = False) -> list[tuple[Keys, str]]:
    """Returns the texts in some JSON, each with the way to it; raises BadRequest when it cannot be read.

    Names of fields come behind what is in them, so that all can be replaced in the order in which they come. `free`
    says that the names of its fields are texts.
    """
    try:
        return list(texts_in(msgspec.json.decode(raw), free=free))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(f"Invalid value for '{path}': {error}.", param=path, code="invalid_value") from None


def texts_in(value: Any, keys: Keys = (), *, free: bool = False) -> Iterator[tuple[Keys, str]]:
    """Yields the texts in a value, each with the way to it. `free` says that the names of its fields are texts."""
    if isinstance(value, str):
        if value:
            yield keys, value
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from texts_in(part, (*keys, index), free=free)
    elif isinstance(value, dict):
        for name, part in value.items():
            if name not in _SECRET or free:
                yield from _texts_of_field(value, name, part, keys, free=free)
            if free and name not in _KEYWORDS:
                yield (*keys, Name(name)), name


def _texts_of_field(
    whole: dict[str, Any], name: str, part: Any, keys: Keys, *, free: bool
) -> Iterator[tuple[Keys, str]]:
    if not isinstance(part, str):
        yield from texts_in(part, (*keys, name), free=free or name in _FREE)
    elif name == _FILE or (name.endswith(_ADDRESSED) and _is_address(part)):
        if text := file_text(part, whole.get("filename")) or (part if free else ""):
            yield (*keys, name), text
    elif name == "type" and part in _TYPES:
        return
    elif part and (free or not (name in _SILENT or _is_picture(name, part))):
        yield (*keys, name), part


def _is_picture(name: str, part: str) -> bool:
    return name == "result" and len(part) > _LONGEST_RESULT


def with_text(whole: Any, keys: Keys, text: str) -> Any:
    """Returns a value with another text where `keys` lead to; it is changed itself, unless it is the text."""
    if not keys:
        return text
    place = whole
    for key in keys[:-1]:
        place = place[key]
    last = keys[-1]
    if isinstance(last, Name):
        renamed = {text if name == last else name: part for name, part in place.items()}
        place.clear()
        place.update(renamed)
    else:
        old = place[last]
        holds_file = isinstance(last, str) and (last == _FILE or (_is_address(old) and last.endswith(_ADDRESSED)))
        place[last] = _file_with(old, text) if holds_file else text
    return whole


def with_texts_in_json(raw: bytes, texts: Sequence[tuple[Keys, str]]) -> bytes:
    """Returns JSON with other texts where keys lead to, put there in that order; all else stays as it was."""
    whole = msgspec.json.decode(raw)
    for keys, text in texts:
        whole = with_text(whole, keys, text)
    return msgspec.json.encode(whole)


def path_of(keys: Keys) -> str:
    """Returns the way to a text as the API's `param` would have it; that to the name of a field says so."""
    way = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys)
    return f"{way} (name)" if keys and isinstance(keys[-1], Name) else way


def file_text(data: str, filename: object) -> str | None:
    """Returns the text of a file that is one; None for any other. `data` is a `data:` address or base64, or the text.

    It is one by its media type or name, or where neither says that it is none and it can be read as UTF-8: there are
    upstreams that look no further. Read as widely as anybody might: white space, other alphabets, no padding.
    """
    media, coded, body = "", True, data
    if _is_address(data):
        head, comma, body = data[5:].partition(",")
        media, *parameters = [part.strip().lower() for part in head.split(";")]
        coded = "base64" in parameters
        if not comma:
            return data
    elif _FOREIGN.search(data):
        return data
    textual = _is_textual(media) or (isinstance(filename, str) and _is_named_textual(filename))
    if not textual and (media.startswith(_OPAQUE) or (coded and not _may_be_text(_decoded(body[:_LOOKED_AT])))):
        return None
    raw = _decoded(body) if coded else unquote_to_bytes(body)
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return raw.decode("utf-16", "replace")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode(errors="replace") if textual else None


def _is_address(text: str) -> bool:
    return text[:5].lower() == "data:"


def _decoded(written: str) -> bytes:
    """Returns what base64 says, as the most lenient of its readers would have it."""
    if "%" in written:
        written = unquote(written)
    plain = _NOT_READ.sub("", written.translate(_TO_STANDARD))
    parts = [part[:-1] if len(part) % 4 == 1 else part for part in plain.split("=")]
    return b"".join([base64.b64decode(part + "=" * (-len(part) % 4)) for part in parts])


def _may_be_text(beginning: bytes) -> bool:
    if beginning.startswith(b"%PDF"):
        return False
    if beginning.startswith((b"\xff\xfe", b"\xfe\xff")):
        return True
    try:
        beginning.decode()
    except UnicodeDecodeError as error:
        if error.start < len(beginning) - 3:  # not a character that is cut
            return False
    return b"\0" not in beginning


def _is_textual(media: str) -> bool:
    return media.startswith("text/") or media in _TEXTUAL or media.endswith(("+json", "+xml"))


def _is_named_textual(filename: str) -> bool:
    suffix = filename.rpartition(".")[2].lower()
    return suffix in _SUFFIXES or _is_textual(mimetypes.guess_type(filename)[0] or "")


def _file_with(data: str, text: str) -> str:
    written = base64.b64encode(text.encode()).decode()
    if not _is_address(data):
        return text if _FOREIGN.search(data) else written
    head, comma, _ = data.partition(",")
    if not comma:
        return text
    return f"{head if head.lower().endswith(';base64') else head + ';base64'},{written}"
