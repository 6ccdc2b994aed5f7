"""Tables, comparisons and pictures of a run."""
