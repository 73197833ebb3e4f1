#!/bin/sh
# What mmdebstrap does last to the root of an image: $1 is the root. See images.ts.
set -eu
root=$1

# Nobody reads them, and every host copies them.
for folder in doc info locale man; do rm -rf "$root/usr/share/$folder"; mkdir -p "$root/usr/share/$folder"; done
rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/*.bin "$root"/var/cache/apt/archives/*.deb

# Packages come from the repository under test and from nowhere else.
rm -f "$root"/etc/apt/sources.list "$root"/etc/apt/sources.list.d/*
: >"$root/etc/resolv.conf"

# A journal that outlives a reboot.
mkdir -p "$root/var/log/journal"

# What works on its own account, or waits for devices, has no place in a test.
for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer fstrim.timer \
  e2scrub_all.timer e2scrub_reap.service systemd-tmpfiles-clean.timer console-getty.service \
  getty.target systemd-networkd.service systemd-networkd.socket systemd-networkd-wait-online.service \
  systemd-resolved.service systemd-timesyncd.service dnf-makecache.timer; do
  ln -sf /dev/null "$root/etc/systemd/system/$unit"
done
