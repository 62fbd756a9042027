"""The published benchmarks: which there are, where their files are fetched, how they are converted and verified."""

from nas.benchmarks.published.catalogue import TABLES, Published, Source, found
from nas.benchmarks.published.conversion import convert
from nas.benchmarks.published.fetching import download
from nas.benchmarks.published.verification import verify

__all__ = ["TABLES", "Published", "Source", "convert", "download", "found", "verify"]
