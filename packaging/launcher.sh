#!/bin/sh
# Starts the agent with the Node that came with it, from wherever this tree lies:
# <tree>/bin/s3-offload-agent (this file) and <tree>/lib/s3-offload-agent stay side by side.

# The name it was called by may be a symbolic link in another directory.
self=$(readlink -f -- "$0") || exit 1
lib=${self%/*}/../lib/s3-offload-agent

# Options that a host sets for its own Node programs may be unknown to this Node, or load modules
# that are none of the agent's business.
unset NODE_OPTIONS

# Node's default of 32 MB for young objects only costs memory here: 8 MB takes no more CPU.
exec "$lib/bin/node" --max-semi-space-size=8 "$lib/agent.mjs" "$@"
