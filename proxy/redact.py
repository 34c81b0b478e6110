"""Takes secrets out of what is to be written down: by their look, by the words in front of them, by their value."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

HIDDEN = "***"
_SHORTEST = 6
"""A shorter credential is not looked for by its value: it would be found in half of all words."""

_SHAPES = (
    r"\b(?:sk|pk|rk|ak|xai|gsk|hf|r8|pplx|nvapi|csk|tgp|gh[opsur]|github_pat|glpat|xox[abprs])[-_][\w-]{8,}",
    r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    r"\bAIza[\w-]{30,}",
    r"\bya29\.[\w.-]{10,}",
    r"\beyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?",
    r"(?<=://)[^/\s@\"]*:[^/\s@\"]+(?=@)",
    r"(?i:(?<=\bbearer )\s*[\w.~+/=:-]{6,})",
    r"(?i:(?<=\bbasic )\s*[A-Za-z0-9+/]{12,}={0,2})",
)
_NAMED = re.compile(
    r"(?i)((?:(?:api[-_]?key|authorization|secret|passw(?:or)?d|(?:access|auth|refresh|id)[-_]token|signature)"
    r"|[?&](?:key|token|sig|code))[\"']?\s*[:=]\s*[\"']?(?:bearer\s|basic\s)?\s*)[^\s\"'&,;}\]]+"
)
_SHAPE = re.compile("|".join(_SHAPES))
_SUSPECT = re.compile(
    r"sk[-_]|[prac]k[-_]|xai[-_]|gsk[-_]|hf[-_]|r8[-_]|pplx[-_]|nvapi[-_]|csk[-_]|tgp[-_]|gh[opsur][-_]|github_|glpat"
    r"|xox|akia|asia|aiza|ya29|eyj|://|basic|bearer|api[-_]?key|auth|secret|passw|token|signature|[?&]"
)
"""What the two above find in a text, this finds in its lower case, ten times as fast when there is nothing."""
_CREDENTIALS = ("authorization", "x-api-key", "api-key", "x-goog-api-key", "proxy-authorization", "cookie")


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """Returns the text without what looks like a secret, and without the given ones."""
    for secret in secrets:
        if secret in text:
            text = text.replace(secret, HIDDEN)
    return _NAMED.sub(rf"\1{HIDDEN}", _SHAPE.sub(HIDDEN, text))


def clean(value: Any, secrets: Iterable[str] = (), longest: int = 500) -> Any:
    """Returns JSON-like data with every text in it redacted, and then cut to a length."""
    texts: list[str] = []
    _gather(value, texts)
    everything = "\n".join(texts)
    if (
        everything.isascii()
        and max(map(len, texts), default=0) <= longest
        and _SUSPECT.search(everything.lower()) is None
        and not any(secret in everything for secret in secrets)
    ):
        return value
    return _cleaned(value, secrets, longest)


def _gather(value: Any, texts: list[str]) -> None:
    if isinstance(value, str):
        texts.append(value)
    elif isinstance(value, (dict, list)):
        for part in value.values() if isinstance(value, dict) else value:
            _gather(part, texts)


def _cleaned(value: Any, secrets: Iterable[str], longest: int) -> Any:
    if isinstance(value, str):
        text = redact(value[: 4 * longest], secrets)  # cut late: a secret that is cut is not known any more
        if not text.isascii():
            text = text.encode("utf-8", "backslashreplace").decode()  # headers may hold bytes that are no text
        return text if len(text) <= longest else text[: longest - 3] + "..."
    if isinstance(value, dict):
        return {name: _cleaned(part, secrets, longest) for name, part in value.items()}
    if isinstance(value, list):
        return [_cleaned(part, secrets, longest) for part in value]
    return value


def credentials(headers: Mapping[str, str]) -> list[str]:
    """Returns the secrets that a client sent in its headers, longest first, so that none is left in pieces."""
    found = set()
    for name in _CREDENTIALS:
        value = headers.get(name, "").strip()
        if len(value) >= _SHORTEST:
            found.add(value)
        _, _, rest = value.partition(" ")
        if len(rest.strip()) >= _SHORTEST and name.endswith("authorization"):
            found.add(rest.strip())
    return sorted(found, key=len, reverse=True)
