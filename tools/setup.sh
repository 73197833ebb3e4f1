#!/bin/sh
# Brings a fresh checkout to the point where every npm script works, and does nothing
# (in some 20 ms) when it already is there. Called by the scripts of package.json.
#
#   sh tools/setup.sh         npm packages, and the Python environment of the local AWS (moto)
#   sh tools/setup.sh node    npm packages only
#   sh tools/setup.sh faults  all of the first, and the servers of test/faults, built by Go
#
# Whatever it says goes to standard error: scripts print their own results to standard output.
set -eu
cd "$(dirname "$0")/.."
exec 1>&2

fail() {
  echo "setup: $1"
  exit 1
}

# A stamp holds the text of what was installed; the same text means nothing to do.
is_installed() { # stamp lock-file
  [ -f "$1" ] && cmp -s "$1" "$2"
}

if ! is_installed node_modules/.setup-stamp package-lock.json; then
  command -v npm >/dev/null || fail "npm is missing: install Node.js 20 or newer with npm"
  # npm runs under the machine's own Node; the Node of the lock file is what it installs.
  major=$(node -p 'process.versions.node.split(".")[0]')
  [ "$major" -ge 20 ] || fail "Node.js $major is too old to run npm here: install 20 or newer"
  echo "setup: installing the npm packages of package-lock.json"
  npm ci --loglevel=error
  [ -x node_modules/.bin/node ] || fail "the lock file has no Node runtime for this machine ($(uname -sm)): Linux on x64 or arm64 is needed"
  cp package-lock.json node_modules/.setup-stamp
fi

if [ "${1:-}" != node ] && ! is_installed .venv/.setup-stamp tools/requirements.txt; then
  command -v python3 >/dev/null || fail "python3 is missing: install Python 3.10 or newer with its venv module"
  python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' || fail "$(python3 --version) is too old: install 3.10 or newer"
  echo "setup: installing the local AWS (moto) into .venv"
  rm -rf .venv
  python3 -m venv .venv || fail "python3 cannot make a virtual environment: install its venv module (Debian: python3-venv)"
  .venv/bin/pip install --quiet --disable-pip-version-check --requirement tools/requirements.txt
  cp tools/requirements.txt .venv/.setup-stamp
fi

if [ "${1:-}" = faults ] && ! is_installed build/tools/.setup-stamp tools/go-tools.txt; then
  command -v go >/dev/null || fail "go is missing: the fault tests build two servers with it; install Go 1.25 or newer"
  mkdir -p build/tools
  rm -f build/tools/.setup-stamp
  while read -r name package; do
    case $name in '' | '#'*) continue ;; esac
    echo "setup: building $package into build/tools"
    # Go fails on a bundle of certificates that was made for the AWS tools only.
    env -u AWS_CA_BUNDLE GOBIN="$PWD/build/tools" go install "$package" ||
      fail "go could not install $package: Go 1.25 or newer and a way to fetch modules are needed"
    # Go names a program after its last folder, and a program called "server" says nothing.
    program=$(basename "${package%@*}")
    [ "$program" = "$name" ] || mv "build/tools/$program" "build/tools/$name"
  done <tools/go-tools.txt
  cp tools/go-tools.txt build/tools/.setup-stamp
fi
