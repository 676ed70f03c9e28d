"""The errors whose text is meant for the person at the command line."""


class InputError(ValueError):
    """Input that its giver can put right.

    The message is one line: what was found, what was expected, what to do. The command
    line prints it without a traceback and exits with 1.
    """


class ConfigError(InputError):
    """A config file or override that can't be used; the command line exits with 2."""


class TrainingError(RuntimeError):
    """A training that can't go on: it diverged, or its folder can't be written to.

    The message is one line: at which step, why, what is saved, what to do. The command
    line prints it without a traceback and exits with 1.
    """
