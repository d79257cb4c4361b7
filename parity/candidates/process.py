"""The process of an adapter: one JSON line for each request on its stdin, one for each answer on its stdout."""

import contextlib
import json
import os
import queue
import re
import shlex
import subprocess
import threading
import time
from collections.abc import Mapping
from typing import Any

from parity.candidates import resources
from parity.candidates.candidate import CandidateError, NotOffered
from parity.candidates.resources import Resources
from parity.goldens import text

CALL_TIMEOUT = 600.0  # seconds for one call: a whole conversion on a slow machine takes a few minutes
EXIT_TIMEOUT = 2.0  # seconds that an adapter has to end after `bye` before it is killed
CRASH_TIMEOUT = 5.0  # seconds to wait for the exit status of an adapter that closed its stdout
MEMORY_INTERVAL = 0.25  # seconds between two checks of an adapter's memory, while its answer is awaited
STDERR_LINES = 40  # last lines of stderr that are kept for the message about a crash
# Names of variables that an adapter does not get, such as GITHUB_TOKEN and AWS_SECRET_ACCESS_KEY.
_SECRET = re.compile(r"TOKEN|SECRET|PASSW|CREDENTIAL|PRIVATE|API_?KEY|ACCESS_?KEY|AUTH_SOCK", re.IGNORECASE)
_LINE_SHOWN = 60  # characters of a wrong answer that a message quotes


class ProtocolError(CandidateError):
    """The candidate broke the protocol.

    Attributes:
        code: which rule it broke, one of `parity.runs.doctor.CODES`.
    """

    def __init__(self, code: str, sentence: str, reason: str | None = None) -> None:
        super().__init__(sentence, reason=reason)
        self.code = code


