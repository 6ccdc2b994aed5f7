"""The studies as data: which cells there are."""
