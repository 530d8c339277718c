"""Doubles that ship with the product and pass the same conformance suite as the real thing."""

from foldward.testing.fake_link import FakeLink, FakePeer

__all__ = ["FakeLink", "FakePeer"]
