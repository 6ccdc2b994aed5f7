"""Python imports this when it starts; with the folder on its path, coverage measures the processes that tests start."""

import coverage

coverage.process_startup()
