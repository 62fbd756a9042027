"""Benchmark tables: the embedded one, and the official files a user brings; see `python -m nas.data`."""
