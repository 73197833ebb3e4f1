"""The service manager's end of NOTIFY_SOCKET: prints each datagram as a line of JSON.

The argument is the address to listen at: a path, or `@` and an abstract name. Lines that come on
standard input are orders: `pause` reads nothing from then on, so that the queue runs full, and
`resume` reads on; `watch SECONDS` says `expired` once when no WATCHDOG=1 has come for so long, as
systemd kills a service then.
"""

import json
import os
import select
import socket
import sys
import time

address = os.fsencode(sys.argv[1])
server = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
server.bind(b"\0" + address[1:] if address.startswith(b"@") else address)
server.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)


def tell(value):
    print(json.dumps(value), flush=True)


tell({"bound": sys.argv[1]})
is_paused = False
patience = None
fed_at = time.monotonic()
while True:
    sources = [sys.stdin] if is_paused else [sys.stdin, server]
    left = None if patience is None else max(0, fed_at + patience - time.monotonic())
    ready, _, _ = select.select(sources, [], [], left)
    if server in ready:
        data, ancillary, _, _ = server.recvmsg(65536, socket.CMSG_SPACE(12))
        pid = int.from_bytes(ancillary[0][2][:4], sys.byteorder)
        if b"WATCHDOG=1" in data.split(b"\n"):
            fed_at = time.monotonic()
        tell({"pid": pid, "text": data.decode()})
    if sys.stdin in ready:
        order = sys.stdin.readline().strip()
        if order == "":
            break
        if order.startswith("watch "):
            patience = float(order.split()[1])
            fed_at = time.monotonic()
        else:
            is_paused = order == "pause"
        tell({"order": order})
    if not ready and patience is not None:
        patience = None
        tell({"order": "expired"})
