"""Images, masks, classes and episodes: what a model is trained and judged on."""
