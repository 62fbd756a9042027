"""The published benchmarks: where their files are fetched, and how they are converted and verified."""