class AdapterProcess:
    """A running adapter: one request at a time, each with a time limit."""

    def __init__(self, command: str, timeout: float = CALL_TIMEOUT, limits: Resources | None = None) -> None:
        """Start the adapter, as the leader of a session of its own, so that its children are limited and end with it.

        Args:
            command: a shell-like command line, split by `shlex` and run without a shell.
            timeout: seconds that one call may take.
            limits: what it may use; None for `resources.default`.
        Raises:
            ProtocolError: "cannot-start", the command cannot be run.
        """
        self.command, self.timeout = command, timeout
        self.limits = limits or resources.default()
        self._count = 0
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._stderr: list[str] = []
        try:
            words = shlex.split(command)
            if not words:
                raise self._cannot_start("the command is empty")
            self._process = subprocess.Popen(
                words,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                encoding="utf-8",
                errors="replace",
                bufsize=1,
                env=restricted(os.environ),
                start_new_session=True,
            )
            self.limits.impose(self._process.pid)
        except OSError as error:
            raise self._cannot_start(error.strerror or str(error)) from None
        except ValueError as error:  # an unclosed quotation mark
            raise self._cannot_start(str(error)) from None
        threading.Thread(target=self._read_stdout, daemon=True).start()
        threading.Thread(target=self._read_stderr, daemon=True).start()

    def _cannot_start(self, reason: str) -> ProtocolError:
        return ProtocolError(
            "cannot-start",
            f"{self.command!r} cannot be started ({reason}); give the command that starts the adapter, with its path",
        )

    def _read_stdout(self) -> None:
        assert self._process.stdout is not None
        with contextlib.suppress(ValueError):  # the pipe was closed by `stop`
            for line in self._process.stdout:
                self._lines.put(line)
        self._lines.put(None)

    def _read_stderr(self) -> None:
        assert self._process.stderr is not None
        with contextlib.suppress(ValueError):  # the pipe was closed by `stop`
            for line in self._process.stderr:
                self._stderr = [*self._stderr[1 - STDERR_LINES :], text.printable(line.rstrip())]

    @property
    def running(self) -> bool:
        """Whether the process has not ended."""
        return self._process.poll() is None

    def request(self, op: str, timeout: float | None = None, **fields: Any) -> dict[str, Any]:
        """Send one request and wait for its answer.

        Args:
            op: the operation, such as "run_stage".
            timeout: seconds to wait, `self.timeout` unless given.
            fields: JSON fields of the request.
        Returns:
            the fields of the answer.
        Raises:
            NotOffered: the answer has the field `lacks`.
            ProtocolError: hang, memory, crash, not-json, wrong-id or refused.
        """
        self._count += 1
        limit = self.timeout if timeout is None else timeout
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps({"id": self._count, "op": op, **fields}) + "\n")
            self._process.stdin.flush()
        except (OSError, ValueError):  # it has ended; a line that it printed first explains why
            limit = CRASH_TIMEOUT
        try:
            line = self._next_line(op, limit)
        except queue.Empty:
            self.stop()
            raise ProtocolError(
                "hang", f"no answer to {op} within {limit:g} s; does the adapter flush its stdout after each line?"
            ) from None
        if line is None:
            raise self._crashed(op)
        return check_answer(op, self._count, line)

    def _next_line(self, op: str, limit: float) -> str | None:
        """The next line of the answer, None at its end.

        Raises:
            queue.Empty: there was none within `limit` seconds.
            ProtocolError: memory, the adapter and its children use more than they may.
        """
        end = time.monotonic() + limit
        while True:
            left = end - time.monotonic()
            try:
                return self._lines.get(timeout=max(0.0, min(MEMORY_INTERVAL, left)))
            except queue.Empty:
                if used := self.limits.excess(self._process.pid):
                    assert self.limits.memory is not None
                    resources.end(self._process)  # at once, without EXIT_TIMEOUT for more of it
                    self.stop()
                    raise ProtocolError(
                        "memory",
                        f"the adapter and its children used {used / resources.GIB:.2f} GiB of memory during {op}, and "
                        f"{self.limits.memory / resources.GIB:.2f} GiB are allowed; --adapter-memory GIB allows more",
                    ) from None
                if left <= MEMORY_INTERVAL:
                    raise

    def _crashed(self, op: str) -> ProtocolError:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(CRASH_TIMEOUT)
        last = f"; {self._reason()}" if self._stderr else ""
        status = self._process.returncode
        sentence = f"the adapter ended with exit status {status} during {op}{last}"
        return ProtocolError("crash", sentence, f"the adapter ended with exit status {status}{last}")

    def _reason(self) -> str:
        """The line on stderr that explains a crash best: a Rust panic with its message, or else the last line."""
        lines = list(self._stderr)
        panics = [i for i, line in enumerate(lines) if "panicked at" in line]
        if panics:
            return f"its stderr: {' '.join(lines[panics[-1] : panics[-1] + 2])}"
        return f"the last line on its stderr: {lines[-1]}"

    def stop(self) -> None:
        """End the process: `bye` first, and a kill where it does not end within EXIT_TIMEOUT."""
        if self.running:
            with contextlib.suppress(OSError, ValueError):
                assert self._process.stdin is not None
                self._process.stdin.write(json.dumps({"id": 0, "op": "bye"}) + "\n")
                self._process.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(EXIT_TIMEOUT)
        resources.end(self._process)  # also children that it left behind
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                with contextlib.suppress(OSError, ValueError):
                    pipe.close()


def restricted(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables that an adapter gets: all but those whose names show a password, a token or a key."""
    return {name: value for name, value in environment.items() if not _SECRET.search(name)}


def check_answer(op: str, number: int, line: str) -> dict[str, Any]:
    """The fields of one answer line.

    Raises:
        NotOffered: the answer has the field `lacks`.
        ProtocolError: not-json, wrong-id (another id than `number`) or refused.
    """
    try:
        answer = text.printable_values(text.parse(line))
    except json.JSONDecodeError:
        raise ProtocolError(
            "not-json", f"the answer to {op} is {_quoted(line)}, not one line of JSON; send logs to stderr"
        ) from None
    if not isinstance(answer, dict) or type(answer.get("id")) is not int or answer["id"] != number:
        raise ProtocolError(
            "wrong-id",
            f"the answer to {op} is {_quoted(line)}, but its id must be {number}; answer each request once, in order",
        )
    if not isinstance(answer.get("ok"), bool):
        raise ProtocolError(
            "missing-field",
            f"the answer to {op} has ok = {_quoted(json.dumps(answer.get('ok')))}; "
            "expected true or false, without quotes",
        )
    if answer.get("ok") is not True and "lacks" in answer:
        raise NotOffered(str(answer["lacks"]))
    if answer.get("ok") is not True:
        reason = str(answer.get("error", "it gave no reason"))
        raise ProtocolError("refused", f"the adapter refused {op}: {reason}", reason)
    return answer


def _quoted(line: str) -> str:
    shown = line.strip()
    return repr(shown if len(shown) <= _LINE_SHOWN else shown[: _LINE_SHOWN - 3] + "...")
