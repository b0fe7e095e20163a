"""Every file of this project is UTF-8, whatever the machine's locale is."""

import codecs
import locale
import os
import sys


def begin_in_utf8() -> None:
    """Begin this program again where Python would read and write in another encoding.

    For a program's first line: what it has done so far is lost.
    """
    if codecs.lookup(locale.getpreferredencoding(False)).name != "utf-8":
        os.environ["PYTHONUTF8"] = "1"
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
