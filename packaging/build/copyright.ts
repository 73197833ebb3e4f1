/**
 * Writes `debian/copyright` in the machine-readable form (DEP-5). The texts about Node and about the
 * packages in the bundle are too many to be told apart file by file: each file's stanza has all
 * that applies to it.
 * @param node the licence of Node and of all that is linked into it.
 * @param thirdParty the licences of the packages in the bundle and of koffi.
 */
export function debianCopyright({
  node,
  thirdParty,
}: {
  node: string;
  thirdParty: string;
}): string {
  return [
    "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/",
    "Upstream-Name: s3-offload-agent",
    "Comment: The paths are those of installed files.",
    "",
    "Files: *",
    "Copyright: the s3-offload-agent contributors",
    "License: Apache-2.0",
    "",
    "Files: usr/lib/s3-offload-agent/bin/node",
    "Copyright: Node.js contributors, and those named in the text of the licence",
    "License: Node.js",
    "",
    "Files: usr/lib/s3-offload-agent/*.mjs",
    "       usr/lib/s3-offload-agent/koffi.node",
    "Copyright: the s3-offload-agent contributors, and those named in the text of the licence",
    "License: Apache-2.0 and bundled",
    "Comment: The modules are the agent's own code and that of the packages it is made with.",
    "",
    "License: Apache-2.0",
    " On Debian systems, the full text of the Apache License, Version 2.0, is in",
    " /usr/share/common-licenses/Apache-2.0.",
    "",
    "License: Node.js",
    indent(node),
    "",
    "License: bundled",
    indent(thirdParty),
    "",
  ].join("\n");
}

/**
 * The whole licence, as it stands in the texts of many packages; some leave out its last line, and
 * then it goes to the line that licences.ts draws between two texts, or to the end.
 */
const APACHE_LICENCE =
  /Apache License\s+Version 2\.0, January 2004(?:(?!\n-{80}\n)[\s\S])*?(?:END OF TERMS AND CONDITIONS|(?=\n-{80}\n)|\s*$)/g;

/** A text as the continuation of a field: one space in front, and a dot for an empty line. */
function indent(text: string): string {
  return text
    .replaceAll(APACHE_LICENCE, "[The Apache License 2.0: /usr/share/common-licenses/Apache-2.0]")
    .trim()
    .split("\n")
    .map((line) => (line.trim() === "" ? " ." : ` ${line.trimEnd()}`))
    .join("\n");
}
