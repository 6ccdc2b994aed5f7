"""The study that only a GPU can run: many steps, read along the way. See docs/evidence/how.md, "On a GPU"."""
