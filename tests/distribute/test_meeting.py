import socket
import threading
import time

import pytest

from tfvae.distribute.meeting import meet
from tfvae.errors import LostWorkerError, UserError


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


@pytest.fixture
def addresses():
    return {f"worker {i}": f"127.0.0.1:{port}" for i, port in enumerate(free_ports(3))}


def together(addresses, *, limit=20.0, late=0.0, of=None, theirs=None):
    """What each worker gets, or its error."""
    got = {}

    def run(name, wait):
        time.sleep(wait)
        try:
            seen = (theirs or {}).get(name, addresses)
            got[name] = meet(seen, name, {"name": name}, limit=limit)
        except UserError as error:
            got[name] = error

    threads = [
        threading.Thread(target=run, args=(name, late * (not i)))
        for i, name in enumerate(of or addresses)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return got


@pytest.mark.parametrize("late", [0.0, 0.7])
def test_all_hear_what_all_say(addresses, late):
    everything = [{"name": name} for name in addresses]
    assert together(addresses, late=late) == dict.fromkeys(addresses, everything)
    # The ports are free again.
    assert together(addresses) == dict.fromkeys(addresses, everything)


@pytest.mark.parametrize("whose", ["worker 0", "worker 2"])
def test_a_port_that_is_taken_is_one_line_on_all_workers(addresses, whose):
    with socket.create_server(("127.0.0.1", int(addresses[whose].partition(":")[2]))):
        start = time.monotonic()
        got = together(addresses, limit=30.0)
        assert time.monotonic() - start < 20
    assert got.keys() == addresses.keys()
    (line,) = {str(error) for error in got.values()}
    assert "\n" not in line
    assert line.startswith(f"{whose} of the cluster cannot listen at {addresses[whose]} (Address ")


@pytest.mark.parametrize("missing", ["worker 0", "worker 1"])
def test_a_worker_that_does_not_come_is_named(addresses, missing):
    there = [name for name in addresses if name != missing]
    got = together(addresses, limit=0.8, of=there)
    for name in there:
        assert isinstance(got[name], LostWorkerError)
        assert f"{missing} ({addresses[missing]})" in str(got[name])
        assert "did not come within 1 seconds" in str(got[name])


def test_what_comes_from_elsewhere_is_left_out(addresses):
    stop = threading.Event()

    def noise():
        port = int(addresses["worker 0"].partition(":")[2])
        words = [b"GET / HTTP/1.0\n", b"\xff\n", b'{"from": 3}\n', b"[" * 9999 + b"\n", b"\n"]
        while not stop.is_set():
            for word in words:
                try:
                    with socket.create_connection(("127.0.0.1", port), 0.1) as line:
                        line.sendall(word)
                except OSError:
                    pass

    thread = threading.Thread(target=noise)
    thread.start()
    got = together(addresses, late=0.3)
    stop.set()
    thread.join()
    everything = [{"name": name} for name in addresses]
    assert got == dict.fromkeys(addresses, everything)


def test_workers_of_two_clusters_are_refused(addresses):
    other = {**addresses, "worker 2": "127.0.0.1:1"}
    got = together(addresses, limit=1.0, of=["worker 0", "worker 1"], theirs={"worker 1": other})
    assert "worker 1 and worker 0 were given different clusters" in str(got["worker 0"])
    assert isinstance(got["worker 1"], UserError)


def test_a_cluster_of_one_and_an_address_that_is_none():
    (port,) = free_ports(1)
    assert meet({"worker 0": f"a:{port}"}, "worker 0", {"a": 1}, limit=1.0) == [{"a": 1}]
    for address in ("a", "a:b", "a:70000"):
        with pytest.raises(UserError, match="give host:port"):
            meet({"worker 0": address}, "worker 0", {}, limit=1.0)
