"""Neural architecture search with estimators that learn from few evaluated architectures."""

__version__ = "0.1.0"
