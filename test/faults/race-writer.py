"""A producer that comes back to its files at the worst moments, for races.test.ts.

Reads the path of a plan a round, a line of its input: JSON with the directory and, for each file,
what to do and when. Answers "ready" when it watches the directory, goes to work from the next line
until the one after it, and answers with what came of it: for each file the digest of the whole
content that it closed.
"""

import ctypes
import ctypes.util
import errno
import hashlib
import heapq
import json
import mmap
import os
import select
import struct
import sys
import time

# Not buffered: what waits in a buffer, select does not see.
orders = open(0, "rb", buffering=0)
libc = ctypes.CDLL(ctypes.util.find_library("c"), use_errno=True)
IN_OPEN, IN_MOVED_FROM, IN_MOVED_TO, IN_DELETE = 0x20, 0x40, 0x80, 0x200
EVENT = struct.Struct("iIII")
# Closer than this it spins: a sleep is not that exact.
SPIN_NS = 150_000
# An opener with O_NONBLOCK tries again this often, and 100 microseconds later each time.
NONBLOCK_TRIES = 500
TOKEN = b" and more of it"


class Gone(Exception):
    """The file was removed before the writer began: nothing is written."""


def close_whole(fd):
    """Closes the file; says what its content was in that moment, and which inode it is."""
    again = os.open(f"/proc/self/fd/{fd}", os.O_RDONLY)
    stats = os.fstat(again)
    content = os.pread(again, 1 << 20, 0)
    os.close(again)
    os.close(fd)
    digest = hashlib.sha256(content).hexdigest()
    return {"sha256": digest, "inode": str(stats.st_ino), "links": stats.st_nlink}


def append(path, flags=0):
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | flags, 0o644)
    os.write(fd, TOKEN)
    return close_whole(fd)


def overwrite(race):
    fd = os.open(race.path, os.O_RDWR)
    stats = os.fstat(fd)
    os.pwrite(fd, b"OVER", 0)
    os.utime(fd, ns=(stats.st_atime_ns, stats.st_mtime_ns))
    return close_whole(fd)


def nonblock(race):
    for _ in range(NONBLOCK_TRIES):
        try:
            return append(race.path, os.O_NONBLOCK)
        except BlockingIOError:
            time.sleep(0.0001)
    raise BlockingIOError


def truncate_open(race):
    fd = os.open(race.path, os.O_WRONLY | os.O_TRUNC)
    os.write(fd, b"new " + race.name.encode())
    return close_whole(fd)


def truncate_path(race):
    os.truncate(race.path, race.bytes - 3)
    content = race.content[: race.bytes - 3]
    return {"sha256": hashlib.sha256(content).hexdigest(), "inode": race.inode, "links": 1}


def through_mapping(race):
    fd = os.open(race.path, os.O_RDWR)
    with mmap.mmap(fd, race.bytes) as mapping:
        again = os.open(f"/proc/self/fd/{fd}", os.O_RDONLY)
        os.close(fd)
        # The kernel counts a shared mapping as a writer until it is gone.
        mapping[0:4] = b"MMAP"
    return close_whole(again)


def rename_over(race):
    aside = race.path + ".new"
    fd = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    os.write(fd, b"another " + race.name.encode())
    closed = close_whole(fd)
    os.rename(aside, race.path)
    return closed


def through_link(race):
    os.link(race.path, race.path + ".link")
    return append(race.path + ".link")


def through_handle(race):
    # Whoever begins with a handle of a file that is gone already writes to nothing, as ever.
    if os.fstat(race.handle).st_nlink == 0:
        raise Gone
    return append(f"/proc/self/fd/{race.handle}")


def rename_away(race):
    os.rename(race.path, race.path + ".away")
    return append(race.path + ".away")


