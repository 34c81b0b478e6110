"""The pipeline without a server: for scripts and tests that call it as functions."""
