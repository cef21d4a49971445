#!/usr/bin/env bats
# pvesm: the output of PVE's, byte for byte where it is text.

load ../lib/qemu
load ../lib/vzdump

FIXTURES=$BATS_TEST_DIRNAME/../fixtures
PVESM=$BUILD/bin/pvesm

setup() {
	vz_setup
	T=$BATS_TEST_TMPDIR
	export TZ=UTC
}

teardown() {
	vz_teardown
}

# ok <argument>...: and it must succeed
ok() {
	run "$PVESM" "$@"
	[ "$status" = 0 ] || { echo "$output"; return 1; }
}

# fails <pattern> <argument>...: with 255 and one line
fails() {
	local pattern=$1
	shift
	run "$PVESM" "$@"
	[ "$status" = 255 ]
	[ "${#lines[@]}" = 1 ]
	has_line "$pattern"
}

# backup <name> [file]: an archive on storage "backup"
backup() {
	cp "${2:-$FIXTURES/nodisk.vma}" "$STORE/backup/dump/$1"
}

# json <python expression over d>
json() {
	python3 -c "import json, sys; d = json.load(sys.stdin); print($1)" <<< "$output"
}

@test "status shows type, state and space as PVE prints them" {
	mkdir "$STORE/disk"
	mount -t tmpfs -o size=64M tmpfs "$STORE/disk"
	dd if=/dev/zero of="$STORE/disk/x" bs=1M count=16 status=none
	storage_add disk images shared
	storage_add off images disable
	printf 'dir: gone\n\tpath %s/gone\n\tis_mountpoint 1\n\tcontent images\n\n' "$STORE" >> "$VZDUMP_ROOT/etc/pve/storage.cfg"
	output=$("$PVESM" status 2> "$T/err")
	umount "$STORE/disk"
	[ "$(wc -l < "$T/err")" = 1 ]
	grep -q "unable to activate storage 'gone'" "$T/err"
	[ "$(head -n 1 <<< "$output")" = 'Name          Type     Status     Total (KiB)      Used (KiB) Available (KiB)        %' ]
	grep -qx 'disk           dir     active           65536           16384           49152   25.00%' <<< "$output"
	grep -qx 'gone           dir   inactive               0               0               0    0.00%' <<< "$output"
	grep -qx 'off            dir   disabled               0               0               0      N/A' <<< "$output"
	[ "$(sed 1d <<< "$output" | cut -d' ' -f1 | tr '\n' ' ')" = "backup disk fast gone local off " ]
	ok status --enabled 1 --content backup,iso
	[ "$(sed 1d <<< "$output" | cut -d' ' -f1)" = backup ]
	ok status --storage fast --output-format json
	[ "$(json '[d[0]["storage"], d[0]["type"], d[0]["active"], d[0]["enabled"], d[0]["content"], d[0]["total"] >= d[0]["used"]]')" = \
		"['fast', 'dir', 1, 1, 'images', True]" ]
	fails "storage 'none' does not exist" status --storage none
}

