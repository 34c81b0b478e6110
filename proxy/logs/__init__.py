"""Rows of the log: what they say of an exchange, and the ways they take to files, S3 and servers."""
