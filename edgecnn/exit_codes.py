"""The exit codes of the command line, all of them."""

OK = 0
FAILED = 1
"""The job was refused or failed; one line on stderr says why. Also Python's own for a bug."""
USAGE = 2
"""The command was typed wrongly (click's own)."""
DIFFERS = 3
"""`verify`, `bench`: an artefact does not answer as the original network does, or crashes."""
SLOWER = 4
"""`bench`: slower than the baseline of `--against`, or than the run of `--compare`."""
NO_VERDICT = 5
"""`bench --against`, `--compare`: the run was disturbed, so that no verdict is given."""
LIMIT_MISSED = 6
"""`export --quantize`: the quantised network is weak, or does not meet a stated limit."""
INTERRUPTED = 130
"""Ctrl-C: 128 + SIGINT, as shells have it."""
PIPE_CLOSED = 141
"""The reader of stdout closed it, as ``head`` does: 128 + SIGPIPE, as shells have it."""
