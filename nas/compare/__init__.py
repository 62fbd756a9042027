"""Comparison of finished runs: statistics, figures, and one page."""
