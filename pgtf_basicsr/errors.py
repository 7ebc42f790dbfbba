"""The error that stands for a user's mistake."""


class UserError(Exception):
    """Something the user can put right: a missing file, a wrong name, data that cannot be read.

    The message is one line and says what is wrong, where, and what would be right.  The
    command line prints it without a traceback and exits with status 2.
    """
