import { expect } from "chai";
import {
  bootstrapAgeVerdict,
  dropInVerdict,
  rootVerdict,
} from "../../../../src/cli/checks/write-access-checks.ts";
import type { MountAccess } from "../../../../src/host/mounts.ts";
import { gone, running } from "../../../support/daemon-report.ts";

describe("the unit's write access", () => {
  it("is what the unit's process can write of what the host has", () => {
    const rows: readonly [MountAccess, boolean, string, RegExp][] = [
      ["writable", true, "ok", /can write/],
      ["unknown", true, "ok", /./],
      ["sealed", true, "problem", /allow --sync, then systemctl restart/],
      ["sealed", false, "problem", /"systemctl restart/],
      ["removed", true, "problem", /"systemctl restart/],
      ["writable", false, "problem", /"systemctl restart/],
      ["read-only", true, "problem", /Mount it writable/],
      ["read-only", false, "problem", /Mount it writable/],
    ];
    for (const [access, isSame, kind, says] of rows) {
      const verdict = rootVerdict({ access, isSame });
      expect(verdict.verdict, `${access} ${isSame}`).to.equal(kind);
      expect(JSON.stringify(verdict)).to.match(says);
    }
  });

  it("is out of date when the drop-in says something else than the bootstrap file", () => {
    const wanted = { text: "[Service]\n", leftOut: [] };
    expect(dropInVerdict("[Service]\n", wanted).verdict).to.equal("ok");
    expect(dropInVerdict(undefined, wanted).verdict).to.equal("ok");
    const old = dropInVerdict("[Service]\nx\n", wanted);
    expect(old.verdict).to.equal("warning");
    expect(JSON.stringify(old)).to.match(/allow --sync/);
    const leftOut = [{ reason: "The directory / cannot be one.", wayOut: "Name another one." }];
    expect(dropInVerdict("[Service]\n", { ...wanted, leftOut }).verdict).to.equal("problem");
  });

  it("is that of the daemon's start, and so is the bootstrap file", () => {
    const startedAt = running().view?.startedAt ?? Number.NaN;
    expect(startedAt).to.be.above(0);
    expect(bootstrapAgeVerdict(running(), startedAt).verdict).to.equal("ok");
    expect(bootstrapAgeVerdict(running(), startedAt + 1).verdict).to.equal("warning");
    expect(bootstrapAgeVerdict(running(), undefined).verdict).to.equal("ok");
    expect(bootstrapAgeVerdict(gone(), startedAt + 1).verdict).to.equal("ok");
  });
});
