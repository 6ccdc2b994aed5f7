"""The demo page: what it asks of a visitor, and what it shows."""
