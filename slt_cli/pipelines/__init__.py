"""One function per verb: settings in, `Result` out. Commands and Python users call these."""
