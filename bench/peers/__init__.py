"""Other proxies that Penstock is measured beside, each as its own documentation says it is to be run."""
