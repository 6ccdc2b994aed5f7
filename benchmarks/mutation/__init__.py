"""Mutants of the library: how they are made, which tests run against them, and what came of it."""
