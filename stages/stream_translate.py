"""The stage that turns the client's request into the upstream's, and the upstream's answer into the client's."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from proxy.config.types import Duration
from proxy.errors import BadRequest
from proxy.exchange import Exchange
from proxy.providers.provider import TranslateOptions
from proxy.stage import Side, Stage, StageConfig


class StreamTranslateConfig(StageConfig, frozen=True, kw_only=True):
    """How to translate between what the client speaks and what the upstream speaks."""

    reasoning: Annotated[
        Literal["auto", "content", "summary", "drop"],
        Meta(
            description="What the model's thinking becomes: raw text (content), a summary, or nothing. "
            "auto is summary when the request asks for one, else content."
        ),
    ] = "auto"
    unsupported_tools: Annotated[
        Literal["drop", "refuse"],
        Meta(
            description="What happens to tools that the upstream cannot run, such as web_search: dropped and named in "
            "x-penstock-ignored-params, or the request is refused."
        ),
    ] = "drop"
    params: Annotated[
        Literal["lenient", "strict"],
        Meta(description="Whether hints the upstream has no word for are dropped and named, or refused."),
    ] = "lenient"
    commit_after: Annotated[
        Duration,
        Meta(
            description="How long a stream waits for its first output before it is opened without it. Until then a "
            "failure is an HTTP status; after it, an event."
        ),
    ] = Duration(0.5)
    on_disconnect: Annotated[
        Literal["cancel", "continue"],
        Meta(
            description="What becomes of a stream whose client leaves: cancelled at once, or, where it is kept, run to "
            "its end, to be read again later. No more of them go on in a worker than limits.background and "
            "limits.background_waiting are together; others are cancelled. Background responses always go on."
        ),
    ] = "cancel"
    done_marker: Annotated[bool, Meta(description="Whether a stream of the Responses API ends with data: [DONE].")] = (
        True
    )


class StreamTranslate(Stage):
    """Translates between what the client speaks and what the upstream speaks, event by event.

    Stages above it see the client's request and neutral events; stages below it see the upstream's request as it will
    be sent. A chat client in front of a chat upstream gets its bytes as they are, but for the id and the name of the
    model, unless reasoning is to be dropped from them.

    Example:

        stream-translate:
          reasoning: summary
          unsupported_tools: refuse
    """

    name = "stream-translate"
    after: ClassVar[tuple[str, ...]] = ("route",)
    requires: ClassVar[tuple[str, ...]] = ("route",)
    side: ClassVar[Side] = "any"
    Config = StreamTranslateConfig
    config: StreamTranslateConfig

    def __init__(self, config: StreamTranslateConfig | None = None) -> None:
        super().__init__(config)
        self.translate = TranslateOptions(
            reasoning=self.config.reasoning,
            unsupported_tools=self.config.unsupported_tools,
            params=self.config.params,
            commit_after_s=float(self.config.commit_after),
            done_marker=self.config.done_marker,
            on_disconnect=self.config.on_disconnect,
        )

    async def on_request(self, exchange: Exchange) -> None:
        """Makes the upstream's request; raises BadRequest for what the upstream cannot do."""
        deployment = exchange.deployment
        assert deployment is not None
        provider = deployment.provider
        if provider.speaks(exchange.request.dialect, deployment.model):
            exchange.upstream_request = provider.passthrough(exchange, deployment.model)
            return
        try:
            exchange.upstream_request = provider.build(exchange, deployment.model)
        except BadRequest as refusal:
            if refusal.param is not None:
                refusal.param = exchange.request.own_name(refusal.param)
            raise
