"""Episodes to scores, under each published protocol."""
