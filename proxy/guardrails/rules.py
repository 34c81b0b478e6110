"""One rule of a guardrail, as the file has it: what to look for, where, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from ..config.types import Duration, Mistake, Secret
from ..matching import KINDS, Engine, PersonalKind
from ..upstream.address import parse_url

Where = Literal["input", "output", "reasoning", "arguments"]
"""Where a rule looks: the request's texts, the answer's text, the model's thinking, what it passes to tools."""
ANSWER: tuple[Where, ...] = ("output", "reasoning", "arguments")
OF_PARTS: tuple[Where, ...] = ("output", "arguments")
"""As what rules look at a part of an answer that is no running text (see `held`): the first of these that they name."""
Kind = Literal["words", "regex", "pii", "http", "openai-moderation", "model", "bedrock-guardrail"]
Mode = Literal["hold", "end", "observe"]

JUDGE = "omni-moderation-latest"
_OWN: Mapping[Kind, tuple[str, ...]] = {
    "words": ("words", "words_file", "case_sensitive", "whole_words", "normalize"),
    "regex": ("pattern", "patterns", "engine", "case_sensitive", "max_match"),
    "pii": ("kinds", "presidio"),
    "http": ("url", "headers"),
    "openai-moderation": ("upstream", "model", "thresholds"),
    "model": ("model", "prompt"),
    "bedrock-guardrail": ("upstream", "guardrail", "version"),
}
"""The settings that mean something to one kind, and nothing to those that do not name them."""
_ASKING = ("timeout", "on_error", "mode", "window")
"""The settings of all kinds that ask somebody else."""
_NEEDED: Mapping[Kind, str] = {
    "http": "url",
    "openai-moderation": "upstream",
    "model": "model",
    "bedrock-guardrail": "upstream",
}


