"""The request of an exchange that is passed on as it is: embeddings, images, audio, files and the like."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any, ClassVar, Literal, Self

import msgspec

from ..request import Dialect, InputText, ModelRequest

_TEXTS = ("input", "instructions", "prompt", "query", "documents")
"""Fields of other endpoints that hold what a model will read."""

_FIELDS = frozenset((*_TEXTS, "max_tokens", "model", "n", "stream", "stream_options", "user"))

_encode = msgspec.json.encode


class _Text:
    """One text of a request; `put` takes another one in its place."""

    def __init__(self, path: str, text: str, put: Callable[[str], None]) -> None:
        self.path = path
        self.text = text
        self._put = put

    def replace(self, text: str) -> None:
        """Puts another text in its place."""
        self.text = text
        self._put(text)


class RawRequest(ModelRequest):
    """The fields of a JSON body, or of another body only the model that it names.

    A stage may change fields of JSON; nothing in them is checked, for the upstream does that.
    """

    dialect: ClassVar[Dialect] = "raw"
    known: ClassVar[Collection[str]] = _FIELDS

    @classmethod
    def naming(cls, model: str | None) -> Self:
        """Returns the request of a body of which no more is known than the model that it names, if it names any."""
        return cls({} if model is None else {"model": msgspec.Raw(_encode(model))})

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
        """Yields what a model will read: texts, and lists of them, in the fields that hold such."""
        for name in _TEXTS:
            if name not in self.fields:
                continue
            value = self.get(name)
            if isinstance(value, str):
                yield _Text(name, value, self._setter(name))
            elif isinstance(value, list):
                yield from self._listed(name, value)

    def _listed(self, name: str, values: list[Any]) -> Iterator[_Text]:
        for index, value in enumerate(values):
            if isinstance(value, str):
                yield _Text(f"{name}[{index}]", value, self._item_setter(name, values, index))

    def _setter(self, name: str) -> Callable[[str], None]:
        return lambda text: self.set(name, text)

    def _item_setter(self, name: str, values: list[Any], index: int) -> Callable[[str], None]:
        def put(text: str) -> None:
            values[index] = text
            self.set(name, values)

        return put

    def add_instructions(self, text: str, where: Literal["prepend", "append"]) -> None:
        """Does nothing: what is passed on has no instructions."""

    def copy(self) -> Self:
        """Returns a copy whose changes do not show in this one."""
        return type(self)(dict(self.fields))
