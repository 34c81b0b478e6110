"""The stage that writes down every exchange."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import Meta

from proxy.errors import ConfigError, ExchangeError, Problem
from proxy.events import Usage
from proxy.exchange import Exchange, Timing
from proxy.linesink import LineSink
from proxy.redact import clean, credentials
from proxy.stage import ResponseFilter, Stage, StageConfig

_STREAMS: Mapping[str, int] = {"stdout": 1, "stderr": 2}


class LogConfig(StageConfig, frozen=True, kw_only=True):
    """Where the lines go."""

    to: Annotated[
        str,
        Meta(
            min_length=1,
            description="stdout, stderr, or the path of a file. A file that was renamed or removed is opened anew; "
            "several workers may write to one.",
        ),
    ] = "stdout"


class Log(Stage):
    """Writes one line of JSON for every exchange, also for those that were refused, failed or left by their client.

    A line says who asked for what, who answered, how it ended, what was used and how long it took: `time`, `id`,
    `response_id`, `client`, `user_agent`, `key`, `owner`, `dialect`, `path`, `model`, `stream`, `upstream`,
    `upstream_model`, `attempts`, `status`, `outcome`, `error`, `usage`, `cost` (in dollars, of all attempts; null where
    no price is known), `cost_estimated`, `timing_ms`, `ignored` and `guardrail`. What was said is not in it, texts are
    cut to 500 characters, and what looks like a key or a password becomes `***`.

    It stands anywhere in the list and sees the same. A disk that is slow or full holds up no answer: lines wait, up to
    16 MiB, and are then dropped and counted.

    Example:

        log:
          to: ./exchanges.jsonl
    """

    name = "log"
    observer = True
    once: ClassVar[bool] = False
    Config = LogConfig
    config: LogConfig

    def __init__(self, config: LogConfig | None = None) -> None:
        super().__init__(config)
        self._sink: LineSink | None = None

    async def start(self) -> None:
        """Opens the file; raises ConfigError when it cannot be written."""
        to = self.config.to
        sink = LineSink(_STREAMS[to] if to in _STREAMS else self.directory / to)
        try:
            sink.open()
        except OSError as error:
            what = f"the log cannot be written there: {(error.strerror or str(error)).lower()}"
            raise ConfigError(
                [Problem(str(self.directory / to), 1, 1, what, "check the path and its rights")]
            ) from None
        self._sink = sink

    async def close(self) -> None:
        """Writes what is left."""
        if self._sink is not None:
            await asyncio.to_thread(self._sink.close)

    async def on_request(self, exchange: Exchange) -> Write:
        """Asks to see the end."""
        assert self._sink is not None
        return Write(self._sink)


class Write(ResponseFilter):
    """Writes the line of one exchange."""

    def __init__(self, sink: LineSink) -> None:
        self._sink = sink

    async def on_end(self, exchange: Exchange) -> None:
        """Writes it, with every secret taken out at this last moment, wherever it came from."""
        record = clean(record_of(exchange), credentials(exchange.client.headers))
        self._sink.write(msgspec.json.encode(record) + b"\n")


def record_of(exchange: Exchange) -> dict[str, Any]:
    """Returns what there is to say of an exchange that has ended. The same names in every line; null where unknown."""
    client, key, deployment, error = exchange.client, exchange.key, exchange.deployment, exchange.error
    moment = datetime.fromtimestamp(exchange.timing.wall, UTC)
    return {
        "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "id": exchange.id,
        "response_id": exchange.response_id,
        "client": client.address,
        "user_agent": client.headers.get("user-agent"),
        "key": None if key is None else key.id,
        "owner": None if key is None else key.owner,
        "dialect": None if exchange.request is None else exchange.request.dialect,
        "path": client.path.partition("?")[0],
        "model": exchange.model,
        "stream": _stream(exchange),
        "upstream": None if deployment is None else deployment.provider.name,
        "upstream_model": None if deployment is None else deployment.model,
        "attempts": [
            {
                "upstream": one.upstream,
                "model": one.model,
                "status": one.status,
                "error": one.error,
                "usage": _usage(one.usage),
                "cost": None if one.cost is None else float(one.cost),
            }
            for one in exchange.attempts
        ],
        "status": exchange.head_status,
        "outcome": exchange.outcome,
        "kept": exchange.kept,
        "error": None if error is None else dict(error.to_dict()),
        "usage": _usage(exchange.usage),
        "cost": None if exchange.cost is None else float(exchange.cost),
        "cost_estimated": None
        if exchange.cost is None
        else any(one.usage is not None and one.usage.estimated for one in exchange.attempts),
        "timing_ms": _timing(exchange.timing),
        "ignored": list(exchange.ignored),
        "guardrail": list(exchange.marks.get("guardrail", ())),
    }


def _usage(usage: Usage | None) -> dict[str, Any] | None:
    if usage is None:
        return None
    return {
        "input": usage.input_tokens,
        "cached": usage.cached_tokens if usage.cached_tokens or usage.cache_missed else None,
        "output": usage.output_tokens,
        "reasoning": usage.reasoning_tokens,
        "total": usage.total_tokens,
        "estimated": usage.estimated,
    }


def _timing(timing: Timing) -> dict[str, float | None]:
    """Returns how many milliseconds after the request had come something happened."""

    def since(moment: float | None) -> float | None:
        return None if moment is None else round((moment - timing.started) * 1000, 1)

    return {
        "upstream_sent": since(timing.upstream_sent),
        "upstream_head": since(timing.upstream_head),
        "first_event": since(timing.first_event),
        "total": since(timing.ended),
    }


def _stream(exchange: Exchange) -> bool | None:
    """Returns whether a stream was asked for; None when the request does not say it properly."""
    try:
        return None if exchange.request is None else exchange.request.stream
    except ExchangeError:
        return None
