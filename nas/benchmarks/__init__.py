"""Benchmark tables: files, their formats, and what they say of the architectures of a space."""
