"""`python -m selfcontrast doctor`: what is installed, what of it works, and what is missing for what."""