class GuardrailRule(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """One thing to look for, where, and what to do about it."""

    name: Annotated[str, Meta(min_length=1, description="What the rule is called in errors, masks and the log.")]
    match: Annotated[
        Kind,
        Meta(
            description="What it goes by: words; regular expressions (regex); personal data and secrets that have a "
            "form (pii); the answer of a webhook (http); OpenAI's moderation; the judgement of a model; a guardrail "
            "of Amazon Bedrock."
        ),
    ] = "words"
    words: Annotated[tuple[str, ...], Meta(description="Words and phrases to look for.")] = ()
    words_file: Annotated[
        str | None, Meta(description="A file with more of them, one a line; lines that begin with # do not count.")
    ] = None
    pattern: Annotated[str | None, Meta(description="A regular expression, in the notation of its engine.")] = None
    patterns: Annotated[tuple[str, ...], Meta(description="Several of them.")] = ()
    engine: Annotated[
        Engine | None,
        Meta(
            description="What looks for expressions: re2, which takes the same time whatever they are, but knows no "
            "look-around and no back references, and takes \\d, \\w and \\b for ASCII alone (pip install "
            "'penstock[guardrails]'); or python. By default re2 where it is installed."
        ),
    ] = None
    kinds: Annotated[
        tuple[PersonalKind, ...],
        Meta(
            min_length=1,
            description="What pii is looked for: credit_card (by its check digit), iban (likewise), email, phone "
            "(with + and country, or in North American form), ip, api_key (of known vendors), jwt, private_key. By "
            "default all of them.",
        ),
    ] = KINDS
    presidio: Annotated[
        tuple[str, ...],
        Meta(
            description="Entities for which Microsoft Presidio looks as well, such as PERSON: in a thread, as one who "
            "is asked (pip install 'penstock[presidio]')."
        ),
    ] = ()
    url: Annotated[
        str | None, Meta(description="The webhook: texts are posted to it as JSON, and it allows, blocks or masks.")
    ] = None
    headers: Annotated[
        dict[str, Secret], Meta(description="Headers for the webhook; values may be env:NAME or file:PATH.")
    ] = msgspec.field(default_factory=dict)
    upstream: Annotated[
        str | None,
        Meta(description="The upstream of this file that is asked: for moderation, or for Bedrock's guardrail."),
    ] = None
    model: Annotated[
        str | None,
        Meta(description=f"The model of this file that judges; or the upstream's that moderates, by default {JUDGE}."),
    ] = None
    thresholds: Annotated[
        dict[str, Annotated[float, Meta(ge=0, le=1)]],
        Meta(
            description="The score from which on a category of moderation counts; where some are given, only those "
            "count. By default what the upstream itself has flagged counts."
        ),
    ] = msgspec.field(default_factory=dict)
    prompt: Annotated[str | None, Meta(description="What the judging model is told to look for.")] = None
    guardrail: Annotated[str | None, Meta(description="Id or ARN of the guardrail of Bedrock.")] = None
    version: Annotated[str, Meta(min_length=1, description="Its version.")] = "DRAFT"
    scan: Annotated[
        tuple[Where, ...],
        Meta(
            min_length=1,
            description="Where to look: the request's texts (input), the answer's text (output), the model's thinking "
            "(reasoning), and what it passes to tools (arguments; calls then wait for the end of the answer).",
        ),
    ] = ("input", "output")
    action: Annotated[
        Literal["block", "mask", "redact", "flag"],
        Meta(
            description="Refuse the request or end the answer; put a mask in place (mask; redact is another word for "
            "it); or only note it, in the log and a header (flag)."
        ),
    ] = "block"
    mask: Annotated[
        str | None, Meta(description="The mask; without it, the rule's name in brackets, or for pii what was found.")
    ] = None
    case_sensitive: Annotated[bool, Meta(description="Whether upper and lower case differ.")] = False
    whole_words: Annotated[
        bool, Meta(description="Whether a word counts only where no letter, digit or underscore touches it.")
    ] = False
    normalize: Annotated[
        bool,
        Meta(
            description="Whether words are also found in other Unicode forms (accents apart, full-width letters, "
            "ligatures) and with invisible characters in them. Patterns look at the text as it is."
        ),
    ] = True
    max_match: Annotated[
        int,
        Meta(
            ge=1,
            le=10_000,
            description="The longest match of a pattern that is surely found, in characters. So much text is held back "
            "while it may still become a match; all the time, for patterns with look-around or back references.",
        ),
    ] = 256
    timeout: Annotated[Duration, Meta(description="How long whoever is asked may take to answer.")] = Duration(5)
    on_error: Annotated[
        Literal["block", "allow"],
        Meta(description="What to do when whoever is asked gives no usable answer; the log says that it did not."),
    ] = "block"
    mode: Annotated[
        Mode | None,
        Meta(
            description="How streams wait for whoever is asked: for the answer about each piece (hold), for one at the "
            "end (end), or not at all, so that the stream ends when a bad answer comes (observe). By default hold, and "
            "observe where the action is flag."
        ),
    ] = None
    window: Annotated[
        int,
        Meta(
            ge=0,
            le=100_000,
            description="So many of the last characters wait for the next piece when somebody is asked, so that what "
            "pieces cut in two is also seen whole.",
        ),
    ] = 100
    max_delay: Annotated[
        Duration | None, Meta(description="How long a piece of a stream may be held back; see on_timeout.")
    ] = None
    on_timeout: Annotated[
        Literal["hold", "release"],
        Meta(description="What to do with what was held back for max_delay: go on holding it, or let it go."),
    ] = "hold"

    def __post_init__(self) -> None:
        self._check_fields()
        if (wanted := self._missing()) is not None:
            raise Mistake(f'rule "{self.name}" has nothing to look for', f"add {wanted}")
        if self.url is not None:
            try:
                parse_url(self.url)
            except ValueError as error:
                raise Mistake(f'rule "{self.name}": url: {error}', "write it like http://127.0.0.1:8000") from None
        if self.on_timeout == "release" and self.max_delay is None:
            raise Mistake(f'rule "{self.name}" never lets go', "add max_delay")

    def _check_fields(self) -> None:
        """Refuses settings that mean nothing to this kind of rule."""
        if self.match in ("words", "regex") and (self.words or self.words_file) and (self.pattern or self.patterns):
            raise Mistake(f'rule "{self.name}" has both words and patterns', "make two rules of it")
        known = {*_OWN[self.match], *(_ASKING if self.asks else ())}
        every = {name for names in (*_OWN.values(), _ASKING) for name in names}
        given = [one.encode_name for one in msgspec.structs.fields(self) if self._differs(one)]
        for name in given:
            if name in every and name not in known:
                if self._missing() is not None:
                    return  # that says more
                raise Mistake(f'rule "{self.name}": {name} means nothing with match: {self.match}', "remove it")

    def _differs(self, field: msgspec.structs.FieldInfo) -> bool:
        default = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
        return bool(getattr(self, field.name) != default)

    def _missing(self) -> str | None:
        if self.match == "words":
            return None if self.words or self.words_file else "words or words_file"
        if self.match == "regex":
            return None if self.pattern or self.patterns else "pattern or patterns"
        needed = _NEEDED.get(self.match)
        if needed is not None and getattr(self, needed) is None:
            return needed
        return "guardrail" if self.match == "bedrock-guardrail" and self.guardrail is None else None

    @property
    def asks(self) -> bool:
        """Whether somebody else is asked."""
        return self.match not in ("words", "regex", "pii") or bool(self.presidio)

    @property
    def masks(self) -> bool:
        """Whether something is put in place of what is found."""
        return self.action in ("mask", "redact")

    @property
    def written_mask(self) -> str:
        """What stands in place of a match, where that says nothing else."""
        return f"[{self.name}]" if self.mask is None else self.mask

    @property
    def streamed(self) -> Mode:
        """How streams wait for whoever is asked."""
        return self.mode or ("observe" if self.action == "flag" else "hold")

    @property
    def lets_go_after(self) -> float | None:
        """The seconds after which what is held back is let go; None to hold it."""
        return float(self.max_delay) if self.max_delay is not None and self.on_timeout == "release" else None
