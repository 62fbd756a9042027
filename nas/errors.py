"""Errors that are addressed to the user."""

from collections.abc import Sequence

_TOLD = 20  # of many things in a message, at most


class UserError(ValueError):
    """A mistake the user can mend; its text is one line: what is wrong, what is allowed, what to do."""


class OptionError(UserError):
    """An option has a value that it cannot have.

    A class names its own parameter; `nas._config.build` puts the path of the configuration node before it.

    Args:
        option: the parameter, such as `width` or `weights.graph`.
        text: the value and what is allowed, such as "is 0, must be at least 1".
    """

    def __init__(self, option: str, text: str) -> None:
        super().__init__(option, text)  # so that it can be pickled
        self.option, self.text = option, text

    def __str__(self) -> str:
        return f"{self.option} {self.text}"

    def below(self, path: str) -> "OptionError":
        """The same error, of an option below `path`."""
        return OptionError(f"{path}.{self.option}", self.text)


def some(told: Sequence[str]) -> str:
    """As many of these as fit on a line, and how many more there are."""
    more = f", and {len(told) - _TOLD} more" if len(told) > _TOLD else ""
    return f"{', '.join(told[:_TOLD])}{more}"
