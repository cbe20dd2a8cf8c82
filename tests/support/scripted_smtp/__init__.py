"""A mail server that misbehaves as its script says, and knows what was really delivered."""

from tests.support.scripted_smtp.script import Act, Script, chances_of
from tests.support.scripted_smtp.server import Delivery, ScriptedServer, scripted_smtp

__all__ = ["Act", "Delivery", "Script", "ScriptedServer", "chances_of", "scripted_smtp"]
