"""Schedulers: how long each candidate is trained, and which training goes on."""

from nas.schedulers.asha import Asha
from nas.schedulers.base import Full, Job, Scheduler, Standing
from nas.schedulers.brackets import Halving, Hyperband
from nas.schedulers.forecast import Forecast
from nas.schedulers.one_epoch import OneEpoch

__all__ = ["Asha", "Forecast", "Full", "Halving", "Hyperband", "Job", "OneEpoch", "Scheduler", "Standing"]