@test "alloc, list, path and free of images" {
	ok alloc local 123 '' 4M
	[ "$output" = "successfully created 'local:123/vm-123-disk-0.raw'" ]
	ok alloc local 123 vm-123-data.qcow2 1G
	[ "$output" = "successfully created 'local:123/vm-123-data.qcow2'" ]
	ok alloc local 124 vm-124-x 1024 --format qcow2 --output-format json
	[ "$output" = '"local:124/vm-124-x.qcow2"' ]
	ok list local
	diff - <(echo "$output") <<- 'END'
		Volid                       Format  Type            Size VMID
		local:123/vm-123-data.qcow2 qcow2   images    1073741824 123
		local:123/vm-123-disk-0.raw raw     images       4194304 123
		local:124/vm-124-x.qcow2    qcow2   images       1048576 124
	END
	ok list local --vmid 124
	[ "${#lines[@]}" = 2 ]
	ok list local --output-format json
	[ "$(json '[v["volid"] for v in d if v["vmid"] == 123 and v["content"] == "images"]')" = \
		"['local:123/vm-123-data.qcow2', 'local:123/vm-123-disk-0.raw']" ]
	ok path local:123/vm-123-disk-0.raw
	[ "$output" = "$STORE/local/images/123/vm-123-disk-0.raw" ]
	[ "$(stat -c %s "$output")" = 4194304 ]
	ok free local:123/vm-123-disk-0.raw
	[ "$output" = "Removed volume 'local:123/vm-123-disk-0.raw'" ]
	ok free 123/vm-123-data.qcow2 --storage local
	[ ! -e "$STORE/local/images/123" ]
	fails "does not exist" free local:123/vm-123-disk-0.raw
	fails "names no storage" free vm-123-disk-0.raw
	fails "storage ID mismatch" free local:123/vm-123-disk-0.raw --storage fast
	fails "illegal name 'x.raw' - should be 'vm-123-\*'|illegal name 'x'" alloc local 123 x.raw 1M
	fails "different storage formats" alloc local 123 vm-123-a.raw 1M --format qcow2
	for size in 0 1T 1.5G '' 99999999999999999999 1MM; do
		fails "size" alloc local 123 '' "$size"
	done
	fails "backup" alloc backup 123 '' 1M
	for name in ../../x vm-123-../../x 'vm-123-a b/c'; do
		fails . alloc local 123 "$name" 1M
	done
	[ -z "$(find "$STORE" -newer "$VZDUMP_ROOT/etc/pve/storage.cfg" -type f ! -name 'vm-124-x*')" ]
	for volid in local:../../etc/passwd local:123/../x.raw nowhere:x /etc/passwd '/etc/x:y' 'local:'; do
		fails . path "$volid"
		fails . free "$volid"
	done
}

@test "the next free name leaves out numbers that templates and containers have" {
	local images="$STORE/local/images/100"
	mkdir -p "$images/subvol-100-disk-2.subvol"
	touch "$images/base-100-disk-0.raw" "$images/vm-100-disk-1.raw" "$images/vm-1000-disk-3.raw"
	ok alloc local 100 '' 1M
	[ "$output" = "successfully created 'local:100/vm-100-disk-3.raw'" ]
	ok alloc local 100 '' 1M --format vmdk
	[ "$output" = "successfully created 'local:100/vm-100-disk-4.vmdk'" ]
	qemu-img info -f vmdk "$images/vm-100-disk-4.vmdk"
}

@test "a linked clone is called as the guest's configuration calls it, and what is no image is told" {
	local images="$STORE/local/images"
	mkdir -p "$images/9000" "$images/100"
	qemu-img create -q -f qcow2 "$images/9000/base-9000-disk-0.qcow2" 4M
	(cd "$images/100" && qemu-img create -q -f qcow2 -b ../9000/base-9000-disk-0.qcow2 -F qcow2 vm-100-disk-0.qcow2)
	printf '%512s' x > "$images/100/vm-100-disk-1.qcow2"
	output=$("$PVESM" list local --vmid 100 2> "$T/err")
	grep -qx 'local:9000/base-9000-disk-0.qcow2/100/vm-100-disk-0.qcow2 qcow2   images    4194304 100' <<< "$output"
	grep -qx 'local:100/vm-100-disk-1.qcow2                             invalid images        512 100' <<< "$output"
	grep -q "^image '$images/100/vm-100-disk-1.qcow2' is not in expected format 'qcow2'" "$T/err"
	output=$("$PVESM" list local --vmid 100 --output-format json 2> /dev/null)
	[ "$(json '[v["parent"] for v in d if "parent" in v]')" = "['../9000/base-9000-disk-0.qcow2']" ]
	[ "$(json 'all(v["ctime"] > 1e9 for v in d)')" = True ]
	# it is removed by that name, too
	ok free local:9000/base-9000-disk-0.qcow2/100/vm-100-disk-0.qcow2
}

