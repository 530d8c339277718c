"""The console: the product's verbs over supervision's inspection socket, server and client."""

from foldward.console.client import Client

__all__ = ["Client"]
