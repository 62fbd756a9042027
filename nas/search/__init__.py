"""The search: its loop, its journal, and what it leaves."""