@test "what containers have is rootdir, not images" {
	storage_add both images,rootdir
	mkdir -p "$VZDUMP_ROOT/etc/pve/nodes/other/lxc" "$STORE/both/images/"{102,103}
	touch "$VZDUMP_ROOT/etc/pve/nodes/other/lxc/102.conf" "$STORE/both/images/"{102/vm-102-disk-0.raw,103/vm-103-disk-0.raw}
	ok list both --content rootdir
	[ "$(sed 1d <<< "$output" | tr -s ' ')" = "both:102/vm-102-disk-0.raw raw rootdir 0 102" ]
	ok list both --content images
	[ "$(sed 1d <<< "$output" | cut -d' ' -f1)" = both:103/vm-103-disk-0.raw ]
}

@test "path and free take all that list shows, and nothing that belongs to a backup" {
	mkdir -p "$STORE/local/"{template/iso,template/cache,snippets,import}
	storage_add files iso,vztmpl,snippets,import,backup
	mkdir -p "$STORE/files/"{template/iso,template/cache,snippets,import,dump}
	for file in template/iso/x.iso template/cache/d.tar.zst snippets/u.yml import/a.ova dump/vzdump-qemu-100-2026_11_22-20_15_00.vma{,.protected,.notes}; do
		touch "$STORE/files/$file"
	done
	for volid in files:iso/x.iso files:vztmpl/d.tar.zst files:snippets/u.yml files:import/a.ova; do
		ok path "$volid"
		[ -e "$output" ]
		ok free "$volid"
		fails "does not exist" free "$volid"
	done
	for end in .protected .notes; do
		fails "is neither an image" free "files:backup/vzdump-qemu-100-2026_11_22-20_15_00.vma$end"
		[ -e "$STORE/files/dump/vzdump-qemu-100-2026_11_22-20_15_00.vma$end" ]
	done
	fails "cannot remove protected archive" free files:backup/vzdump-qemu-100-2026_11_22-20_15_00.vma
	for volid in files:iso/x.txt files:iso/../x.iso files:snippets/.. files:import/x.exe; do
		fails "is neither an image" path "$volid"
	done
}

@test "a base image that PVE made immutable can be removed" {
	local base="$STORE/local/images/9000/base-9000-disk-0.raw"
	mkdir -p "$(dirname "$base")"
	truncate -s 1M "$base"
	chattr +i "$base" || skip "no chattr +i here"
	ok free local:9000/base-9000-disk-0.raw
	[ ! -e "$base" ]
}

@test "a key that a storage's type does not have is warned about" {
	printf 'dir: typo\n\tpath %s/typo\n\tcontent images\n\tis-mountpoint 1\n\n' "$STORE" >> "$VZDUMP_ROOT/etc/pve/storage.cfg"
	ok status --storage typo
	has_line "\(section 'typo'\) - unable to parse value of 'is-mountpoint': unexpected property \(did you mean 'is_mountpoint'\?\)$"
}

@test "free removes no image on which linked clones stand" {
	mkdir -p "$STORE"/local/images/{9,10}
	cd "$STORE/local/images/10"
	qemu-img create -q -f qcow2 ../9/base-9-disk-0.qcow2 4M
	qemu-img create -q -f qcow2 -b ../9/base-9-disk-0.qcow2 -F qcow2 vm-10-disk-0.qcow2
	fails "base image 'local:9/base-9-disk-0.qcow2' is still in use by linked clone 'local:10/vm-10-disk-0.qcow2'" \
		free local:9/base-9-disk-0.qcow2
	[ -e ../9/base-9-disk-0.qcow2 ]
	# one that cannot be read may be one
	echo hurt > vm-10-disk-1.qcow2
	ok free local:10/vm-10-disk-0.qcow2
	fails "cannot determine whether 'local:10/vm-10-disk-1.qcow2' is a linked clone of it" \
		free local:9/base-9-disk-0.qcow2
	ok free local:10/vm-10-disk-1.qcow2
	ok free local:9/base-9-disk-0.qcow2
	[ ! -e "$STORE/local/images/9" ]
}

