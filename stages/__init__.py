"""The stages that Penstock ships."""

from .route import Route
from .stream_translate import StreamTranslate

STAGES = (Route, StreamTranslate)
