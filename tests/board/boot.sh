#!/bin/sh -e
# boot.sh SSHD CONFIG FIRMWARE BOOT_ID: process 1 of a board, in its mount and a new PID namespace.
#
# Ends as sshd, which hands each session to a program of the board. When it is killed the kernel
# kills all the others.
sshd=$1 config=$2 firmware=$3
umount --recursive --lazy /run/board/proc 2> /dev/null || true
# As systemd-tmpfiles does on Debian.
find /run/board/tmp -mindepth 1 -delete
mount -t proc proc /run/board/proc
for file in cpuinfo meminfo stat loadavg; do
    mount --bind "$firmware/proc/$file" /run/board/proc/$file
done
echo "$4" > /run/boot_id
mount --bind /run/boot_id /run/board/proc/sys/kernel/random/boot_id
exec "$sshd" -D -e -f "$config"
