"""Measurements that the documentation reports; each module is a command."""
