"""Running cells: one process a cell."""
