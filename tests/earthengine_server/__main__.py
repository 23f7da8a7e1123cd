"""``python -m tests.earthengine_server``: the server for the browser, the command line and other processes.

Prints one JSON line when it is ready, says on stderr which variables to set, and serves until it is stopped.
"""

import argparse
import json
import signal
import sys
import tempfile
import threading
from pathlib import Path

from .faults import Faults
from .server import EarthEngineServer

WELCOME = """
A local Earth Engine test server is running. It needs no account and no network, and its imagery is the
simulated planet's, not the Earth's. In another terminal, set these variables (or write them into a file .env
without the word "export"), then start ./run app or ./run nightlights and choose Earth Engine as the source:

{exports}

Files exported to Drive appear in {drive}. Stop the server with Ctrl-C.
"""


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(prog="./run earthengine-server", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="port of Earth Engine; a free one unless given")
    parser.add_argument("--storage-port", type=int, default=0, help="port of Cloud Storage; a free one")
    parser.add_argument("--seed", type=int, default=1, help="seed of the simulated planet")
    parser.add_argument("--bucket", default="local-test-bucket", help="name of the bucket")
    parser.add_argument("--state", type=Path, help="folder for the bucket, the requests and the Drive")
    parser.add_argument(
        "--faults",
        default="",
        help="what goes wrong on purpose, for example too_many=0.15,unavailable=0.15,cut=0.05",
    )
    options = parser.parse_args(arguments)
    try:
        faults = Faults.parse(options.faults)
    except ValueError as error:
        parser.error(str(error))
    stopped = threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: stopped.set())
    with tempfile.TemporaryDirectory(prefix="earthengine-server-") as temporary:
        state = options.state or Path(temporary)
        try:
            server = EarthEngineServer(
                seed=options.seed,
                faults=faults,
                port=options.port,
                storage_port=options.storage_port,
                bucket=options.bucket,
                state=state,
            )
        except OSError as error:
            print(f"The server cannot start: {error}. Choose another port or folder.", file=sys.stderr)
            return 2
        with server:
            exports = "\n".join(f"    export {key}={value}" for key, value in server.environment.items())
            print(WELCOME.format(exports=exports, drive=state / "drive"), file=sys.stderr, flush=True)
            ready = {
                "earthengine_url": server.url,
                "storage_url": server.storage_url,
                "bucket": server.bucket,
                "environment": server.environment,
                "state": str(state),
            }
            print(json.dumps(ready), flush=True)
            stopped.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
