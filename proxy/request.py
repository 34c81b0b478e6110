"""The client's request, as stages see it: top-level fields by name, and the texts inside.

The fields stay JSON bytes (`msgspec.Raw`) until somebody reads them; what nobody reads is passed on untouched.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, ClassVar, Literal, Protocol, Self

import msgspec

from .errors import BadRequest

Dialect = Literal["responses", "chat", "raw"]
"""What a client speaks; `raw` is what is passed on as it is: embeddings, images, audio, files."""
Fields = dict[str, msgspec.Raw]

_MAX_SHOWN = 80

_FALSE = msgspec.Raw(b"false")
_decode_fields = msgspec.json.Decoder(Fields).decode


class InputText(Protocol):
    """One text of the input, where it stands, and a way to change it."""

    path: str
    text: str

    def replace(self, text: str) -> None:
        """Puts another text in its place."""

    @staticmethod
    def replace_all(changes: Sequence[tuple[Any, str]]) -> None:
        """Does so for many texts of this kind in one request, in the order in which they were found.

        What they stand in is read and written once, and not once a text: there may be thousands in it.
        """


class ModelRequest(ABC):
    """One request for an answer. `fields` are the body's top-level keys under the client dialect's own names.

    `known` are those names that mean something, to Penstock or to the upstreams it passes requests on to.
    """

    __slots__ = ("fields",)

    dialect: ClassVar[Dialect]
    known: ClassVar[Collection[str]] = ()

    def __init__(self, fields: Fields) -> None:
        self.fields = fields

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Returns the request of a JSON body; raises BadRequest (`invalid_json`) when it is no JSON object.

        Of a key that comes twice the last counts, here and for the upstream.
        """
        try:
            if not body.isascii():
                body.decode()  # what is passed on unread must be text too
            fields = _decode_fields(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise BadRequest(f"The request body is not a JSON object: {error}", code="invalid_json") from None
        refuse_twins(fields, cls.known)
        return cls(fields)

    def get(self, name: str, default: Any = None) -> Any:
        """Returns a field as plain Python values; absent and null give the default. Raises BadRequest."""
        raw = self.fields.get(name)
        if raw is None:
            return default
        try:
            value = msgspec.json.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:  # 1e999, say: what is kept is unread
            raise BadRequest(f"Invalid value for '{name}': {error}.", param=name, code="invalid_value") from None
        return default if value is None else value

    def set(self, name: str, value: Any) -> None:
        """Sets a top-level field."""
        self.fields[name] = msgspec.Raw(msgspec.json.encode(value))

    def drop(self, name: str) -> bool:
        """Removes a top-level field; tells whether it was there."""
        return self.fields.pop(name, None) is not None

    def rename(self, old: str, new: str) -> bool:
        """Gives a top-level field another name; tells whether it was there."""
        raw = self.fields.pop(old, None)
        if raw is None:
            return False
        self.fields[new] = raw
        return True

    def own_name(self, param: str) -> str:
        """Returns what the client calls a parameter that is named as in the Responses API."""
        return param

    @property
    def model(self) -> str:
        """The name of the model as the client asked for it; raises BadRequest when it is missing or no string."""
        value = self.get("model")
        if value is None:
            raise BadRequest("Missing required parameter: 'model'.", param="model", code="missing_required_parameter")
        if not isinstance(value, str) or not value:
            raise BadRequest(
                "Invalid type for 'model': expected a non-empty string.", param="model", code="invalid_type"
            )
        return value

    @property
    def stream(self) -> bool:
        """Whether the client wants a stream; raises BadRequest when the field is no boolean."""
        raw = self.fields.get("stream")
        if raw is None or raw == _FALSE:
            return False
        value = self.get("stream", False)
        if not isinstance(value, bool):
            raise BadRequest("Invalid type for 'stream': expected a boolean.", param="stream", code="invalid_type")
        return value

    @abstractmethod
    def validate(self) -> None:
        """Raises BadRequest for the first thing in the request that cannot be served."""

    @abstractmethod
    def texts(self) -> Iterator[InputText]:
        """Yields every text the model would read: instructions, messages, tool outputs."""

    def more_texts(self) -> Iterable[InputText]:
        """Returns the texts of what is said beside the input: tools, schemas, metadata, and what else is passed on."""
        return ()

    @abstractmethod
    def add_instructions(self, text: str, where: Literal["prepend", "append"]) -> None:
        """Puts a system text before or after the one that is there."""

    @abstractmethod
    def copy(self) -> Self:
        """Returns a copy whose changes do not show in this one (one attempt's view)."""

    def forget(self) -> None:  # noqa: B027  # those that keep nothing decoded have nothing to do
        """Lets go of what was decoded from the fields; whoever asks for it again has it decoded anew.

        A stream that is open for minutes needs none of it, and it takes several times what the fields do.
        """


def refuse_twins(fields: Collection[str], known: Collection[str], path: str = "") -> None:
    """Raises BadRequest for a key that is a known one, or another that is there, but for upper and lower case.

    Servers written in Go or C# take one for the other, so that such an upstream would read what Penstock has not.
    `path` stands in front of the key that is named.
    """
    for name in fields:
        if name not in known and (meant := name.casefold()) != name and (meant in known or meant in fields):
            param = path + name[:_MAX_SHOWN]
            message = f"Unknown parameter: '{param}'. Did you mean '{meant[:_MAX_SHOWN]}'?"
            raise BadRequest(message, param=param, code="unknown_parameter")
