"""Which line of a log says why a program ended."""

import pytest

from tools.kubernetes.reasons import cause_in

GO = """
starting
panic: runtime error: invalid memory address or nil pointer dereference
[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x4a2f31]
goroutine 1 [running]:
main.main()
\t/app/main.go:21 +0x1d
exit status 2
"""
PYTHON = """
INFO ready
Traceback (most recent call last):
  File "/app/main.py", line 3, in <module>
    connect()
psycopg.OperationalError: connection failed: Connection refused
"""
JAVA = """
Exception in thread "main" java.lang.IllegalStateException: no DSN
\tat shop.Checkout.main(Checkout.java:12)
\tat java.base/java.lang.Thread.run(Thread.java:833)
"""
NODE = """
node:internal/modules/cjs/loader:1080
Error: Cannot find module 'express'
    at Module._resolveFilename (node:internal/modules/cjs/loader:1077:15)
Node.js v18.17.0
"""
QUIET = """
listening on 8080
bye
"""


@pytest.mark.parametrize(
    ("log", "line"),
    [
        (GO, "panic: runtime error: invalid memory address or nil pointer dereference"),
        (PYTHON, "psycopg.OperationalError: connection failed: Connection refused"),
        (JAVA, 'Exception in thread "main" java.lang.IllegalStateException: no DSN'),
        (NODE, "Error: Cannot find module 'express'"),
        (QUIET, ""),
    ],
    ids=["go", "python", "java", "node", "quiet"],
)
def test_the_cause_is_quoted_and_not_the_stack_behind_it(log: str, line: str) -> None:
    assert cause_in([one.strip() for one in log.splitlines() if one.strip()]) == line
