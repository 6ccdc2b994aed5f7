"""Data sets of one's own: from pictures and masks, or from an annotation tool's export, into the layout of training."""
