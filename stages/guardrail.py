"""The stage that looks at what goes in and at what comes out: for words, forms, and by asking others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, ClassVar

from msgspec import Meta

from proxy.api.chat.encoder import sealed_only
from proxy.config.types import Mistake
from proxy.errors import ConfigError, Problem
from proxy.exchange import Exchange
from proxy.guardrails.asking_watch import AskingWatch
from proxy.guardrails.check import Asking
from proxy.guardrails.checks import asking_for
from proxy.guardrails.declared import declared_by
from proxy.guardrails.local import Searches, check_rule, hints, read_words, searches_in
from proxy.guardrails.observing_watch import ObservingWatch
from proxy.guardrails.raw_watch import RawWatch
from proxy.guardrails.request import RequestScreen
from proxy.guardrails.rules import ANSWER, GuardrailRule, Where
from proxy.guardrails.watch import Watch
from proxy.matching import AnswerScreen
from proxy.stage import Side, Stage, StageConfig

_TELLING = ("/completions", "/audio/transcriptions", "/audio/translations")
"""Where what is passed on comes back with texts."""


class GuardrailConfig(StageConfig, frozen=True, kw_only=True):
    """What must not go in or come out."""

    rules: Annotated[tuple[GuardrailRule, ...], Meta(min_length=1, description="The rules; each sees all the text.")]

    def __post_init__(self) -> None:
        names = [rule.name for rule in self.rules]
        for name in names:
            if names.count(name) > 1:
                raise Mistake(f'there are two rules called "{name}"', "rename one of them")
        for rule in self.rules:
            check_rule(rule)


class Guardrail(Stage):
    """Looks at requests and at answers, streamed or not: for words, patterns and personal data, and by asking others.

    A request with a match that blocks is refused (400, `content_filter_error`), naming the rule and not what was found;
    nothing of it reaches an upstream. What is put into conversations is looked at in the same way. An answer ends in
    front of the match: what is open is closed as incomplete, and the response is incomplete for `content_filter`. A
    mask replaces the match and lets the rest through. Arguments of tool calls are delivered whole or not at all. What
    is stored and logged is what went out, and of requests what the rules have left. Flags are only noted, in the log
    and, as long as headers can be sent, in `x-penstock-flagged`.

    The input is all that a request says: instructions, messages, calls and their results, items of tools, variables of
    a prompt, tools and schemas with their names, metadata, and files that come with the request and are texts (by type
    or name, or because they can be read as one). Where the name of a tool would have to be masked, the request is
    refused. Not searched are files of other kinds, pictures, sound, what is only named by an id, `user`, and the
    headers for servers of tools. The output is the answer's text with its citations and items of tools, and what an
    upstream says of its failure: that is masked, or withheld where a rule blocks. The name of a call that no client has
    declared is searched as output and as arguments, and ends the answer when something is found in it.

    In a stream, only the text that may still become a match is held back: at most a word less one character, or what
    a pattern may still take in. The rest leaves at once, so what came before a match may have been shown. With
    `max_delay` and `on_timeout: release`, text that has waited so long goes out; the rest of the word then does not.

    Rules that ask somebody (`http`, `openai-moderation`, `model`, `bedrock-guardrail`) hold a stream back until there
    is a verdict (`hold`), ask once at its end (`end`), or ask while it runs and end it when the verdict is bad
    (`observe`). One question is on its way at a time; what comes meanwhile is in the next. A question that got no
    answer is logged as `not_run`, and `on_error` says whether that blocks. About tools, metadata and what else stands
    beside the input, the same key's next requests ask again only when it is another, or after ten minutes. No answer
    waits for who observes: the exchange is settled, with its line in the log, when the last verdict has come, 30
    seconds later at most. What a judge (`model`) costs is part of the exchange's `cost`, so also in budgets, the ledger
    and the metrics; its tokens are not in `usage`: `guardrail` of the log has them, as `{"action": "asked", "upstream",
    "model", "input", "output", "cost"}`.

    Where RE2 is not installed (`pip install 'penstock[guardrails]'`), Python looks for patterns, and those that may
    hang it are refused: repeats within repeats, and two wide ones in a row over the same characters.

    A webhook gets `{"rule", "where", "texts", "context", "request_id", "model", "key", "team", "user"}` as JSON; the
    `context` is the end of what has passed before the first text. It answers with status 200 and
    `{"action": "allow"}`, `{"action": "block", "reason": "..."}`, or `{"action": "mask", "texts": [...]}` with as many
    texts as it got. What others only call bad is put in place of by `mask` as a whole where the action is to mask.

    Of what is passed on to other endpoints (embeddings, images, audio) the texts of the request are searched, in JSON
    and in the fields of forms: `input`, `instructions`, `prompt`, `suffix`, `query`, `documents`, `messages`; and of
    their answers those that are texts (completions, transcriptions) and failures. Who is asked about these is asked
    once, about all of it: until then nothing goes out, streamed or not. Where something is masked then, a stream is one
    event with all that it says. Who observes is asked behind the end, and ends nothing.

    Example:

        guardrail:
          rules:
            - {name: project names, words: [bluebird, "red fox"], whole_words: true, action: mask}
            - {name: keys, match: regex, pattern: 'sk-[A-Za-z0-9]{20,}', scan: [input, output, arguments]}
            - {name: personal, match: pii, kinds: [credit_card, iban, email], action: mask}
    """

    name = "guardrail"
    side: ClassVar[Side] = "above"
    once: ClassVar[bool] = False
    screens: ClassVar[bool] = True
    advice: ClassVar[Mapping[str, str]] = {"route": "then it searches the request again for every attempt"}
    Config = GuardrailConfig
    config: GuardrailConfig

    def __init__(self, config: GuardrailConfig) -> None:
        super().__init__(config)
        self._searches: dict[Where, Searches] = {}
        self._request = RequestScreen(Searches(()).masking(), (), ())
        self._askings: list[Asking] = []
        limits = [rule.lets_go_after for rule in config.rules if not rule.asks and set(rule.scan) != {"input"}]
        given = [limit for limit in limits if limit is not None]
        self._hides_thoughts = any("reasoning" in rule.scan and rule.action != "flag" for rule in config.rules)
        self._lets_go_s = min(given) if given and len(given) == len(limits) else None

    @classmethod
    def models_of(cls, config: GuardrailConfig) -> Iterable[tuple[tuple[str | int, ...], str]]:
        """Returns the models that judge."""
        for at, rule in enumerate(config.rules):
            if rule.match == "model" and rule.model is not None:
                yield ("rules", at, "model"), rule.model

    @classmethod
    def hints_of(cls, config: GuardrailConfig) -> Iterable[tuple[tuple[str | int, ...], str, str]]:
        """Returns the rules that would do better with what is not installed."""
        for at, rule in enumerate(config.rules):
            if (said := hints(rule)) is not None:
                yield ("rules", at, "match"), *said

    async def start(self) -> None:
        """Reads the files of words, makes the searches, and finds out whom to ask; raises ConfigError for mistakes."""
        rules = [(rule, self._words(rule)) for rule in self.config.rules]
        try:
            for where in ("input", *ANSWER):
                self._searches[where] = searches_in(where, rules)
            resolve = self.table.resolve if self.table is not None else lambda name: ()
            self._askings = asking_for(self.config.rules, self.upstreams, resolve, self.prices)
        except Mistake as mistake:  # what the file alone shows was tried when it was loaded
            raise ConfigError([Problem(self.name, 1, 1, mistake.what, mistake.fix)]) from None
        searches = self._searches["input"]
        askings = [one for one in self._askings if "input" in one.rule.scan]
        self._request = RequestScreen(searches.masking(), searches.acts, askings)
        self._matchers = tuple(self._searches[where].matcher() or None for where in ANSWER)
        self._searching = any(self._matchers)
        self._acts = {where: self._searches[where].acts for where in ANSWER}
        self._flags = any(act.does == "flagged" for acts in self._acts.values() for act in acts)
        self._answering = [one for one in self._askings if set(one.rule.scan) & set(ANSWER)]

    async def close(self) -> None:
        """Closes the connections to those who were asked."""
        for one in self._askings:
            await one.close()

    async def on_request(self, exchange: Exchange) -> Watch | ObservingWatch | AskingWatch | RawWatch | None:
        """Screens the request's texts; raises BadRequest for one that is blocked."""
        if self._request.looks:
            self._request.search(exchange)
            if self._request.asks:
                await self._request.consult(exchange)
        if exchange.request.dialect == "raw":
            return self._raw_watch(exchange)
        watch = None
        state = sealed_only if self._hides_thoughts and exchange.request.dialect == "chat" else None
        if self._searching or state is not None:
            text, reasoning, arguments = self._matchers
            screen = AnswerScreen(text, reasoning, arguments, state, declared_by(exchange))
            watch = Watch(screen, self._acts, self._lets_go_s, flags=self._flags)
        if not self._answering:
            return watch
        waits = any(one.rule.streamed != "observe" for one in self._answering)
        if not waits:
            return ObservingWatch(watch, self._answering)
        return AskingWatch(watch, self._answering, declared_by(exchange))

    def _raw_watch(self, exchange: Exchange) -> RawWatch | None:
        """Returns what looks at an answer that is passed on."""
        text, askings = self._matchers[0], [one for one in self._answering if "output" in one.rule.scan]
        if text is None and not askings:
            return None
        return RawWatch(text, self._acts["output"], askings, telling=exchange.client.path.endswith(_TELLING))

    def _words(self, rule: GuardrailRule) -> tuple[str, ...]:
        if rule.words_file is None:
            return rule.words
        path = self.directory / rule.words_file
        try:
            return (*rule.words, *read_words(path))
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise ConfigError([Problem(str(path), 1, 1, f'words of rule "{rule.name}": {reason}')]) from None
