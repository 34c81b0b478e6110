"""The stages that Penstock ships: where each is, by its name."""

STAGES = {
    "auth": "stages.auth:Auth",
    "budget": "stages.budget:Budget",
    "guardrail": "stages.guardrail:Guardrail",
    "log": "stages.log:Log",
    "metrics": "stages.metrics:Metrics",
    "rate-limit": "stages.rate_limit:RateLimit",
    "route": "stages.route:Route",
    "stream-translate": "stages.stream_translate:StreamTranslate",
    "trace": "stages.trace:Trace",
    "transform": "stages.transform:Transform",
}