@test "list shows backups, ISO images, templates and snippets; free removes a backup with its notes" {
	sed -i '/^dir: backup/,/^$/s/content backup/content backup,iso,vztmpl,snippets/' "$VZDUMP_ROOT/etc/pve/storage.cfg"
	mkdir -p "$STORE"/backup/{template/{iso,cache},snippets}
	head -c 10 /dev/zero > "$STORE/backup/template/iso/b.ISO"
	head -c 20 /dev/zero > "$STORE/backup/template/cache/deb.tar.zst"
	head -c 30 /dev/zero > "$STORE/backup/snippets/hook"
	touch "$STORE/backup/template/iso/readme.txt"
	name=vzdump-qemu-123-2026_11_22-20_15_00
	backup $name.vma
	backup mine-456-x.vma
	backup plain.vma
	printf 'first\nsecond\n' > "$STORE/backup/dump/$name.vma.notes"
	touch "$STORE/backup/dump/$name.log"
	size=$(stat -c %s "$FIXTURES/nodisk.vma")
	ok list backup
	# widths depend on the fixture's size
	diff <(tr -s ' ' <<< "$output" | sed 's/ *$//') <(sed "s/SIZE/$size/" <<- 'END'
		Volid Format Type Size VMID
		backup:backup/mine-456-x.vma vma backup SIZE 456
		backup:backup/vzdump-qemu-123-2026_11_22-20_15_00.vma vma backup SIZE 123
		backup:iso/b.ISO iso iso 10
		backup:snippets/hook snippet snippets 30
		backup:vztmpl/deb.tar.zst tzst vztmpl 20
		backup:backup/plain.vma vma backup SIZE
	END
	)
	ok list backup --content backup --vmid 123 --output-format json-pretty
	[ "$(json '[len(d), d[0]["notes"], d[0]["subtype"], d[0]["ctime"]]')" = "[1, 'first', 'qemu', 1795378500]" ]
	touch "$STORE/backup/dump/$name.vma.protected"
	fails "cannot remove protected" free "backup:backup/$name.vma"
	rm "$STORE/backup/dump/$name.vma.protected"
	ok free "backup:backup/$name.vma"
	[ "$(find "$STORE/backup/dump" -type f | wc -l)" = 2 ]
	fails "invalid content type .films." list backup --content films
}

@test "extractconfig prints what the archive holds, packed or not" {
	for packed in "" .zst .gz .lzo; do
		backup "vzdump-qemu-123-2026_11_22-20_15_00.vma$packed" "$FIXTURES/two-disks.vma$packed"
		"$PVESM" extractconfig "backup:backup/vzdump-qemu-123-2026_11_22-20_15_00.vma$packed" > "$T/conf"
		# as Perl's print adds a line end
		diff "$T/conf" <(cat "$FIXTURES/two-disks.conf"; echo)
	done
	ok extractconfig "$FIXTURES/two-disks.vma" --output-format json
	[ "$(json 'd')" = "$(cat "$FIXTURES/two-disks.conf")" ]
	fails "is not a backup" extractconfig local:123/vm-123-disk-0.raw
	fails "cannot open archive" extractconfig backup:backup/vzdump-qemu-9-2026_11_22-20_15_00.vma
	# the storage is made usable first, or told why it is not
	printf 'dir: gone\n\tpath %s/gone\n\tis_mountpoint 1\n\tcontent backup\n\n' "$STORE" >> "$VZDUMP_ROOT/etc/pve/storage.cfg"
	fails "directory is expected to be a mount point but is not mounted" extractconfig gone:backup/x.vma
	fails "storage 'nowhere' does not exist" extractconfig nowhere:backup/x.vma
}

