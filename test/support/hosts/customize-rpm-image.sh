#!/bin/sh
# Makes a Debian root one that is managed by dnf and rpm: $1 is the root. See images.ts.
set -eu
root=$1

# Debian's rpm would keep its database in the home of whoever calls it.
mkdir -p "$root/etc/rpm" "$root/etc/dnf/vars"
echo "%_dbpath /var/lib/rpm" >"$root/etc/rpm/macros"
# What `$releasever` of a repository's address is, without a package that tells it.
echo 9 >"$root/etc/dnf/vars/releasever"

# What RPM packages require of a distribution, as this root has it: the libraries of `ldconfig -p`
# with the versions of their symbols, as rpm itself tells them.
mkdir -p "$root/tmp/stub"
cat >"$root/tmp/stub/make" <<'EOF'
set -eu
cd /tmp/stub
ldconfig -p | sed -n 's/.*(libc6,x86-64[^)]*) => //p; s/.*(libc6,AArch64[^)]*) => //p' |
  xargs readlink -f | sort -u | /usr/lib/rpm/rpmdeps --provides | sort -u >provides
cat >stub.spec <<SPEC
Name: distribution-stub
Version: 1
Release: 1
Summary: What the distribution below provides
License: none
BuildArch: noarch
Provides: /bin/sh
Provides: /usr/bin/sh
Provides: systemd = $(dpkg-query -W -f '${Version}' systemd | sed 's/-.*//')
Provides: glibc = $(dpkg-query -W -f '${Version}' libc6 | sed 's/-.*//')
Provides: ca-certificates
Provides: shadow-utils
$(sed 's/^/Provides: /' provides)
%description
What the distribution below provides.
%files
SPEC
rpmbuild --quiet --define '_topdir /tmp/stub' --define '_rpmdir /tmp/stub' -bb stub.spec
rpm --force-debian --nodeps --install /tmp/stub/noarch/*.rpm
EOF
chroot "$root" sh /tmp/stub/make
rm -rf "$root/tmp/stub"

# As on Fedora and its relatives: what a package brings is not enabled unless a preset says so.
mkdir -p "$root/usr/lib/systemd/system-preset"
echo "disable *" >"$root/usr/lib/systemd/system-preset/99-default-disable.preset"
rm -rf "$root"/etc/yum.repos.d/*
mkdir -p "$root/etc/yum.repos.d"
