"""Who comes in: keys from files, keys of the key store, tokens of identity providers."""
