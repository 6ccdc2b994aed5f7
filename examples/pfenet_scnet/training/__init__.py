"""From episodes to a trained model: the loop, its loss, its checkpoints, its cached features."""
