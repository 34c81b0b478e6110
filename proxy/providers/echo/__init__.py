"""The built-in `echo` upstream: chat models that need no key and no network, and do what the request tells them."""
