"""Doubles that ship with the product and pass the same conformance suite as the real thing."""

from foldward.testing.fake_link import FakeLink, FakePeer
from foldward.testing.scripted_peer import Reaction, Script, ScriptedPeer, attach, garbled, invented

__all__ = ["FakeLink", "FakePeer", "Reaction", "Script", "ScriptedPeer", "attach", "garbled", "invented"]
