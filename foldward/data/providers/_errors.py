"""What a provider did wrong, as errors that say whether another try can help."""

from __future__ import annotations

from typing import Any

from foldward.contracts.errors import ProviderError


class ProviderRefused(ProviderError):
    """The provider is there and says no: asking again gives the same, and its breaker stays closed."""

    def __init__(self, message: str, *, hint: str | None = None, **context: Any) -> None:
        super().__init__("provider.refused", message, hint=hint, **context)


def failed(message: str, *, retry_after: float | None = None, **context: Any) -> ProviderError:
    """The provider may do better next time; `retry_after` in seconds if it said when."""
    return ProviderError("provider.failed", message, retry_after=retry_after, **context)
