"""The engine's log as records of the logger "tidegate": the message is a line of JSON."""

import logging

_LOGGER = logging.getLogger("tidegate")
_LEVELS = (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR)


def write(level: int, line: str) -> None:
    """`level` counts as LogLevel does."""
    _LOGGER.log(_LEVELS[level], "%s", line)
