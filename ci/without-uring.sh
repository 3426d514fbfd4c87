#!/usr/bin/env bash
# Runs a command as on a host whose kernel has no io_uring: a seccomp filter answers those system calls. Needs python3.
#
#     ANYIO_TEST_BACKENDS=poll ci/without-uring.sh ci/test.sh
#
# Environment: REFUSAL, the name of the error that is answered: ENOSYS as by a kernel without it unless EPERM, as by most
# sandboxes, or another is named.
set -euo pipefail

exec python3 -c '
import ctypes, errno, os, struct, sys

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
LOAD, JUMP_IF_AT_LEAST, JUMP_IF_GREATER, RETURN = 0x20, 0x35, 0x25, 0x06
ALLOW, ERRNO = 0x7FFF0000, 0x00050000
# The system calls have the same numbers on each kind of machine.
FIRST, LAST = 425, 427
refusal = getattr(errno, os.environ.get("REFUSAL", "ENOSYS"))
steps = [
    (LOAD, 0, 0, 0),
    (JUMP_IF_AT_LEAST, 0, 2, FIRST),
    (JUMP_IF_GREATER, 1, 0, LAST),
    (RETURN, 0, 0, ERRNO | refusal),
    (RETURN, 0, 0, ALLOW),
]
code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
program = ctypes.create_string_buffer(struct.pack("HP", len(steps), ctypes.addressof(code)))
prctl = ctypes.CDLL(None, use_errno=True).prctl
for call in [(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program)]:
    # Numbers have to be as wide as registers.
    if prctl(*(ctypes.c_ulong(value) if isinstance(value, int) else value for value in call)) != 0:
        raise OSError(ctypes.get_errno(), "the filter is refused")
os.execvp(sys.argv[1], sys.argv[1:])
' "$@"
