"""Baseline and SCNet side by side: the two runs of a seed, their paired differences, and what these are worth."""
