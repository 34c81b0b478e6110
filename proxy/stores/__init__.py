"""Where responses are kept, behind one interface."""
