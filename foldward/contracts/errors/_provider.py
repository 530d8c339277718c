"""Market data providers."""

from __future__ import annotations

from foldward.contracts.errors._base import FoldwardError, declare


class ProviderError(FoldwardError):
    """A market data provider failed."""

    family = "provider"
    exit_code = 1


declare(
    "provider.failed",
    "The provider did not answer usefully.",
    "try later, or another provider",
    retryable=True,
    fault="peer",
)
declare("provider.refused", "The provider refused the request.", "check symbol and credentials", fault="peer")
declare(
    "provider.open",
    "The provider's circuit breaker is open.",
    "wait until retry_at",
    retryable=True,
    fault="peer",
)
