"""The stage that looks for banned words and patterns in what goes in and in what comes out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from msgspec import Meta, Struct

from proxy.config.types import Mistake
from proxy.errors import BadRequest, ConfigError, Problem
from proxy.events import Event
from proxy.exchange import Exchange
from proxy.matching import AnswerScreen, Folding, Matcher, Pattern, Word, Words
from proxy.stage import ResponseFilter, Side, Stage, StageConfig

Where = Literal["input", "output", "reasoning", "arguments"]
Act = tuple[str, str]
"""A rule's name, and what it does to what it finds: "blocked" or "masked"."""

_ANSWER: tuple[Where, ...] = ("output", "reasoning", "arguments")


class GuardrailRule(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """One thing to look for, where, and what to do about it."""

    name: Annotated[str, Meta(min_length=1, description="What the rule is called in errors, masks and the log.")]
    match: Annotated[
        Literal["words", "regex"], Meta(description="Whether it looks for words, or by regular expressions.")
    ] = "words"
    words: Annotated[tuple[str, ...], Meta(description="Words and phrases to look for.")] = ()
    words_file: Annotated[
        str | None, Meta(description="A file with more of them, one a line; lines that begin with # do not count.")
    ] = None
    pattern: Annotated[str | None, Meta(description="A regular expression, in Python's notation.")] = None
    patterns: Annotated[tuple[str, ...], Meta(description="Several of them.")] = ()
    scan: Annotated[
        tuple[Where, ...],
        Meta(
            min_length=1,
            description="Where to look: the request's texts (input), the answer's text (output), the model's thinking "
            "(reasoning), and what it passes to tools (arguments; calls then wait for the end of the answer).",
        ),
    ] = ("input", "output")
    action: Annotated[
        Literal["block", "mask"],
        Meta(description="Refuse the request or end the answer, or put a mask in place."),
    ] = "block"
    mask: Annotated[str | None, Meta(description="The mask; without it, the rule's name in brackets.")] = None
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

    def __post_init__(self) -> None:
        given = {"words": bool(self.words or self.words_file), "regex": bool(self.pattern or self.patterns)}
        if not given[self.match]:
            wanted = "words or words_file" if self.match == "words" else "pattern or patterns"
            raise Mistake(f'rule "{self.name}" has nothing to look for', f"add {wanted}")
        if given["words"] and given["regex"]:
            raise Mistake(f'rule "{self.name}" has both words and patterns', "make two rules of it")
        searches = list(searches_of([(0, self, self.words)]))
        if self.action == "mask" and Matcher(searches, ["*"]).whole(self.written_mask)[1].masked:
            raise Mistake(f'the mask of rule "{self.name}" holds what the rule hides', "choose another mask")

    @property
    def written_mask(self) -> str:
        """What stands in place of a match."""
        return f"[{self.name}]" if self.mask is None else self.mask


class GuardrailConfig(StageConfig, frozen=True, kw_only=True):
    """What must not go in or come out."""

    rules: Annotated[tuple[GuardrailRule, ...], Meta(min_length=1, description="The rules; each sees all the text.")]

    def __post_init__(self) -> None:
        names = [rule.name for rule in self.rules]
        for name in names:
            if names.count(name) > 1:
                raise Mistake(f'there are two rules called "{name}"', "rename one of them")


class Guardrail(Stage):
    """Looks for banned words and patterns, in requests and in answers, streamed or not.

    A request with a match that blocks is refused (400, `content_filter_error`), naming the rule and not the words. An
    answer ends in front of the match, as incomplete for `content_filter`. A mask replaces the match and lets the rest
    through. In a stream, only the text that may still become a match is held back: at most a word less one character,
    or what a pattern may still take in. The rest leaves at once, so what came before a match may have been shown.

    Of what is passed on to other endpoints (embeddings, images, audio) the texts of the request are searched, in JSON
    and in the fields of forms: `input`, `instructions`, `prompt`, `query`, `documents`. Their answers are not searched,
    nor are files.

    Example:

        guardrail:
          rules:
            - {name: project names, words: [bluebird, "red fox"], whole_words: true, action: mask}
            - {name: keys, match: regex, pattern: 'sk-[A-Za-z0-9]{20,}', scan: [input, output, arguments]}
    """

    name = "guardrail"
    side: ClassVar[Side] = "above"
    once: ClassVar[bool] = False
    advice: ClassVar[Mapping[str, str]] = {"route": "then it searches the request again for every attempt"}
    Config = GuardrailConfig
    config: GuardrailConfig

    def __init__(self, config: GuardrailConfig) -> None:
        super().__init__(config)
        self._matchers: dict[Where, Matcher] = {}
        self._acts = [(rule.name, "blocked" if rule.action == "block" else "masked") for rule in config.rules]

    async def start(self) -> None:
        """Reads the files of words and makes the searches; raises ConfigError for a file that cannot be used."""
        rules = [(number, rule, self._words(rule)) for number, rule in enumerate(self.config.rules)]
        masks = [None if rule.action == "block" else rule.written_mask for rule in self.config.rules]
        for where in ("input", *_ANSWER):
            try:
                searches = list(searches_of([entry for entry in rules if where in entry[1].scan]))
            except Mistake as mistake:  # in a file of words: what stands in the config was tried when it was loaded
                raise ConfigError([Problem(self.name, 1, 1, mistake.what, mistake.fix)]) from None
            self._matchers[where] = Matcher(searches, masks)

    async def on_request(self, exchange: Exchange) -> Watch | None:
        """Searches the request's texts; raises BadRequest for a match that blocks."""
        matcher = self._matchers["input"]
        if matcher:
            self._search(exchange, matcher)
        text, reasoning, arguments = (self._matchers[where] for where in _ANSWER)
        if not (text or reasoning or arguments):
            return None
        return Watch(AnswerScreen(text, reasoning, arguments), self._acts)

    def _search(self, exchange: Exchange, matcher: Matcher) -> None:
        exchange.marks["input_searched"] = True
        for place in exchange.request.texts():
            text, screen = matcher.whole(place.text)
            for number in sorted(screen.masked):
                note(exchange, self._acts[number], "input")
            if screen.blocked is not None:
                act = self._acts[screen.blocked]
                note(exchange, act, "input")
                raise BadRequest(
                    f'The request was refused by the content rule "{act[0]}".',
                    type="content_filter_error",
                    code="content_filter",
                    param="messages" if exchange.request.dialect == "chat" else "input",
                )
            if screen.masked:
                place.replace(text)

    def _words(self, rule: GuardrailRule) -> tuple[str, ...]:
        if rule.words_file is None:
            return rule.words
        path = self.directory / rule.words_file
        try:
            return (*rule.words, *read_words(path))
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise ConfigError([Problem(str(path), 1, 1, f'words of rule "{rule.name}": {reason}')]) from None


class Watch(ResponseFilter):
    """Searches one answer on its way to the client."""

    def __init__(self, screen: AnswerScreen, acts: list[Act]) -> None:
        self._screen = screen
        self._acts = acts

    def on_events(self, exchange: Exchange, events: list[Event]) -> list[Event]:
        """Lets through what cannot be or become a match. Hot: once a read."""
        return self._screen.take(events)

    async def on_end(self, exchange: Exchange) -> None:
        """Leaves what was found on the exchange, for the log."""
        for number, where in self._screen.found:
            note(exchange, self._acts[number], where)


def note(exchange: Exchange, act: Act, where: str) -> None:
    """Leaves a mark of what a rule did; the log writes it down."""
    found = {"rule": act[0], "action": act[1], "where": where}
    marks = exchange.marks.setdefault("guardrail", [])
    if found not in marks:
        marks.append(found)


def searches_of(rules: list[tuple[int, GuardrailRule, tuple[str, ...]]]) -> Iterator[Words | Pattern]:
    """Yields searches for rules, their numbers and their words; raises Mistake for what cannot be looked for.

    All words that are compared in the same way are looked for together.
    """
    alike: dict[tuple[bool, bool], list[Word]] = {}
    for number, rule, words in rules:
        together = alike.setdefault((rule.case_sensitive, rule.normalize), [])
        together += [Word(word, number, rule.whole_words) for word in words]
        for source in (*([rule.pattern] if rule.pattern is not None else []), *rule.patterns):
            try:
                yield Pattern(source, rule=number, case_sensitive=rule.case_sensitive, max_match=rule.max_match)
            except (re.error, ValueError) as error:
                raise Mistake(f'rule "{rule.name}": the pattern {source!r} is wrong: {error}', "mend it") from None
    for (case_sensitive, normalize), listed in alike.items():
        if listed:
            try:
                yield Words(listed, Folding(case_sensitive=case_sensitive, normalize=normalize))
            except ValueError as error:
                raise Mistake(str(error), "remove the word") from None


def read_words(path: Path) -> list[str]:
    """Returns the words of a file; raises OSError, and ValueError for one without words or not in UTF-8."""
    lines = (line.strip() for line in path.read_text("utf-8-sig").splitlines())
    words = [line for line in lines if line and not line.startswith("#")]
    if not words:
        raise ValueError("there are no words in it")
    return words
