"""Train what a search recommends for as long as it takes, and leave a model.

`retrain` does it, as `python -m nas.retrain RUN` does.
"""

from nas.retrain.retrain import retrain

__all__ = ["retrain"]
