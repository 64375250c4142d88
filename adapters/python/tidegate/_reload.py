"""SIGHUP reloads the configuration of every limiter of the process."""

from __future__ import annotations

import signal
import threading
import weakref
from types import FrameType
from typing import TYPE_CHECKING

from ._engine import ConfigError

if TYPE_CHECKING:
    from .limiter import Limiter

_limiters: weakref.WeakSet[Limiter] = weakref.WeakSet()


def _reload_all() -> None:
    for limiter in list(_limiters):
        try:
            limiter.reload()
        except ConfigError:
            pass  # the engine has logged every fault, and the rules stay as they are


def _on_hangup(_signal: int, _frame: FrameType | None) -> None:
    threading.Thread(target=_reload_all, name="tidegate-reload").start()


def handle_hangup(limiter: Limiter) -> None:
    """Without a handler SIGHUP ends the process. One that somebody else has set stays."""
    _limiters.add(limiter)
    if threading.current_thread() is not threading.main_thread():
        return
    if signal.getsignal(signal.SIGHUP) == signal.SIG_DFL:
        signal.signal(signal.SIGHUP, _on_hangup)
