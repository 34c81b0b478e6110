"""Admission: who is counted, what a request is expected to use, and the stages that let it in or refuse it."""
