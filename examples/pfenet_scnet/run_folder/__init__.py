"""The folder of a run: what may go on in it, its logs and its weights."""
