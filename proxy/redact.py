"""Takes secrets out of what is to be written down: by their look, by the words in front of them, by their value."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, Generic, TypeVar

Made = TypeVar("Made")
Parts = tuple[str | bool | None, ...]
"""Texts as they are, and values beside them."""

HIDDEN = "***"
_SHORTEST = 6
"""A shorter credential is not looked for by its value: it would be found in half of all words."""

_SHAPES = (
    r"\b(?:sk|pk|rk|ak|xai|gsk|hf|r8|pplx|nvapi|csk|tgp|gh[opsur]|github_pat|glpat|xox[abprs])[-_][\w-]{8,}",
    r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    r"\bAIza[\w-]{30,}",
    r"\bya29\.[\w.-]{10,}",
    r"(?<=://)[^/\s@\":]*:[^/\s@\"]+(?=@)",
    r"(?i:(?<=\bbearer )\s*[\w.~+/=:-]{6,})",
    r"(?i:(?<=\bbasic )\s*[A-Za-z0-9+/]{12,}={0,2})",
)
_NAMED = re.compile(
    r"(?i)((?:(?:api[-_]?key|authorization|secret|passw(?:or)?d|(?:access|auth|refresh|id)[-_]token|signature)"
    r"|[?&](?:key|token|sig|code))[\"']?\s*+[:=]\s*+[\"']?(?:bearer\s|basic\s)?\s*+)[^\s\"'&,;}\]]+"
)
_SHAPE = re.compile("|".join(_SHAPES))
_TOKEN = re.compile(r"\beyJ[\w-]{8,}+(?:\.[\w-]{8,}+(?:\.[\w-]*+)?)?+")
"""A JSON web token; or what begins as one but has no second part, which is passed over at once: what begins later in
the same run of letters is none either, and to look there again takes a time that grows with the square of the run."""
_SUSPECT = re.compile(
    r"sk[-_]|[prac]k[-_]|xai[-_]|gsk[-_]|hf[-_]|r8[-_]|pplx[-_]|nvapi[-_]|csk[-_]|tgp[-_]|gh[opsur][-_]|github_|glpat"
    r"|xox|akia|asia|aiza|ya29|eyj|://|basic|bearer|api[-_]?key|auth|secret|passw|token|signature|[?&]"
)
"""What the three above find in a text, this finds in its lower case, ten times as fast when there is nothing."""
_LONG_ENOUGH = 12
"""A secret of the file that is shorter is not looked for by its value: people write `api_key: ollama`, say."""
_MOST_IN_PATTERN = 40
_MOST_KNOWN = 4096
_LONGEST_KNOWN = 500
_MOST_MADE = 1024
_LONGEST_MADE = 1000
_CARRIERS = frozenset(("x-api-key", "api-key", "cookie", "x-goog-api-key", "proxy-authorization"))
"""The headers besides `authorization` that credentials come in."""
_OWN_IDS = {"req": 36, "resp": 53}  # and how long they are: digits of base 16 follow


class _Protected:
    """The secrets of this process, by their beginnings. Each is hidden wherever it stands."""

    starts: ClassVar[dict[str, list[str]]] = {}
    count: ClassVar[int] = 0
    pattern: ClassVar[re.Pattern[str] | None] = None


def protect(secret: str) -> None:
    """Has a secret of the file hidden by its value from now on, in whatever is cleaned."""
    if len(secret) < _LONG_ENOUGH:
        return
    alike = _Protected.starts.setdefault(secret[:_LONG_ENOUGH], [])
    if secret not in alike:
        alike.append(secret)
        alike.sort(key=len, reverse=True)  # so that none is left in pieces
        _Protected.pattern = None
        _Protected.count += 1


def hide(text: str, secrets: Iterable[str] = ()) -> str:
    """Returns the text without the given secrets, and without those of the file: by their values alone."""
    for secret in secrets:
        if secret in text:
            text = text.replace(secret, HIDDEN)
    if not _Protected.count or len(text) < _LONG_ENOUGH:
        return text
    if _Protected.count > _MOST_IN_PATTERN:
        return _hide_many(text)
    if _Protected.pattern is None:
        every = [re.escape(secret) for alike in _Protected.starts.values() for secret in alike]
        _Protected.pattern = re.compile("|".join(every))
    return _Protected.pattern.sub(HIDDEN, text)


def _hide_many(text: str) -> str:
    """Does the same where a pattern of all secrets would take a time that grows with their number."""
    starts = _Protected.starts
    place = 0
    while place <= len(text) - _LONG_ENOUGH:
        for secret in starts.get(text[place : place + _LONG_ENOUGH], ()):
            if text.startswith(secret, place):
                text = text[:place] + HIDDEN + text[place + len(secret) :]
                place += len(HIDDEN) - 1
                break
        place += 1
    return text


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """Returns the text without what looks like a secret, and without the given ones."""
    text = hide(text, secrets)
    text = _SHAPE.sub(HIDDEN, text) if "eyJ" not in text else _without_shapes(text)
    return _NAMED.sub(rf"\1{HIDDEN}", text)


def _without_shapes(text: str) -> str:
    """Does the same where there may be tokens, which may overlap with other secrets: all of them goes."""
    spans = [found.span() for found in _TOKEN.finditer(text) if "." in found[0]]
    spans += [found.span() for found in _SHAPE.finditer(text)]
    out, at = [], 0
    for start, end in sorted(spans):
        if start >= at:
            out += [text[at:start], HIDDEN]
        at = max(at, end)
    return "".join([*out, text[at:]])


def clean(value: Any, secrets: Iterable[str] = (), longest: int = 500) -> Any:
    """Returns JSON-like data with every text in it redacted, and then cut to a length."""
    if isinstance(value, str):
        text = value[: 4 * longest]  # cut late: a secret that is cut is not known any more
        text = redact(text, secrets) if _SUSPECT.search(text.lower()) else hide(text, secrets)
        if not text.isascii():
            text = text.encode("utf-8", "backslashreplace").decode()  # headers may hold bytes that are no text
        return text if len(text) <= longest else text[: longest - 3] + "..."
    if isinstance(value, dict):
        return {name: clean(part, secrets, longest) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [clean(part, secrets, longest) for part in value]
    return value


def _is_own_id(text: str) -> bool:
    """Tells whether a text is an id that Penstock makes; a regular expression takes three times as long."""
    start, _, rest = text.partition("_")
    if len(text) != _OWN_IDS.get(start):
        return False
    try:
        bytes.fromhex(rest)
    except ValueError:
        return False
    return True


class Cleaner:
    """Cleans texts of exchanges. Most have been seen before (models, names of keys, clients): those it remembers."""

    __slots__ = ("secrets",)
    _known: ClassVar[dict[str, str]] = {}
    _known_with: ClassVar[int] = 0

    def __init__(self, secrets: Sequence[str] = ()) -> None:
        """`secrets` are those of the exchange at hand, longest first."""
        self.secrets = secrets

    def finds(self, text: str) -> bool:
        """Tells whether a secret of the exchange is in a text."""
        for secret in self.secrets:  # noqa: SIM110 - any() takes twice as long
            if secret in text:
                return True
        return False

    def text(self, text: str) -> str:
        """Returns a text redacted and cut. Hot: some times an exchange."""
        if self.finds(text):
            return str(clean(text, self.secrets))
        if Cleaner._known_with != _Protected.count:
            Cleaner._known.clear()
            Cleaner._known_with = _Protected.count
        known = self._known.get(text)
        if known is not None:
            return known
        if _is_own_id(text):
            return text
        known = str(clean(text))
        if len(text) <= _LONGEST_KNOWN:
            if len(Cleaner._known) >= _MOST_KNOWN:
                Cleaner._known.clear()
            Cleaner._known[text] = known
        return known

    def data(self, value: Any, longest: int = 500) -> Any:
        """Returns JSON-like data redacted and cut all through."""
        return clean(value, self.secrets, longest)


class Remembered(Generic[Made]):
    """What is made of cleaned texts that come again and again (who asks for what, who answers), once for each of them.

    `make` is given texts, and other values beside them that it may need, and what cleans them. `known` is what is
    remembered; what clients make up does not fill the memory.
    """

    def __init__(self, make: Callable[[Parts, Cleaner], Made]) -> None:
        self._make = make
        self.known: dict[Parts, tuple[str, Made]] = {}
        self._protected = 0

    def of(self, parts: Parts, secrets: Sequence[str]) -> Made:
        """Returns what is made of these texts, without secrets of the file and of the exchange at hand. Hot."""
        known = self.known.get(parts)
        if known is None or self._protected != _Protected.count:
            known = self._remember(parts)
        texts, made = known
        for secret in secrets:
            if secret in texts:
                return self._make(parts, Cleaner(secrets))
        return made

    def _remember(self, parts: Parts) -> tuple[str, Made]:
        if len(self.known) >= _MOST_MADE or self._protected != _Protected.count:
            self.known.clear()
            self._protected = _Protected.count
        texts = "\n".join([part for part in parts if isinstance(part, str)])
        made = texts, self._make(parts, Cleaner())
        if len(texts) <= _LONGEST_MADE:
            self.known[parts] = made
        return made


def credentials(headers: Mapping[str, str]) -> list[str]:
    """Returns the secrets that a client sent in its headers, longest first, so that none is left in pieces.

    Hot: once an exchange. There is one of them as a rule.
    """
    found: list[str] = []
    value = headers.get("authorization")
    if value is not None and len(secret := _behind_scheme(value)) >= _SHORTEST:
        found.append(secret)
    if _CARRIERS.isdisjoint(headers):
        return found
    found += [headers.get(name, "").strip() for name in ("x-api-key", "api-key", "cookie", "x-goog-api-key")]
    found.append(_behind_scheme(headers.get("proxy-authorization", "")))
    return sorted((secret for secret in found if len(secret) >= _SHORTEST), key=len, reverse=True)


def _behind_scheme(value: str) -> str:
    """Returns what stands behind a first word such as `Bearer`; all of it where that is too short."""
    value = value.strip()
    secret = value.partition(" ")[2].strip()
    return secret if len(secret) >= _SHORTEST else value
