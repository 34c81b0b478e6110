"""Framing of event streams: bytes in, payloads out."""