@test "prune-backups marks as PVE does, and removes only what it marks" {
	for stamp in 2026_11_20-10_00_00 2026_11_20-12_00_00 2026_11_21-10_00_00 2026_11_22-10_00_00 2026_11_22-12_00_00; do
		backup "vzdump-qemu-123-$stamp.vma"
	done
	backup vzdump-qemu-99123-2026_11_22-10_00_00.vma
	backup vzdump-qemu-123-mine.vma
	touch "$STORE/backup/dump/vzdump-qemu-123-2026_11_20-10_00_00.vma.protected"
	ok prune-backups backup --dry-run 1 --keep-last 1 --keep-daily 2
	diff - <(echo "$output") <<- 'END'
		NOTE: this is only a preview and might not be what a subsequent
		prune call does if backups are removed/added in the meantime.

		Backup                                                         Backup-ID Prune-Mark
		backup:backup/vzdump-qemu-123-2026_11_20-10_00_00.vma           qemu/123  protected
		backup:backup/vzdump-qemu-123-2026_11_20-12_00_00.vma           qemu/123       keep
		backup:backup/vzdump-qemu-123-2026_11_21-10_00_00.vma           qemu/123       keep
		backup:backup/vzdump-qemu-123-2026_11_22-10_00_00.vma           qemu/123     remove
		backup:backup/vzdump-qemu-123-2026_11_22-12_00_00.vma           qemu/123       keep
		backup:backup/vzdump-qemu-123-mine.vma                          qemu/123    renamed
		backup:backup/vzdump-qemu-99123-2026_11_22-10_00_00.vma       qemu/99123       keep
	END
	ok prune-backups backup --dry-run 1 --keep-last 1 --vmid 123 --output-format json
	[ "$(json 'sum(e["mark"] == "remove" for e in d)')" = 3 ]
	ok prune-backups backup --dry-run 1 --keep-last 1 --type lxc
	[ "$output" = "No backups found" ]
	fails "no prune-backups options configured for storage 'backup'" prune-backups backup
	fails "keep-all" prune-backups backup --keep-all 1 --keep-last 1
	fails . prune-backups local --keep-last 1
	fails "content: invalid content type 'foo'" status --content images,foo
	[ "$(find "$STORE/backup/dump" -name '*.vma' | wc -l)" = 7 ]
	sed -i '/^dir: backup/a\	prune-backups keep-last=1' "$VZDUMP_ROOT/etc/pve/storage.cfg"
	ok prune-backups backup
	[ "$output" = "removing backup 'backup:backup/vzdump-qemu-123-2026_11_20-12_00_00.vma'
removing backup 'backup:backup/vzdump-qemu-123-2026_11_21-10_00_00.vma'
removing backup 'backup:backup/vzdump-qemu-123-2026_11_22-10_00_00.vma'" ]
	[ "$(find "$STORE/backup/dump" -name '*.vma' | wc -l)" = 4 ]
	# as JSON, standard output is JSON
	backup vzdump-qemu-123-2026_11_19-10_00_00.vma
	output=$("$PVESM" prune-backups backup --output-format json 2> "$T/err")
	[ "$output" = null ]
	[ "$(< "$T/err")" = "removing backup 'backup:backup/vzdump-qemu-123-2026_11_19-10_00_00.vma'" ]
}

@test "notes that are no UTF-8 are good JSON all the same" {
	backup vzdump-qemu-123-2026_11_22-20_15_00.vma
	printf 'gr\374n' > "$STORE/backup/dump/vzdump-qemu-123-2026_11_22-20_15_00.vma.notes"
	ok list backup --output-format json
	[ "$(json 'd[0]["notes"] == "gr\u00fcn"')" = True ]
	# an unambiguous beginning of a command will do, as in PVE
	ok li backup
	fails "unknown command 'p'" p backup
}

@test "the manual has every command and option of --help, and no other" {
	local man=$BATS_TEST_DIRNAME/../../man/pvesm.1 command
	for command in $("$PVESM" --help | sed -nE 's/^pvesm ([a-z-]+) .*/\1/p'); do
		diff <("$PVESM" "$command" --help | sed -nE 's/^  --([a-z-]+).*/\1/p' |
			grep -vxE 'help|version|output-format' | sort) \
			<(awk -v section="$command" '/^\.S[sh]/ { on = $2 == section } on' "$man" |
				sed -nE 's/^\.It Fl -([a-z-]+).*/\1/p' | sort)
	done
}
