"""What the parts of a search say to one another.

Everywhere: `n` rows are `n` architectures, values are better the higher they are, an unknown number is NaN, and random
numbers come from the generator that is passed.
"""

from nas.types.batch import Architectures, Batch, Features, Keys, Prediction, Proposal, Values, top
from nas.types.outcome import Candidate, Evaluation, Outcome, Reference, finite, plain
from nas.types.protocols import Acquisition, Estimator, Evaluator, Space, Strategy

__all__ = [
    "Acquisition",
    "Architectures",
    "Batch",
    "Candidate",
    "Estimator",
    "Evaluation",
    "Evaluator",
    "Features",
    "Keys",
    "Outcome",
    "Prediction",
    "Proposal",
    "Reference",
    "Space",
    "Strategy",
    "Values",
    "finite",
    "plain",
    "top",
]
