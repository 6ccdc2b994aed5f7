"""Scores of a model over episodes, under each published protocol."""
