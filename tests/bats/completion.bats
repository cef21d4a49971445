#!/usr/bin/env bats
# What bash, zsh and fish offer, asked of the real shells with the installed scripts.

load ../lib/qemu

FIXTURES=$BATS_TEST_DIRNAME/../fixtures
TOP=$BATS_TEST_DIRNAME/../..

setup_file() {
	make -s -C "$TOP" BUILD="$BUILD" DESTDIR="$BATS_FILE_TMPDIR/inst" PREFIX=/usr install > /dev/null
}

setup() {
	vz_setup
	I=$BATS_FILE_TMPDIR/inst/usr
	export PATH=$I/bin:$PATH
	T=$BATS_TEST_TMPDIR
	cd "$T" || return 1
	storage_add lonely none
	printf 'zfspool: tank\n\tpool rpool/data\n\tcontent images\n\n' >> "$VZDUMP_ROOT/etc/pve/storage.cfg"
	printf 'name: web-01\n' > "$(conf_file 100)"
	printf 'name: db\n' > "$(conf_file 101)"
	touch "$STORE/backup/dump/vzdump-qemu-100-2026_11_22-20_15_00.vma.zst"
}

teardown() {
	cd / || return 1
	vz_teardown
}

# in_bash <line>: what bash's completion function gives for the line up to the cursor
in_bash() {
	bash --norc -c '
		source "$1/share/bash-completion/completions/${2%% *}"
		COMP_LINE=$2 COMP_POINT=${#2} COMP_TYPE=9
		"_${2%% *}_complete" "${2%% *}"
		printf "%s\n" "${COMPREPLY[@]}"' _ "$I" "$1" 2> "$T/stderr"
}

# in_fish <line>: "candidate<TAB>description" lines
in_fish() {
	HOME=$T XDG_DATA_DIRS=$I/share fish --no-config -c "
		source '$I/share/fish/vendor_completions.d/${1%% *}.fish'
		complete -C '$1'" 2> "$T/stderr"
}

# typed <shell> <line>: the line after the keys of it and <TAB>, in a real terminal
typed() {
	/usr/bin/python3 - "$1" "$2" "$I" "$T" <<- 'END'
		import os, pty, select, sys, time
		shell, line, inst, tmp = sys.argv[1:]
		tool = line.split()[0]
		os.environ.update(TERM="dumb", PS1="$ ", HOME=tmp, ZDOTDIR=tmp, COLUMNS="200", LINES="50")
		pid, fd = pty.fork()
		if pid == 0:
		    if shell == "bash":
		        os.execvp("bash", ["bash", "--norc", "--noprofile", "-i"])
		    os.execvp("zsh", ["zsh", "-f", "-i"])
		def read(seconds):
		    out, end = b"", time.time() + seconds
		    while time.time() < end:
		        if select.select([fd], [], [], 0.1)[0]:
		            try:
		                out += os.read(fd, 65536)
		            except OSError:
		                break
		    return out
		if shell == "bash":
		    setup = f"source {inst}/share/bash-completion/completions/{tool}\n"
		else:
		    setup = f"fpath=({inst}/share/zsh/site-functions $fpath); autoload -U compinit; compinit -D -u; unsetopt zle_bracketed_paste; PS1='$ '\n"
		os.write(fd, setup.encode())
		read(2)
		os.write(fd, line.encode() + b"\t")
		read(1.5)
		# the finished line goes to a file, whatever the terminal made of it
		os.write(fd, b"\x01printf '%s\\n' \x05 > typed; exit\n")
		read(1)
		os.waitpid(pid, 0)
	END
	cat "$T/typed"
}

@test "bash: options, enums, and guests with their names" {
	in_bash "vzdump --mo" | grep -qx -- "--mode"
	[ "$(in_bash "vzdump --mode s" | sort | tr '\n' ' ')" = "snapshot stop suspend " ]
	[ "$(in_bash "vzdump 1" | tr '\n' ' ')" = "100 101 " ]
	# given options are not offered again
	[ -z "$(in_bash "vzdump --mode stop --mod")" ]
	[ "$(in_bash "vzdump --exclude 100,1" | head -n 1)" = "100,101" ]
	printf 'vzdump: nightly\n\tschedule daily\n\tall 1\n\nvzdump: weekly\n\tschedule sat\n\tall 1\n' > "$VZDUMP_ROOT/etc/pve/jobs.cfg"
	[ "$(in_bash "vzdump --job " | sort | tr '\n' ' ')" = "nightly weekly " ]
	in_bash "vzdump-scheduler --" | grep -qx -- "--list"
}

@test "bash: storages that fit, inside property strings too, and names with colons" {
	[ "$(in_bash "vzdump --storage ")" = backup ]
	[ "$(in_bash "vzdump --fleecing enabled=1,st" | tr '\n' ' ')" = "1,storage= " ]
	[ "$(in_bash "vzdump --incremental 1,copy=" | sort | xargs)" = "always auto" ]
	[ "$(in_bash "vzdump --fleecing enabled=1,storage=" | sort | tr '\n' ' ')" = "fast local tank " ]
	[ "$(in_bash "qmrestore backup:backup/vz")" = "backup/vzdump-qemu-100-2026_11_22-20_15_00.vma.zst" ]
	[ "$(in_bash "qmrestore --storage=f")" = fast ]
}

@test "bash: commands, archives by their endings, and disks inside an archive" {
	cp "$FIXTURES/two-disks.vma.zst" "my file.vma.zst"
	touch other.txt
	mkdir folder
	in_bash "vma " | grep -qx extract
	[ "$(in_bash "vma list m")" = 'my\ file.vma.zst' ]
	[ "$(in_bash "vma list " | grep -c txt)" = 0 ]
	in_bash "vma list " | grep -qx folder/
	[ "$(in_bash 'vma extract my\ file.vma.zst -d ' | tr '\n' ' ')" = "drive-scsi0 drive-scsi1 " ]
	[ "$(in_bash 'vma extract my\ file.vma.zst -d drive-scsi0,')" = "drive-scsi0,drive-scsi1" ]
	[ "$(in_bash 'vma ls my')" = 'my\ file.vma.zst' ]
	[ "$(in_bash 'vma cp my\ file.vma.zst:' | tr '\n' ' ')" = "drive-scsi0: drive-scsi1: " ]
}

@test "bash: vzdump-qemu-args' guests and options" {
	[ "$(in_bash "vzdump-qemu-args 10" | tr '\n' ' ')" = "100 101 " ]
	[ "$(in_bash "vzdump-qemu-args 100 --stopw")" = --stopwait ]
	[ "$(in_bash "vzdump-qemu-args 100 --format sh")" = shell ]
}

@test "bash: pvesm's commands, storages, volumes and values" {
	mkdir -p "$STORE/local/images/100"
	truncate -s 1M "$STORE/local/images/100/vm-100-disk-0.raw"
	[ "$(in_bash "pvesm li")" = list ]
	in_bash "pvesm list " | grep -qx backup
	in_bash "pvesm list " | grep -qx tank
	[ "$(in_bash "pvesm list local --content ba")" = backup ]
	[ "$(in_bash "pvesm free local:100/")" = 100/vm-100-disk-0.raw ]
	[ "$(in_bash "pvesm extractconfig backup:")" = backup/vzdump-qemu-100-2026_11_22-20_15_00.vma.zst ]
	[ "$(in_bash "pvesm prune-backups backup --keep-l")" = --keep-last ]
	[ "$(in_bash "pvesm list local --vmid 10" | tr '\n' ' ')" = "100 101 " ]
	in_fish "pvesm st" | grep -qP '^status\t'
	[ "$(typed zsh "pvesm prune-b")" = $'pvesm\nprune-backups' ]
}

@test "bash in a terminal: a value is completed, with the colon of a volume" {
	[ "$(typed bash "vzdump --mode su")" = $'vzdump\n--mode\nsuspend' ]
	[ "$(typed bash "qmrestore backup:backup/")" = \
		$'qmrestore\nbackup:backup/vzdump-qemu-100-2026_11_22-20_15_00.vma.zst' ]
}

@test "zsh in a terminal: the same" {
	[ "$(typed zsh "vzdump --mode su")" = $'vzdump\n--mode\nsuspend' ]
	[ "$(typed zsh "qmrestore backup:backup/")" = \
		$'qmrestore\nbackup:backup/vzdump-qemu-100-2026_11_22-20_15_00.vma.zst' ]
	[ "$(typed zsh "vzdump --fleecing enabled=1,storage=ta")" = $'vzdump\n--fleecing\nenabled=1,storage=tank' ]
}

@test "fish: values with descriptions, property strings, volumes" {
	in_fish "vzdump 10" | grep -qP '^100\tweb-01$'
	in_fish "vzdump --fleecing enabled=1,storage=t" | grep -q '^enabled=1,storage=tank'
	in_fish "vzdump --storage " | grep -qP '^backup\tdir$'
	in_fish "qmrestore backup:" | grep -q '^backup:backup/vzdump-qemu-100-'
	in_fish "vma " | grep -qP '^verify\t'
}

@test "without a configuration, or with a broken one, completion says nothing and does not fail" {
	for root in "$T/none" "$T/broken"; do
		mkdir -p "$T/broken/etc/pve/storage.cfg"
		for line in "vzdump " "vzdump --storage " "vzdump --fleecing storage=" "qmrestore x:"; do
			read -ra words <<< "$line"
			VZDUMP_ROOT=$root "${words[0]}" --complete-bash "$line" > "$T/out" 2> "$T/err"
			[ ! -s "$T/err" ]
		done
	done
	run vzdump --complete-words x -- y
	[ "$status" = 0 ]
	[ -z "$output" ]
}

@test "no program is run to complete, whatever storages there are" {
	printf 'lvmthin: thin\n\tvgname x\n\tthinpool y\n\tcontent images\n\n' >> "$VZDUMP_ROOT/etc/pve/storage.cfg"
	for line in "vzdump --storage " "vzdump --fleecing storage=" "qmrestore backup:" "vzdump " "pvesm list " "pvesm free thin:"; do
		strace -f -e trace=execve,execveat,fork,vfork,clone -o "$T/trace" \
			"$I/bin/${line%% *}" --complete-bash "$line" > /dev/null
		[ "$(grep -cE 'exec|fork|clone' "$T/trace")" = 1 ]
	done
}
