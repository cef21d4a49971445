#!/usr/bin/env bats
bats_require_minimum_version 1.5.0
# Storages on a network, each with a real server.  What is asked of each is in tests/unit/test-storage-<type>.c.

load "${VZ_TYPE_FILE%/*}/../lib/real"

setup_file() {
	modprobe -a nfsd nfs nfsv3 nfsv4 cifs
	{
		nfs_server
		smb_server
	} 3>&- 4>&-
}

nfs_server() {
	mkdir -p /run/nfs /run/var-nfs/v4recovery /run/rpc_pipefs
	mount -t tmpfs -o size=64m tmpfs /run/nfs
	touch /run/var-nfs/etab
	mount --bind /run/var-nfs /var/lib/nfs
	mount -t nfsd nfsd /proc/fs/nfsd
	mount -t rpc_pipefs rpc_pipefs /run/rpc_pipefs
	rpcbind -w
	# the root of version 4; version 3 has it under its path
	exportfs -o rw,no_root_squash,insecure,no_subtree_check,fsid=0 127.0.0.1:/run/nfs
	# 10 s is the least
	echo 10 > /proc/fs/nfsd/nfsv4leasetime
	echo 10 > /proc/fs/nfsd/nfsv4gracetime
	rpc.mountd
	rpc.nfsd 2
	# nobody has locks from before
	echo Y > /proc/fs/nfsd/v4_end_grace
}

smb_server() {
	# for sparse files samba needs extended attributes, which tmpfs does not have
	mkfs.ext4 -q -m 0 "$VZ_DEVICE"
	mkdir -p /run/smb /run/samba
	mount "$VZ_DEVICE" /run/smb
	mkdir -m 777 /run/smb/images
	cat > /run/smb.conf <<-'END'
		[global]
		server role = standalone
		private dir = /run/samba
		lock directory = /run/samba
		state directory = /run/samba
		cache directory = /run/samba
		pid directory = /run/samba
		ncalrpc dir = /run/samba/ncalrpc
		log file = /run/samba/log
		interfaces = lo
		bind interfaces only = yes
		disable netbios = yes
		map to guest = bad user
		[vm]
		path = /run/smb
		read only = no
		guest ok = yes
	END
	printf 'secret\nsecret\n' | smbpasswd -c /run/smb.conf -s -a root
	smbd -D -s /run/smb.conf
	until : 2> /dev/null < /dev/tcp/127.0.0.1/445; do
		sleep 0.1
	done
}

@test "nfs is mounted, used, gone with its server for ten seconds and not for ever" {
	VZ_NFS=/ run "$BUILD/unit/test-storage-nfs"
	passed_for_real
}

@test "cifs is mounted with a password and as a guest, used, also by QEMU with its locks" {
	VZ_CIFS=vm run "$BUILD/unit/test-storage-cifs"
	passed_for_real
}
