"""The training loop and what makes it safe: schedules, state, signals, guards, the run folder."""
