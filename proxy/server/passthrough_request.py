"""The request of an exchange that is passed on as it is: embeddings, images, audio, files and the like."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import ClassVar, Literal, Self

import msgspec

from ..api.texts import field_texts
from ..request import Dialect, InputText, ModelRequest, refuse_twins

TEXTS = ("input", "instructions", "prompt", "suffix", "query", "documents", "messages")
"""Fields of other endpoints that hold what a model will read."""

_FIELDS = frozenset((*TEXTS, "max_tokens", "model", "n", "stream", "stream_options", "user"))

_IN_OBJECT = frozenset(("text", "type"))

_encode = msgspec.json.encode


class RawRequest(ModelRequest):
    """The fields of a JSON body; of a form those that matter, and of another body none.

    A stage may change fields of JSON, and texts of a form; nothing in them is checked, for the upstream does that.
    `searched` says that somebody has looked for what must not be in the texts.
    """

    searched = False

    dialect: ClassVar[Dialect] = "raw"
    known: ClassVar[Collection[str]] = _FIELDS

    @classmethod
    def naming(cls, model: str | None) -> Self:
        """Returns the request of a body of which no more is known than the model that it names, if it names any."""
        return cls.of_form(model, [])

    @classmethod
    def of_form(cls, model: str | None, texts: Sequence[tuple[str, str]]) -> Self:
        """Returns the request of a form with these fields, by name; one that is there several times holds a list."""
        named: dict[str, list[str]] = {} if model is None else {"model": [model]}
        for name, text in texts:
            named.setdefault(name, []).append(text)
        return cls({name: msgspec.Raw(_encode(one[0] if len(one) == 1 else one)) for name, one in named.items()})

    @property
    def names_model(self) -> bool:
        """Whether the request says which model it is for."""
        return self.get("model") is not None

    def body(self, model: str) -> bytes:
        """Returns the JSON body with the upstream's name for the model ("": none is asked).

        Values stand in it byte for byte as they came. A key that came twice is there once: which of the two an upstream
        would read is not left open, for one of them was looked at here.
        """
        return _encode({**self.fields, "model": model} if model else self.fields)

    def validate(self) -> None:
        """Does nothing: what may be asked is for the upstream to say."""

    def texts(self) -> Iterator[InputText]:
        """Yields what a model will read, in the fields that hold such, however deep it stands.

        Raises BadRequest for what cannot be read, and for a second text that only some upstreams would read.
        """
        for name in TEXTS:
            if name not in self.fields:
                continue
            value = self.get(name)
            for index, part in enumerate(value if isinstance(value, list) else ()):
                if isinstance(part, dict):
                    refuse_twins(part, _IN_OBJECT, f"{name}[{index}].")
            yield from field_texts(self, (name,))

    def add_instructions(self, text: str, where: Literal["prepend", "append"]) -> None:
        """Does nothing: what is passed on has no instructions."""

    def copy(self) -> Self:
        """Returns a copy whose changes do not show in this one."""
        copied = type(self)(dict(self.fields))
        copied.searched = self.searched
        return copied
