#!/bin/sh -e
# disk.sh USERLAND FIRMWARE HOSTNAME: the disk of a board, in the mount namespace that this runs in.
#
# Everything is on one tmpfs on /run, which root alone may write, as sshd's ChrootDirectory wants it:
# no other process sees it, and it is gone with the last process of the namespace. Says "ready" and
# then holds the namespace.
userland=$1 firmware=$2
hostname "$3"

mount -t tmpfs -o mode=755,size=2g tmpfs /run
mkdir /run/sshd /run/upper /run/work /run/board
mount -t overlay -o "lowerdir=$userland,upperdir=/run/upper,workdir=/run/work" overlay /run/board
cd /run/board

# The users that sshd knows are the board's and its own, not this machine's.
cat > etc/passwd <<END
root:x:0:0:root:/root:/bin/bash
sshd:x:101:65534::/run/sshd:/usr/sbin/nologin
pi:x:1000:1000:pi:/home/pi:/bin/bash
END
printf 'root:x:0:\npi:x:1000:\nnogroup:x:65534:\n' > etc/group
printf 'root:*:1::::::\nsshd:*:1::::::\npi:*:1::::::\n' > etc/shadow
for file in passwd group shadow; do mount --bind etc/$file /etc/$file; done
echo "$3" > etc/hostname
mkdir -p home/pi root tmp proc sys dev
chown 1000:1000 home/pi
chmod 1777 tmp

cp -r "$firmware/sys/." sys/

mount -t tmpfs -o mode=755,size=64k tmpfs dev
for device in null zero full random urandom; do
    touch dev/$device
    mount --bind /dev/$device dev/$device
done
ln -s /proc/self/fd dev/fd
ln -s /proc/self/fd/0 dev/stdin
ln -s /proc/self/fd/1 dev/stdout
ln -s /proc/self/fd/2 dev/stderr
mkdir dev/shm
mount -t tmpfs -o mode=1777 tmpfs dev/shm

echo ready
exec sleep infinity
