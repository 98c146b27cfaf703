"""One function per verb: settings in, `Result` out. The command line and Python users call these."""
