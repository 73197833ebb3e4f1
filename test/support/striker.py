"""The hostile writer of the fault tests, as a process of its own.

Orders are lines of JSON, from standard input (the test) and from a FIFO (the fault hook, which
holds the agent up meanwhile and waits for "done ID" on another FIFO):

    {"id": "...", "kind": "append", "path": "...", "via": "path" | "descriptor", "to": "..."}

Every order is answered with one line on standard output: what was closed under which path and what
was taken away by it (contents in base64), or why it came to nothing. A blow through a descriptor
goes to the file that was at the path when `watch` was ordered, wherever it is now.
"""

import base64
import json
import mmap
import os
import selectors
import sys

BYTES = b"struck\n"

watched = {}  # path -> descriptor (O_PATH: the kernel does not count it as opened)
opened = {}  # path -> descriptor open for writing


class Report:
    def __init__(self):
        self.closed = []
        self.abandoned = []

    def close(self, path, content):
        self.closed.append({"path": path, "content": base64.b64encode(content).decode()})

    def abandon(self, path, content):
        self.abandoned.append({"path": path, "content": base64.b64encode(content).decode()})


def read_all(fd):
    chunks = []
    offset = 0
    while chunk := os.pread(fd, 1 << 20, offset):
        chunks.append(chunk)
        offset += len(chunk)
    return b"".join(chunks)


def content_of(path):
    fd = os.open(path, os.O_RDONLY)
    try:
        return read_all(fd)
    finally:
        os.close(fd)


def write_all(fd, content, offset):
    while content:
        written = os.pwrite(fd, content, offset)
        content, offset = content[written:], offset + written


def other(content):
    """Other bytes of the same length, also than those of an earlier blow."""
    return bytes((byte + 1) % 256 for byte in content)


def change(report, order, target, edit):
    """Opens for writing, edits and closes: the old content is gone, the new one is closed.

    The old content is reported only if the write happened: open(2) waits here for a lease.
    """
    path = order["path"]
    fd = os.open(target, os.O_RDWR)
    try:
        before = read_all(fd)
        edit(fd, before)
        after = read_all(fd)
    finally:
        os.close(fd)
    report.abandon(path, before)
    report.close(path, after)


def append(fd, before):
    write_all(fd, BYTES, len(before))


