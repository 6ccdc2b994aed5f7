"""Entering a model that nobody edits."""
