"""Market data from providers: HTTP(S) CSV or JSON, and exchanges through ccxt (optional).

What arrives is written to a file as it came and passes the contract before it is cached.
"""

from foldward.data.providers._download import DEFAULT_POLICY, Provider, Query, download
from foldward.data.providers._errors import ProviderRefused
from foldward.data.providers.exchange import CcxtProvider
from foldward.data.providers.http import HttpProvider

__all__ = [
    "DEFAULT_POLICY",
    "CcxtProvider",
    "HttpProvider",
    "Provider",
    "ProviderRefused",
    "Query",
    "download",
]
