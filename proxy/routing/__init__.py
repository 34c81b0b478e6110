"""Chooses among the deployments of a model: who is asked first, who next, who cools down, who stays with a session."""
