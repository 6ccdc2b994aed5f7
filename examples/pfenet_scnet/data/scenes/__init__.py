"""How a scene is drawn: a place in some daylight, with things of twenty classes in it."""
