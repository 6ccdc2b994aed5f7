"""Scripts that train as soon as they are imported: pytest looks for no doctests in them."""

collect_ignore = ["loops", "quickstart.py"]
