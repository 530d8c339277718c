"""Which engine made a number."""

# Changes whenever a number could change: it is part of every request's identity.
ENGINE_VERSION = "foldward-5"
