"""Masks for pictures without any, from a few pictures that have one."""
