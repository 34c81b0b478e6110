"""The engine of Penstock: the streaming proxy itself, without any stage."""

__version__ = "0.1.0"
