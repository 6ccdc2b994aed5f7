"""The checker that conftest.py's import hook puts on every annotated function of the package."""

from beartype import BeartypeConf, beartype

# As for every static checker, an int may stand for a float: the documented weight=0 is one.
checked = beartype(conf=BeartypeConf(is_pep484_tower=True))
