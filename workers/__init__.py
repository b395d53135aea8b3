"""Where work runs: the same tasks on threads of one process, or on a fleet of RQ workers."""
