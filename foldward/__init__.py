"""Foldward validates trading strategies out of sample. This package imports nothing on purpose."""
