"""A PostgreSQL server that is started for the tests, where its programs are installed: one for all of them."""

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

PASSWORD = "s3cr3t-w0rd-of-the-shop"


def find_program(name):
    found = shutil.which(name) or next(iter(sorted(map(str, Path("/usr/lib/postgresql").glob(f"*/bin/{name}")))), None)
    return found or pytest.skip("PostgreSQL is not installed")


@pytest.fixture(scope="session")
def postgresql_server():
    """Start a server on loopback as an unprivileged user; it ends with the tests, also when they are killed."""
    pytest.importorskip("psycopg")
    initdb, postgres = find_program("initdb"), find_program("postgres")
    # PostgreSQL refuses to run as root, and the folders of pytest are root's alone
    other = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="runtree-pg-") as place:
        (Path(place) / "password").write_text(PASSWORD)
        for path in (place, f"{place}/password"):
            os.chown(path, other.get("user", -1), other.get("group", -1))
        make = [initdb, "-D", f"{place}/data", "-U", "shop", "-A", "scram-sha-256", "--pwfile", f"{place}/password"]
        subprocess.run([*make, "-E", "UTF8", "--no-sync"], check=True, capture_output=True, cwd=place, **other)
        settings = ["listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off", "max_connections=10"]
        started = subprocess.Popen(
            [postgres, "-D", f"{place}/data", "-p", str(port), *(word for item in settings for word in ("-c", item))],
            stderr=subprocess.DEVNULL,
            cwd=place,
            preexec_fn=lambda: ctypes.CDLL(None).prctl(1, signal.SIGQUIT),  # sent when this process ends
            **other,
        )
        try:
            yield fill(port)
        finally:
            started.send_signal(signal.SIGINT)
            started.wait(20)


def fill(port):
    import psycopg

    for attempt in range(100):
        try:
            connection = psycopg.connect(f"host=127.0.0.1 port={port} user=shop dbname=postgres password={PASSWORD}")
            break
        except psycopg.OperationalError:
            assert attempt < 99
            time.sleep(0.1)
    with connection:
        connection.execute("create sequence counter")
        connection.execute(
            "create table orders (id int primary key, n bigint, price numeric(8,2), paid boolean, day date, "
            "at timestamptz, churned text)"
        )
        connection.execute(
            "insert into orders select n, nullif(n, 2), n / 4.0, case when n <> 5 then n % 3 = 0 end, date '2024-01-01' + n, "
            "timestamptz '2024-01-01 12:00+00' + n * interval '12 hours', case n % 2 when 0 then 'no' else 'yes' end "
            "from generate_series(60, 1, -1) as n"
        )
    return f"postgresql+psycopg://shop:{{}}@127.0.0.1:{port}/postgres"
