"""Where work runs: the tasks, the embedded runner, the RQ runner, the schedule."""
