"""What the garbage collector is told of a process that goes on for long."""

import atexit
import gc


def keep_loaded() -> None:
    """Have what is loaded by now left alone, until the interpreter ends.

    Else thousands of short-lived objects have the collector walk Great Expectations' million, again
    and again: a quarter of a lander's CPU, a quarter second of a server's answer. At the end it is
    let go of, or DuckDB's binding tells of every object that outlived the interpreter.
    """
    gc.freeze()
    atexit.register(gc.unfreeze)
