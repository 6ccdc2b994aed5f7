"""Say what a user should know, once a process, however often it comes up."""

_said: set[str] = set()


def say_once(text: str) -> None:
    """Print a line that was not printed before."""
    if text not in _said:
        _said.add(text)
        print(text)
