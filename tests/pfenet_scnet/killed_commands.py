"""A command that is killed at a moment named by what it does then."""

import json
from pathlib import Path

from forked_commands import ForkedCommand


class KilledCommand(ForkedCommand):
    """A command to be called many times, and killed where that is asked."""

    def __call__(self, *words, cache="cache", ranks=1, **moment):
        """Carry it out.

        Args:
            cache: the folder of what is counted once.
            ranks: as many processes of one training; the last of them is killed, and the first one's end is returned.
            moment: nothing, or the arguments of `kill_at` in become_killed.py, or `bytes`, the size at which the system
                kills it while it writes a file.
        """
        asked = json.dumps({"cache": cache, "ranks": ranks, "moment": moment})
        return self._ended(Path(__file__).with_name("become_killed.py"), asked, self.script, *words)
