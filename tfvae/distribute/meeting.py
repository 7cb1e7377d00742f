"""The workers of a cluster meet before TensorFlow starts, which would wait for ever or crash."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Mapping, Sequence

from tfvae.errors import LostWorkerError, UserError, one_line

__all__ = ["meet"]

PATIENCE = 2.0  # seconds for one message
MOST = 1 << 20  # bytes of one
PAUSE = 0.1


def meet(
    addresses: Mapping[str, str], own: str, facts: Mapping[str, object], *, limit: float
) -> list[dict]:
    """Waits until all workers are there, and exchanges what they say.

    Each listens at its own address, which has to be free, as TensorFlow will. The first worker
    collects what the others send, and sends all of it to each.

    Args:
        addresses: `host:port` of each task by its name, such as `"worker 0"`, in one order on all.
        own: The name of this one.
        facts: What this one says, as JSON takes it.
        limit: Seconds to wait for the others.

    Returns:
        What each has said, in the order of the addresses.

    Raises:
        UserError: If an address is taken, or the workers have several ideas of the cluster.
        LostWorkerError: If one does not come in time.
    """
    names, deadline = list(addresses), time.monotonic() + limit
    if len(names) == 1:
        with _listening(addresses[own]):
            return [dict(facts)]
    meeting = _Meeting(addresses, own, deadline)
    try:
        with _listening(addresses[own]) as listener:
            run = meeting.collect if own == names[0] else meeting.attend
            return run(listener, dict(facts), limit)
    except OSError as error:
        refusal = UserError(
            f"{own} of the cluster cannot listen at {addresses[own]} "
            f"({error.strerror or one_line(error)}): end the process that does, or give another "
            "port to all workers"
        )
        meeting.tell_all(str(refusal))
        raise refusal from error


class _Meeting:
    """One worker's part.

    Args:
        addresses: As for `meet`.
        own: As for `meet`.
        deadline: When it gives up.
    """

    def __init__(self, addresses: Mapping[str, str], own: str, deadline: float):
        self.addresses, self.own, self.deadline = addresses, own, deadline
        self.first = next(iter(addresses))
        self.others = [name for name in addresses if name != own]

    def collect(self, listener: socket.socket, facts: dict, limit: float) -> list[dict]:
        """The first worker's part."""
        said = {self.own: facts}
        while len(said) < len(self.addresses):
            message = self._hear(listener)
            if message is None:
                if time.monotonic() > self.deadline:
                    missing = [name for name in self.addresses if name not in said]
                    raise self._lost(missing, limit, [n for n in said if n != self.own])
            elif "error" in message:
                self.tell_all(message["error"], [n for n in self.others if n != message["from"]])
                raise UserError(message["error"])
            else:
                said[message["from"]] = message["facts"]
        everything = [said[name] for name in self.addresses]
        for name in self.others:
            # If one is gone by now, TensorFlow reports it.
            self._send(name, {"all": everything}, until=time.monotonic() + 5 * PATIENCE)
        return everything

    def attend(self, listener: socket.socket, facts: dict, limit: float) -> list[dict]:
        """The part of all others."""
        told = False
        while time.monotonic() < self.deadline:
            if not told:
                told = self._send(self.first, {"facts": facts})
            message = self._hear(listener)
            if message is not None and "error" in message:
                raise _error(message)
            if message is not None and "all" in message:
                return message["all"]
        raise self._lost(self.others if told else [self.first], limit, [])

    def tell_all(self, error: str, names: Sequence[str] | None = None, lost: bool = False) -> None:
        """Tells the others of a mistake, those that are there within some seconds."""
        left = list(self.others if names is None else names)
        until = min(time.monotonic() + 5 * PATIENCE, self.deadline + PATIENCE)
        while left:
            left = [name for name in left if not self._send(name, {"error": error, "lost": lost})]
            if time.monotonic() > until:
                break
            time.sleep(PAUSE)

    def _lost(self, missing: Sequence[str], limit: float, there: Sequence[str]) -> LostWorkerError:
        where = " and ".join(f"{name} ({self.addresses[name]})" for name in missing)
        error = (
            f"{where} of the cluster did not come within {limit:.0f} seconds: start all workers, "
            "and see that each reaches the others' addresses"
        )
        self.tell_all(error, there, lost=True)
        return LostWorkerError(error)

    def _send(self, name: str, message: dict, until: float = 0.0) -> bool:
        """Whether a message was taken."""
        text = json.dumps({"cluster": self.addresses, "from": self.own, **message}) + "\n"
        host, _, port = self.addresses[name].rpartition(":")
        while True:
            try:
                with socket.create_connection((host.strip("[]"), int(port)), PATIENCE) as line:
                    line.sendall(text.encode())
                    if line.recv(16) == b"taken\n":
                        return True
            except (OSError, ValueError):
                pass
            if time.monotonic() > until:
                return False
            time.sleep(PAUSE)

    def _hear(self, listener: socket.socket) -> dict | None:
        """A message of another worker, if there is one."""
        try:
            line, _ = listener.accept()
        except TimeoutError:
            return None
        with line:
            line.settimeout(PATIENCE)
            with contextlib.suppress(OSError, ValueError, RecursionError):
                message = json.loads(_line_of(line))
                if not isinstance(message, dict) or message.get("from") not in self.others:
                    return None  # from a program that is no worker of ours
                if message.get("cluster") != dict(self.addresses):
                    message = {
                        "from": message["from"],
                        "error": f"{message['from']} and {self.own} were given different clusters: "
                        "give all workers the same addresses in the same order",
                    }
                line.sendall(b"taken\n")
                return message
        return None


def _error(message: dict) -> UserError:
    kind = LostWorkerError if message.get("lost") else UserError
    return kind(str(message["error"]))


def _line_of(line: socket.socket) -> bytes:
    content = b""
    while not content.endswith(b"\n") and len(content) < MOST:
        new = line.recv(1 << 16)
        if not new:
            break
        content += new
    return content


def _listening(address: str) -> socket.socket:
    """A socket that listens at an address's port, on all network interfaces of the machine."""
    port = address.rpartition(":")[2]
    if not port.isdigit() or not 0 < int(port) < 1 << 16:
        raise UserError(f"the cluster has the address {address!r}: give host:port")
    if socket.has_dualstack_ipv6():
        with contextlib.suppress(OSError):
            return _ready(
                socket.create_server(
                    ("", int(port)), family=socket.AF_INET6, dualstack_ipv6=True, backlog=128
                )
            )
    return _ready(socket.create_server(("", int(port)), backlog=128))


def _ready(listener: socket.socket) -> socket.socket:
    listener.settimeout(PAUSE)
    return listener
