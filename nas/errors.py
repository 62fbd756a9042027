"""The one error that is addressed to the user."""


class UserError(ValueError):
    """A mistake the user can mend; its text is one line: what is wrong, what is allowed, what to do."""
