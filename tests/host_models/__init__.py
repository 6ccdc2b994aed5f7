"""Small models of our own in the shape of published ones: module names, order of calls and losses are theirs."""