def truncate(fd, before):
    os.ftruncate(fd, len(before) // 2)


def rewrite(fd, before):
    write_all(fd, other(before), 0)


def rewrite_mapped(fd, before):
    with mmap.mmap(fd, len(before)) as memory:
        memory[:] = other(before)
        memory.flush()


def restoring_times(target, strike):
    stat = os.stat(target)
    strike()
    os.utime(target, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def make(path, content, flags=0):
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | flags, 0o644)
    try:
        write_all(fd, content, 0)
    finally:
        os.close(fd)


def delete(report, order, name):
    content = content_of(name)
    os.unlink(name)
    report.abandon(order["path"], content)
    return content


def replace_by_rename(report, order, name):
    """Another file of the same size and mtime takes the name; if nobody has it, it just gets it."""
    path = order["path"]
    # While the file is aside, its name is free: what is watched tells what it looks like.
    sample = name if os.path.lexists(name) else f"/proc/self/fd/{watched[path]}"
    old = content_of(sample)
    was_there = os.path.lexists(path)
    before = content_of(path) if was_there else None
    stat = os.stat(sample)
    temporary = os.path.join(os.path.dirname(path), ".striker.tmp")
    make(temporary, other(old))
    os.utime(temporary, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    os.rename(temporary, path)
    if was_there:
        report.abandon(path, before)
    report.close(path, other(old))


def swap_for_symlink(order, name, is_directory):
    """What stands at `to` is a stranger's; its content has been closed by no producer."""
    stranger = order["to"] + ".stranger"
    if is_directory:
        directory = os.path.dirname(order["path"])
        os.mkdir(stranger)
        make(os.path.join(stranger, os.path.basename(order["path"])), b"a stranger's\n")
        os.rename(directory, order["to"])
        os.symlink(stranger, directory)
        return
    size = os.stat(name).st_size
    make(stranger, b"?" * size)
    os.rename(name, order["to"])
    os.symlink(stranger, order["path"])


def strike(order):
    report = Report()
    kind, path = order["kind"], order["path"]
    via_descriptor = order.get("via") == "descriptor"
    if via_descriptor and path not in watched:
        raise ValueError("not watched")
    # What has no name any more cannot be opened by anybody who did not have it open.
    if via_descriptor and os.fstat(watched[path]).st_nlink == 0:
        raise FileNotFoundError("No such file: it has been removed")
    # How to open the file, and the name it has now.
    target = f"/proc/self/fd/{watched[path]}" if via_descriptor else path
    name = os.readlink(target) if via_descriptor else path

    if kind == "watch":
        watched[path] = os.open(path, os.O_PATH | os.O_NOFOLLOW)
    elif kind == "append":
        change(report, order, target, append)
    elif kind == "append-restore-mtime":
        restoring_times(target, lambda: change(report, order, target, append))
    elif kind == "rewrite-in-place":
        restoring_times(target, lambda: change(report, order, target, rewrite))
    elif kind == "mmap-write":
        change(report, order, target, rewrite_mapped)
    elif kind == "truncate":
        change(report, order, target, truncate)
    elif kind == "open":
        opened[path] = os.open(target, os.O_RDWR)
    elif kind == "write-and-close":
        fd = opened.pop(path)
        before = read_all(fd)
        append(fd, before)
        after = read_all(fd)
        os.close(fd)
        report.abandon(path, before)
        report.close(path, after)
    elif kind == "hardlink":
        os.link(name, order["to"])
        change(report, order, order["to"], append)
    elif kind == "delete":
        delete(report, order, name)
    elif kind == "delete-recreate":
        content = delete(report, order, name)
        make(path, other(content))
        report.close(path, other(content))
    elif kind == "take-name":
        make(path, order.get("content", "another file\n").encode())
        report.close(path, content_of(path))
    elif kind == "replace-by-rename":
        replace_by_rename(report, order, name)
    elif kind == "swap-for-symlink":
        swap_for_symlink(order, name, False)
    elif kind == "swap-directory-for-symlink":
        swap_for_symlink(order, name, True)
    elif kind == "chmod-000":
        os.chmod(target, 0)
    elif kind == "touch-old":
        os.utime(target, (0, 0))
    elif kind == "rename-away":
        os.rename(name, order["to"])
    else:
        raise ValueError(f"unknown kind {kind}")
    return report


def obey(line, answer):
    order = json.loads(line)
    result = {"id": order["id"], "kind": order["kind"], "path": order["path"]}
    try:
        report = strike(order)
        result |= {"closed": report.closed, "abandoned": report.abandoned}
    except (FileNotFoundError, FileExistsError, NotADirectoryError) as error:
        result |= {"missed": str(error), "closed": [], "abandoned": []}
    except Exception as error:  # a bug of the test: told there
        result |= {"failed": repr(error), "closed": [], "abandoned": []}
    print(json.dumps(result), flush=True)
    answer(order["id"])


def main(orders, answers):
    # Open for both directions: neither end ever sees the other one gone.
    fifo = os.open(orders, os.O_RDWR | os.O_NONBLOCK)
    answering = os.open(answers, os.O_RDWR)
    selector = selectors.DefaultSelector()
    selector.register(0, selectors.EVENT_READ, lambda _: None)
    selector.register(
        fifo, selectors.EVENT_READ, lambda order: os.write(answering, f"done {order}\n".encode())
    )
    print(json.dumps({"id": "ready"}), flush=True)
    rests = {0: b"", fifo: b""}
    while True:
        for key, _ in selector.select():
            data = os.read(key.fd, 1 << 16)
            if not data:
                return
            *lines, rests[key.fd] = (rests[key.fd] + data).split(b"\n")
            for line in lines:
                obey(line, key.data)


main(*sys.argv[1:])
