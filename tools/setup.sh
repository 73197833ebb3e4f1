#!/bin/sh
# Brings a fresh checkout to the point where every npm script works, and does nothing
# (in some 20 ms) when it already is there. Called by the scripts of package.json.
#
#   sh tools/setup.sh         npm packages, and the Python environment of the local AWS (moto)
#   sh tools/setup.sh node    npm packages only
#   sh tools/setup.sh faults  all of the first, and the servers of test/faults, built by Go
#   sh tools/setup.sh packages  npm packages, and what makes packages and repositories of them
#   sh tools/setup.sh hosts   all of these but faults, and what boots whole hosts (as root)
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

if [ "${1:-}" != node ] && [ "${1:-}" != packages ] && ! is_installed .venv/.setup-stamp tools/requirements.txt; then
  command -v python3 >/dev/null || fail "python3 is missing: install Python 3.10 or newer with its venv module"
  python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' || fail "$(python3 --version) is too old: install 3.10 or newer"
  echo "setup: installing the local AWS (moto) into .venv"
  rm -rf .venv
  python3 -m venv .venv || fail "python3 cannot make a virtual environment: install its venv module (Debian: python3-venv)"
  .venv/bin/pip install --quiet --disable-pip-version-check --requirement tools/requirements.txt
  cp tools/requirements.txt .venv/.setup-stamp
fi

# Programs that Go builds from a list of names and packages, each list with a stamp of its own.
build_with_go() { # list, what it is for
  stamp=build/tools/.$(basename "$1" .txt)-stamp
  if is_installed "$stamp" "$1"; then return; fi
  command -v go >/dev/null || fail "go is missing: $2 needs programs that are built with it; install Go 1.25 or newer"
  mkdir -p build/tools
  rm -f "$stamp"
  while read -r name package; do
    case $name in '' | '#'*) continue ;; esac
    echo "setup: building $package into build/tools"
    # Go fails on a bundle of certificates that was made for the AWS tools only.
    env -u AWS_CA_BUNDLE GOBIN="$PWD/build/tools" go install "$package" ||
      fail "go could not install $package: Go 1.25 or newer and a way to fetch modules are needed"
    # Go names a program after its last folder, and a program called "server" says nothing.
    program=$(basename "${package%@*}")
    [ "$program" = "$name" ] || mv "build/tools/$program" "build/tools/$name"
  done <"$1"
  cp "$1" "$stamp"
}

# Programs of the distribution, from a list of a program and the Debian package that has it.
install_programs() { # list, what it is for
  missing=
  while read -r program package; do
    case $program in '' | '#'*) continue ;; esac
    command -v "$program" >/dev/null || [ -e "$program" ] || missing="$missing $package"
  done <"$1"
  [ -n "$missing" ] || return 0
  [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null ||
    fail "$2 needs programs of these Debian packages:$missing (as root on Debian or Ubuntu they are installed by themselves)"
  echo "setup: installing$missing"
  # Package names have no spaces: they are to be split.
  # shellcheck disable=SC2086
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing; } </dev/null >/dev/null ||
    fail "apt-get could not install$missing"
}

case ${1:-} in
faults) build_with_go tools/go-tools.txt "the fault tests" ;;
packages | hosts)
  build_with_go tools/package-go-tools.txt "npm run package"
  install_programs tools/package-programs.txt "npm run package"
  ;;
esac
if [ "${1:-}" = hosts ]; then install_programs tools/host-programs.txt "npm run test:hosts"; fi
