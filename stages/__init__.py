"""The stages that Penstock ships."""

from .auth import Auth
from .budget import Budget
from .guardrail import Guardrail
from .log import Log
from .metrics import Metrics
from .rate_limit import RateLimit
from .route import Route
from .stream_translate import StreamTranslate
from .trace import Trace
from .transform import Transform

STAGES = (Auth, Budget, Guardrail, Log, Metrics, RateLimit, Route, StreamTranslate, Trace, Transform)
