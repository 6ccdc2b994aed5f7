"""Cosine hosts: their similarities are heard in one forward, and exchanged in a second one."""

from selfcontrast.attach.mechanisms.exchange.exchanging import Exchange, explicit_exchange
from selfcontrast.attach.mechanisms.exchange.listening import Listener, listening_to

__all__ = ["Exchange", "Listener", "explicit_exchange", "listening_to"]
