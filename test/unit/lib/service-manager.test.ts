import { mkdtempDisposable } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { openDatagramSender } from "../../../src/lib/kernel.ts";
import {
  findServiceManager,
  STATUS_LENGTH_MAX,
  withoutServiceManager,
} from "../../../src/lib/service-manager.ts";
import { receiveNotices } from "../../support/notify-receiver.ts";

/** A manager whose queue can be full; `sent` is what it has read. */
function listener() {
  const sent: string[] = [];
  const state = { isFull: false };
  const open = () => ({
    send(text: string) {
      if (state.isFull) throw Object.assign(new Error("EAGAIN"), { code: "EAGAIN" });
      sent.push(text);
    },
    [Symbol.dispose]() {},
  });
  return { sent, state, options: { open, pid: 7, monotonicUs: () => 1_234n } };
}

const HERE = { NOTIFY_SOCKET: "/run/systemd/notify" };

describe("the service manager", () => {
  it("hears each thing in the words of sd_notify(3)", () => {
    const { sent, options } = listener();
    const manager = findServiceManager(HERE, options);
    manager.ready();
    manager.status("next sweep in 4 min");
    manager.watchdog();
    manager.reloading();
    manager.extendTimeout(20_000);
    manager.stopping();
    expect(sent).to.deep.equal([
      "READY=1",
      "STATUS=next sweep in 4 min",
      "WATCHDOG=1",
      "RELOADING=1\nMONOTONIC_USEC=1234",
      "EXTEND_TIMEOUT_USEC=20000000",
      "STOPPING=1",
    ]);
  });

  it("is nobody without NOTIFY_SOCKET, and telling nobody does nothing", () => {
    for (const env of [{}, { NOTIFY_SOCKET: "" }, { WATCHDOG_USEC: "30000000" }]) {
      const { sent, options } = listener();
      const manager = findServiceManager(env, options);
      manager.ready();
      manager.status("a");
      manager.watchdog();
      manager.stopping();
      expect([manager.isThere, manager.watchdogMs, sent]).to.deep.equal([false, undefined, []]);
    }
  });

  it("wants to hear as often as WATCHDOG_USEC says, if it is this process that it watches", () => {
    for (const [watchdog, expected] of [
      [{ WATCHDOG_USEC: "30000000" }, 30_000],
      [{ WATCHDOG_USEC: "30000000", WATCHDOG_PID: "7" }, 30_000],
      [{ WATCHDOG_USEC: "30000000", WATCHDOG_PID: "" }, 30_000],
      [{ WATCHDOG_USEC: "30000000", WATCHDOG_PID: "8" }, undefined],
      [{ WATCHDOG_PID: "7" }, undefined],
      [{ WATCHDOG_USEC: "0" }, undefined],
      [{ WATCHDOG_USEC: "" }, undefined],
      [{ WATCHDOG_USEC: "-1" }, undefined],
      [{ WATCHDOG_USEC: "half a minute" }, undefined],
    ] as const) {
      const { options } = listener();
      const { watchdogMs } = findServiceManager({ ...HERE, ...watchdog }, options);
      expect(watchdogMs, JSON.stringify(watchdog)).to.equal(expected);
    }
  });

  it("gets every state and the last status in order, when its queue was full", () => {
    const { sent, state, options } = listener();
    const manager = findServiceManager(HERE, options);
    state.isFull = true;
    manager.ready();
    manager.status("first");
    manager.reloading();
    manager.watchdog();
    manager.status("second");
    manager.ready();
    expect(sent).to.deep.equal([]);
    state.isFull = false;
    manager.watchdog();
    expect(sent).to.deep.equal([
      "READY=1",
      "RELOADING=1\nMONOTONIC_USEC=1234",
      "READY=1",
      "STATUS=second",
      "WATCHDOG=1",
    ]);
  });

  it("shows a status as one line that a terminal bears, and not too long a one", () => {
    const { sent, options } = listener();
    const manager = findServiceManager(HERE, options);
    manager.status(" two\nlines\tand \u001b[31mred\u0007 READY=1\r\n");
    manager.status("é".repeat(1_000));
    manager.status("\ud800");
    const [line, long, lone] = sent;
    expect(line).to.equal("STATUS=two lines and [31mred READY=1");
    expect(long).to.equal(`STATUS=${"é".repeat(STATUS_LENGTH_MAX - 1)}…`);
    expect(lone).to.equal("STATUS=\ufffd");
  });

  it("is nobody's of the children", () => {
    const env = { ...HERE, WATCHDOG_USEC: "1", WATCHDOG_PID: "7", PATH: "/bin" };
    expect(withoutServiceManager(env)).to.deep.equal({ PATH: "/bin" });
    expect(env).to.have.property("NOTIFY_SOCKET");
  });

  it("is no reason to fail, whatever its address", () => {
    for (const address of [
      "relative",
      "@",
      "vsock:2:1234",
      `/${"x".repeat(200)}`,
      "/nobody/here",
    ]) {
      const manager = findServiceManager({ NOTIFY_SOCKET: address });
      manager.ready();
      manager.status("a");
      manager[Symbol.dispose]();
    }
  });
});

describe("a datagram to the service manager", () => {
  for (const kind of ["a path", "an abstract name"]) {
    it(`arrives whole at ${kind}, from this process`, async () => {
      await using folder = await mkdtempDisposable(join(tmpdir(), "notify-"));
      const address = kind === "a path" ? join(folder.path, "socket") : `@${folder.path}`;
      await using receiver = await receiveNotices(address);
      using manager = findServiceManager({ NOTIFY_SOCKET: address });
      manager.ready();
      manager.status("ü");
      expect(await receiver.next((text) => text !== "READY=1")).to.deep.equal({
        pid: process.pid,
        text: "STATUS=ü",
      });
      expect(receiver.texts).to.deep.equal(["READY=1", "STATUS=ü"]);
    });
  }

  it("does not wait for a manager that reads nothing, and a state gets through later", async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), "notify-"));
    await using receiver = await receiveNotices(join(folder.path, "socket"));
    using manager = findServiceManager({ NOTIFY_SOCKET: receiver.address });
    using raw = openDatagramSender(receiver.address);
    await receiver.order("pause");
    expect(() => {
      for (;;) raw.send("x");
    }).to.throw("EAGAIN");
    manager.ready();
    await receiver.order("resume");
    await receiver.next((text) => text === "x");
    while (!receiver.texts.includes("READY=1")) {
      manager.watchdog();
      await receiver.next((text) => text === "WATCHDOG=1" || text === "READY=1");
    }
    expect(receiver.texts.filter((text) => text === "READY=1")).to.have.length(1);
  });

  it("takes the longest address there is, and refuses one byte more", async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), "notify-"));
    const longest = `${folder.path}/${"x".repeat(107 - folder.path.length - 1)}`;
    await using receiver = await receiveNotices(longest);
    using sender = openDatagramSender(longest);
    sender.send("here");
    expect((await receiver.next(() => true)).text).to.equal("here");
    expect(() => openDatagramSender(`${longest}x`)).to.throw("EINVAL");
    const abstract = `@${folder.path}`.padEnd(108, "x");
    await using other = await receiveNotices(abstract);
    using abstractSender = openDatagramSender(abstract);
    abstractSender.send("there");
    expect((await other.next(() => true)).text).to.equal("there");
    expect(() => openDatagramSender(`${abstract}x`)).to.throw("EINVAL");
  });
});
