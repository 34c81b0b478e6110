"""How bytes get to an upstream and back: connections, pools, timeouts, attempts."""
