"""The search: `run` it, `load` what it left, or drive a `Search` by `ask` and `tell`."""

from nas.search.build import compose_search
from nas.search.callbacks import Callback, Progress
from nas.search.result import Result, load
from nas.search.runner import run
from nas.search.search import Search
from nas.search.stop import Stop
from nas.search.trial import Trial
from nas.search.trials import Trials

__all__ = ["Callback", "Progress", "Result", "Search", "Stop", "Trial", "Trials", "compose_search", "load", "run"]
