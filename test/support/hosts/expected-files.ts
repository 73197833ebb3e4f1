const LIB = "/usr/lib/s3-offload-agent";
const SHARE = "/usr/share";

/** What both formats hold: path to mode. The parts of the bundle are one entry, `*.mjs`. */
const IN_BOTH: Readonly<Record<string, string>> = {
  "/etc/s3-offload-agent": "drwxr-xr-x",
  "/etc/s3-offload-agent/agent.yaml": "-rw-r--r--",
  "/usr/bin/s3-offload-agent": "-rwxr-xr-x",
  [LIB]: "drwxr-xr-x",
  [`${LIB}/*.mjs`]: "-rw-r--r--",
  [`${LIB}/bin`]: "drwxr-xr-x",
  [`${LIB}/bin/node`]: "-rwxr-xr-x",
  [`${LIB}/koffi.node`]: "-rw-r--r--",
  [`${LIB}/restart-pause`]: "-rwxr-xr-x",
  "/usr/lib/systemd/system/s3-offload-agent.service": "-rw-r--r--",
  "/usr/lib/sysusers.d/s3-offload-agent.conf": "-rw-r--r--",
  "/usr/lib/tmpfiles.d/s3-offload-agent.conf": "-rw-r--r--",
  [`${SHARE}/bash-completion/completions/s3-offload-agent`]: "-rw-r--r--",
  [`${SHARE}/doc/s3-offload-agent`]: "drwxr-xr-x",
  [`${SHARE}/doc/s3-offload-agent/sbom.cdx.json`]: "-rw-r--r--",
  [`${SHARE}/fish/vendor_completions.d/s3-offload-agent.fish`]: "-rw-r--r--",
  [`${SHARE}/man/man1/s3-offload-agent-fleet.1.gz`]: "-rw-r--r--",
  [`${SHARE}/man/man1/s3-offload-agent.1.gz`]: "-rw-r--r--",
  [`${SHARE}/man/man5/s3-offload-agent.yaml.5.gz`]: "-rw-r--r--",
  [`${SHARE}/man/man7/s3-offload-agent-parameters.7.gz`]: "-rw-r--r--",
};

/** What a deb holds, but for the folders of every Debian system above that. */
export const IN_DEB: Readonly<Record<string, string>> = {
  ...IN_BOTH,
  [`${SHARE}/doc/s3-offload-agent/changelog.Debian.gz`]: "-rw-r--r--",
  [`${SHARE}/doc/s3-offload-agent/copyright`]: "-rw-r--r--",
  [`${SHARE}/lintian/overrides/s3-offload-agent`]: "-rw-r--r--",
  [`${SHARE}/zsh/vendor-completions/_s3-offload-agent`]: "-rw-r--r--",
};

/** What an rpm holds. */
export const IN_RPM: Readonly<Record<string, string>> = {
  ...IN_BOTH,
  "/usr/lib/systemd/system-preset/90-s3-offload-agent.preset": "-rw-r--r--",
  [`${SHARE}/bash-completion`]: "drwxr-xr-x",
  [`${SHARE}/bash-completion/completions`]: "drwxr-xr-x",
  [`${SHARE}/fish`]: "drwxr-xr-x",
  [`${SHARE}/fish/vendor_completions.d`]: "drwxr-xr-x",
  [`${SHARE}/licenses/s3-offload-agent`]: "drwxr-xr-x",
  [`${SHARE}/licenses/s3-offload-agent/LICENSE`]: "-rw-r--r--",
  [`${SHARE}/licenses/s3-offload-agent/LICENSE.node`]: "-rw-r--r--",
  [`${SHARE}/licenses/s3-offload-agent/LICENSE.third-party`]: "-rw-r--r--",
  [`${SHARE}/zsh`]: "drwxr-xr-x",
  [`${SHARE}/zsh/site-functions`]: "drwxr-xr-x",
  [`${SHARE}/zsh/site-functions/_s3-offload-agent`]: "-rw-r--r--",
};
