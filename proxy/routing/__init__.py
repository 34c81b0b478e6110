"""Chooses among the deployments of a model: who is asked first, who next, who rests, and who stays with a session."""
