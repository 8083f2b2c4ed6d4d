"""The main script is put back where it was, by threads too."""

from __future__ import annotations

import sys
import threading

from edgecnn.caller_script import caller_script_left_out


def test_threads_that_overlap_leave_the_main_script_in_its_place() -> None:
    script, entered, seen = sys.modules["__main__"], threading.Event(), []

    def enter() -> None:
        entered.set()
        with caller_script_left_out():
            seen.append(sys.modules["__main__"] is not script)

    other = threading.Thread(target=enter)
    with caller_script_left_out():
        assert sys.modules["__main__"] is not script
        other.start()
        entered.wait()
        other.join(0.2)
        assert seen == []  # waits for its turn
    other.join()
    assert seen == [True]
    assert sys.modules["__main__"] is script
