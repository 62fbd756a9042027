"""Interfaces of other libraries on the tables of this one."""

__all__ = ["nasbench"]
