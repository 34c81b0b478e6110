"""Chat completions as a client dialect: requests, the relay, the encoder."""
