"""Instances in COCO's format: read, checked, and drawn as masks."""
