"""A kind of value of the file: one secret or a list of them, the newest first, so that one can follow the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

from .types import ConfigValue, Mistake, Secret, Sources

_SHORTEST = 16


class SecretList(ConfigValue):
    """Secrets of at least 16 characters, one or several; never printed."""

    schema: ClassVar[Mapping[str, Any]] = {
        "anyOf": [Secret.schema, {"type": "array", "items": Secret.schema, "minItems": 1}]
    }
    label = "secret or list of secrets"

    def __init__(self, secrets: Sequence[Secret]) -> None:
        self._secrets = tuple(secrets)

    @classmethod
    def parse(cls, value: object, sources: Sources) -> Self:
        """Returns the secrets for their written form."""
        secrets = [Secret.parse(one, sources) for one in (value if isinstance(value, list) else [value])]
        if not secrets:
            raise Mistake("the list of secrets is empty", "write env:NAME or file:PATH, or leave it out")
        for secret in secrets:
            if sources.resolve and len(secret.reveal()) < _SHORTEST:
                raise Mistake(
                    f"a secret ({secret.source}) is shorter than {_SHORTEST} characters",
                    "take a random one, such as openssl rand -hex 32 gives",
                )
        return cls(secrets)

    def reveal(self) -> list[str]:
        """Returns the secrets themselves, in the order of the file."""
        return [secret.reveal() for secret in self._secrets]

    @property
    def written(self) -> str:
        """Three stars: a secret is never written out."""
        return "***"

    def __repr__(self) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SecretList) and self._secrets == other._secrets

    def __hash__(self) -> int:
        return hash(self._secrets)
