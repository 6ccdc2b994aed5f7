"""Training: the loop, its loss, its checkpoints and its cached features."""
