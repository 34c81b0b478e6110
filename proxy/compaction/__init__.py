"""Compaction: long conversations made short by a summary that the client carries, sealed."""
