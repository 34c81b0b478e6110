"""What is said of a key, wherever it is kept: whose it is, what it may use, how much, until when."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from ..config.types import ConfigValue, Duration, Mistake, Sources
from ..exchange import Key
from ..limiting.own import OwnLimits

Name = Annotated[str, Meta(min_length=1, max_length=256)]


class KeyAttributes(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True, omit_defaults=True):
    """What a key is and may, but for its name and the secret."""

    owner: Annotated[
        Name | None,
        Meta(description="Whose key it is: a person or a team. Keys of one owner share responses; it is logged."),
    ] = None
    team: Annotated[
        Name | None, Meta(description="The team that limits and budgets per team count it for; by default the owner.")
    ] = None
    user: Annotated[
        Name | None, Meta(description="The user that limits and budgets per user count it for; by default the owner.")
    ] = None
    tags: Annotated[tuple[Name, ...], Meta(description="Words of your own, to group keys by.")] = ()
    models: Annotated[
        tuple[Name, ...], Meta(description="The models it may use; names may hold a *. Without this, all of them.")
    ] = ()
    limits: Annotated[
        OwnLimits | None,
        Meta(description="Limits of its own, in the place of those that stages with per: key have for every key."),
    ] = None
    expires: Annotated[
        str | None, Meta(description="When it stops working: 2030-12-31 (at its beginning, UTC) or a date and time.")
    ] = None

    def __post_init__(self) -> None:
        try:
            self.expires_at()
        except ValueError:
            raise Mistake("expires is no date", "write 2030-12-31 or 2030-12-31T18:00:00Z") from None

    def expires_at(self) -> float | None:
        """Returns the Unix time at which it stops working; a time without a zone is UTC."""
        if self.expires is None:
            return None
        moment = datetime.fromisoformat(self.expires)
        return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()

    def as_key(self, id: str) -> Key:
        """Returns the key as the stages see it."""
        return Key(id, self.owner, self.models, self.team, self.user, self.limits, self.tags)


def attributes_of(given: dict[str, Any], now: float) -> KeyAttributes:
    """Returns the attributes that JSON or a command gives; fields that are None count as absent.

    `expires` may also be a time from `now` (`90d`; Unix seconds). Raises msgspec.ValidationError or Mistake.
    """
    fields = {name: value for name, value in given.items() if value is not None}
    expires = fields.get("expires")
    if isinstance(expires, str) and expires[-1:] in ("s", "m", "h", "d"):
        left_s = Duration.parse(expires, Sources())
        try:
            end = datetime.fromtimestamp(now + left_s, UTC)
        except (ValueError, OverflowError):
            raise Mistake("expires is after the year 9999", "leave it out for a key that never ends") from None
        fields["expires"] = end.isoformat(timespec="seconds")
    return msgspec.convert(fields, KeyAttributes, dec_hook=_parse)


def to_json(attributes: KeyAttributes) -> str:
    """Returns the attributes as JSON, without those that say nothing."""
    return msgspec.json.encode(attributes, enc_hook=_written).decode()


def from_json(text: str) -> KeyAttributes:
    """Returns the attributes that `to_json` wrote; raises msgspec.ValidationError."""
    return _decoder.decode(text)


def plain_attributes(attributes: KeyAttributes) -> dict[str, Any]:
    """Returns the attributes as JSON-like data, without those that say nothing."""
    plain: dict[str, Any] = msgspec.to_builtins(attributes, enc_hook=_written)
    return plain


def _parse(kind: type, value: Any) -> Any:
    if issubclass(kind, ConfigValue):
        return kind.parse(value, Sources())
    raise TypeError(f"{kind.__name__} has no written form")


def _written(value: Any) -> Any:
    if isinstance(value, ConfigValue):
        return value.written
    raise TypeError(f"{type(value).__name__} has no written form")


_decoder = msgspec.json.Decoder(KeyAttributes, dec_hook=_parse)
