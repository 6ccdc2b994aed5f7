"""The recipe of a run: its options, where they come from, and what they build."""

from recipe.reading import RECIPES, load_recipe, read_recipe, recipe_of, saved_options, saved_recipe
from recipe.recipe import Recipe

__all__ = ["RECIPES", "Recipe", "load_recipe", "read_recipe", "recipe_of", "saved_options", "saved_recipe"]