def recreate(race):
    os.unlink(race.path)
    fd = os.open(race.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    os.write(fd, b"again " + race.name.encode())
    return close_whole(fd)


def aside_of(race):
    if race.aside is None:
        raise Gone
    return os.path.join(race.directory, race.aside)


def take_aside_away(race):
    os.rename(aside_of(race), race.path + ".away")
    return append(race.path + ".away")


def open_slowly(race):
    """Opens now and writes later, as whoever buffers does."""
    fd = os.open(race.path, os.O_WRONLY | os.O_APPEND)

    def finish():
        os.write(fd, TOKEN)
        return close_whole(fd)

    return finish


STRIKES = {
    "slow": open_slowly,
    "append": lambda race: append(race.path),
    "overwrite": overwrite,
    "nonblock": nonblock,
    "truncate-open": truncate_open,
    "truncate-path": truncate_path,
    "log": lambda race: append(race.path, os.O_CREAT),
    "mapping": through_mapping,
    "rename-over": rename_over,
    "link": through_link,
    "handle": through_handle,
    "rename-away": rename_away,
    "recreate": recreate,
    "aside": lambda race: append(aside_of(race)),
    "aside-away": take_aside_away,
}


class Race:
    def __init__(self, directory, plan):
        self.directory = directory
        self.name = plan["name"]
        self.path = os.path.join(directory, self.name)
        self.inode = plan["inode"]
        self.content = plan["content"].encode()
        self.bytes = len(self.content)
        self.strike = STRIKES[plan["strike"]]
        # What it waits for: "start", or the "open", "aside" or "gone" of the file `of`.
        self.trigger = (plan["trigger"], plan["of"])
        self.delay_ns = plan["delayNs"]
        self.slowness_ns = plan["slownessNs"]
        self.handle = os.open(self.path, os.O_PATH) if plan["strike"] == "handle" else None
        self.aside = None
        self.phase = "before"
        self.began = None
        self.is_open = False


class Watch:
    """What inotify tells of the files, in the order in which it happened."""

    def __init__(self, directory, races):
        self.fd = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        mask = IN_OPEN | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE
        if libc.inotify_add_watch(self.fd, directory.encode(), mask) < 0:
            raise OSError(ctypes.get_errno(), "inotify_add_watch")
        self.races = races
        self.waiting = {}
        self.due = []
        self.moves = {}
        self.name_of = {}
        self.put_back = 0

    def wait_for(self, race):
        self.waiting.setdefault(race.trigger, []).append(race)

    def read(self):
        try:
            data = os.read(self.fd, 1 << 16)
        except BlockingIOError:
            return
        now = time.monotonic_ns()
        at = 0
        while at < len(data):
            _, mask, cookie, length = EVENT.unpack_from(data, at)
            at += EVENT.size
            name = data[at : at + length].rstrip(b"\0").decode()
            at += length
            self.happened(mask, cookie, name, now)

    def happened(self, mask, cookie, name, now):
        if mask & IN_OPEN:
            self.fire(("open", name), now)
        elif mask & IN_MOVED_FROM:
            self.moves[cookie] = name
        elif mask & IN_MOVED_TO:
            self.moved(self.moves.pop(cookie, ""), name, now)
        elif mask & IN_DELETE:
            name = self.name_of.pop(name, name)
            if name in self.races:
                self.races[name].phase = "after"
            self.fire(("gone", name), now)

    def moved(self, source, target, now):
        if target.startswith(".s3oa-"):
            self.name_of[target] = source
            if source in self.races:
                self.races[source].phase = "aside"
                self.races[source].aside = target
            self.fire(("aside", source), now)
        elif source.startswith(".s3oa-"):
            self.put_back += 1
            self.name_of.pop(source, None)
            if target in self.races:
                self.races[target].phase = "put-back"

    def fire(self, trigger, now):
        for race in self.waiting.pop(trigger, []):
            heapq.heappush(self.due, (now + race.delay_ns, race.name))


def run_round(plan):
    directory = plan["directory"]
    races = {one["name"]: Race(directory, one) for one in plan["races"]}
    watch = Watch(directory, races)
    for race in races.values():
        watch.wait_for(race)
    say({"ready": True})
    orders.readline()
    watch.fire(("start", ""), time.monotonic_ns())
    records = []
    while True:
        now = time.monotonic_ns()
        left = watch.due[0][0] - now if watch.due else 1_000_000_000
        if left <= 0:
            watch.read()
            race = races[heapq.heappop(watch.due)[1]]
            record = strike(race, watch)
            if record is None:
                heapq.heappush(watch.due, (now + race.slowness_ns, race.name))
            else:
                records.append(record)
            continue
        wait = max(0, left - SPIN_NS) / 1e9
        readable, _, _ = select.select([watch.fd, 0], [], [], wait)
        if watch.fd in readable:
            watch.read()
        # The next line ends the round, whatever has not been struck yet.
        if 0 in readable:
            break
    orders.readline()
    watch.read()
    # Whoever has one open still closes it now.
    records.extend([strike(race, watch) for race in races.values() if race.is_open])
    os.close(watch.fd)
    for race in races.values():
        if race.handle is not None:
            os.close(race.handle)
    say({"records": records, "putBack": watch.put_back})


def strike(race, watch):
    """Returns what came of it, or None if it goes on later."""
    record = {"name": race.name, "began": race.began or race.phase}
    try:
        result = race.strike() if race.is_open else race.strike(race)
        race.is_open = callable(result)
        if race.is_open:
            race.strike, race.began = result, record["began"]
            return None
        record.update(result)
    except Gone:
        record["error"] = "gone"
    except OSError as error:
        record["error"] = errno.errorcode.get(error.errno, str(error.errno))
    watch.read()
    record["ended"] = race.phase
    return record


def say(message):
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


for line in iter(orders.readline, b""):
    with open(line.decode().rstrip("\n"), encoding="utf-8") as file:
        run_round(json.load(file))
