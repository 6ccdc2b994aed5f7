"""The three ways into a host's comparison, and what they share."""
