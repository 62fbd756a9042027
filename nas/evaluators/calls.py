"""A call that travels to another process as bytes, and what came of it.

Whatever cannot be pickled on this way is told as what it is, where it is; the processes' own channels never meet it.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
from collections.abc import Callable
from typing import Any

from nas.errors import UserError

UNGUARDED = 87  # exit code of a worker that found the search started by its own import of the main module
WORKERS = ("nas worker", "Dask Worker")  # how the names of the processes begin that executors start

Answer = tuple[str, bytes | None, str]  # what it is in words; itself, pickled; why it could not be pickled


class TransferError(RuntimeError):
    """What a call returned or raised cannot be passed from one process to another."""


def pack(
    fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], dumps: Callable[[Any], bytes] = pickle.dumps
) -> bytes:
    """Pickle a call.

    Raises:
        UserError: it cannot be pickled.
    """
    try:
        return dumps((fn, args, kwargs))
    except Exception as error:  # of foreign code: anything may be raised
        raise UserError(
            f"what a worker is to do cannot be pickled ({describe(error)}): "
            f"build it from classes and functions at the top of a module"
        ) from error


def answer(call: bytes) -> Answer:
    """Run a packed call; for a worker."""
    result: Any = None
    raised: Exception | None = None
    try:
        fn, args, kwargs = pickle.loads(call)
    except Exception as error:  # of foreign code: it may import a module that raises anything
        raised = UserError(
            f"a worker cannot load what it is to do ({describe(error)}): "
            f"put it in a module that workers can import, and install it where they run"
        )
    else:
        try:
            result = fn(*args, **kwargs)
        except Exception as error:  # whoever asks for the result gets it
            raised = error
        except BaseException as error:  # the call's affair, not the worker's, such as sys.exit()
            raised = RuntimeError(describe(error))
    words = describe(raised) if raised is not None else f"a result of type {type(result).__name__}"
    try:
        return words, pickle.dumps((result, raised)), ""
    except Exception as error:  # of foreign code: anything may be raised
        return words, None, describe(error)


def unpack(told: Answer) -> Any:
    """Return the result of a call, or raise what it raised.

    Raises:
        TransferError: the result, or what was raised, cannot be pickled or unpickled; it says what it was.
    """
    words, content, reason = told
    try:
        if content is not None:
            result, raised = pickle.loads(content)
    except Exception as error:  # of foreign code: anything may be raised
        content, reason = None, describe(error)
    if content is None:
        raise TransferError(f"{words}, which cannot be passed between processes ({reason})")
    if raised is not None:
        raise raised
    return result


def describe(error: BaseException) -> str:
    """The type and the message of an error, in one line."""
    return ": ".join(filter(None, (type(error).__name__, " ".join(str(error).split()))))


def leave_import_of_main() -> None:
    """End this process at once if it is a worker that, while it starts, runs the main module that started it.

    A spawned process imports the main module anew. Without `if __name__ == "__main__"` that begins the search again, in
    the worker, which would spawn workers of its own. Whoever started the worker reads its exit code.
    """
    process = multiprocessing.current_process()
    if getattr(process, "_inheriting", False) and process.name.startswith(WORKERS):  # as `multiprocessing.spawn` asks
        os._exit(UNGUARDED)


def refuse_unguarded() -> SystemExit:
    """What to raise where a worker ended as `leave_import_of_main` ends it: one line, whatever the script catches."""
    return SystemExit(
        "error: worker processes import the script that starts them, and this one starts the search as it is imported: "
        'put that below `if __name__ == "__main__":`'
    )
