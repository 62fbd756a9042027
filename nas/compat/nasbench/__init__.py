"""The interface of the published NAS-Bench-101 library (Ying et al. 2019): `from nas.compat.nasbench import api`."""

__all__ = ["api", "model_spec"]
