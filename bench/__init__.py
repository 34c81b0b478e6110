"""Measures Penstock: its machines in process, and the whole proxy beside a bare pass-through."""
