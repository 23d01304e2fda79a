"""Seawall: a health-aware load-balancing reverse proxy that finds its backends through Docker labels."""

__version__ = "0.1.0"
