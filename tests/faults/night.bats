#!/usr/bin/env bats
# A night as a whole: three jobs of twenty guests that come due together, a storage that fills up, a guest that
# fails, an endpoint that is down.  Every mail is read.

load faults

setup_file() {
	faults_setup_file
}

setup() {
	faults_setup
	PVE=$VZDUMP_ROOT/etc/pve
	BOX=$VZ_TMP/box
	mkdir -p "$BOX" "$VZ_TMP/certificates" "$VZ_TMP/bin"
	"$VZ_LIB/make-certificates" "$VZ_TMP/certificates"
	cp "$VZ_TMP/certificates/ca.pem" "$BOX"
}

teardown() {
	local run pid
	# where the test has failed, jobs may run on
	for run in "$VZDUMP_ROOT"/var/lib/vzdump/jobs/*.run; do
		for pid in $(jq 'select(.ended | not) | .pid, .vzdump | select(. != null)' "$run" 2> /dev/null); do
			kill -KILL "$pid" 2> /dev/null || true
		done
	done
	faults_teardown
}

# receiver <program> <folder>: starts it and waits for its ports
receiver() {
	mkdir -p "$2"
	/usr/bin/python3 "$VZ_LIB/$1" "$2" "$VZ_TMP/certificates" > "$2/out" 2>&1 3>&- &
	PIDS+=($!)
	until [[ -s $2/ports ]]; do
		kill -0 "${PIDS[-1]}" || { cat "$2/out"; return 1; }
		sleep 0.05
	done
}

port() {
	sed -nE "s/^$2 ([0-9]+)$/\1/p" "$BOX/$1/ports"
}

recording_sendmail() {
	printf '#!/bin/sh\necho "$*" >> "%s/sent"\ncat >> "%s/mail"\n' "$BOX" "$BOX" > "$VZ_TMP/bin/sendmail"
	chmod +x "$VZ_TMP/bin/sendmail"
	export PATH=$VZ_TMP/bin:$PATH
}

# nobody listens at port 1
notifications() {
	mkdir -p "$PVE/priv"
	sed "s/^ /\t/" > "$PVE/notifications.cfg" <<- END
		smtp: office
		 server localhost
		 mode starttls
		 port $(port smtp starttls)
		 username vzdump
		 from-address pve@example.org
		 mailto admin@example.org
		 mailto-user night@pve

		gotify: down
		 server http://127.0.0.1:1

		webhook: pager
		 url http://127.0.0.1:$(port http http)/page/{{ url-encode fields.job-id }}
		 method post
		 body $(printf '{"title":"{{ escape title }}","severity":"{{ severity }}"}' | base64 -w 0)

		matcher: everything
		 target office
		 target down

		matcher: trouble
		 match-severity error
		 target pager

		matcher: default-matcher
		 target mail-to-root
		 disable true
	END
	printf 'smtp: office\n\tpassword pä ss wörd\n\ngotify: down\n\ttoken x\n\nwebhook: pager\n' \
		> "$PVE/priv/notifications.cfg"
	printf 'user:night@pve:1:0:::night@example.org::\n' > "$PVE/user.cfg"
}

jobs() {
	sed "s/^ /\t/" > "$PVE/jobs.cfg" <<- END
		vzdump: db
		 schedule 02:30
		 repeat-missed 1
		 vmid 109,110,111,112,113,114
		 storage small

		vzdump: rest
		 schedule 02:30
		 repeat-missed 1
		 all 1
		 exclude 101,102,103,104,105,106,107,108,109,110,111,112,113,114
		 storage backup
		 compress zstd

		vzdump: web
		 schedule 02:30
		 repeat-missed 1
		 vmid 101,102,103,104,105,106,107,108
		 storage backup
		 compress zstd
		 mailto boss@example.org
	END
	local id
	mkdir -p "$VZDUMP_ROOT/var/lib/vzdump/jobs"
	for id in db rest web; do
		echo '{"state":"stopped","time":1000000000,"msg":"OK","config":{"enabled":1,"schedule":"02:30"}}' \
			> "$VZDUMP_ROOT/var/lib/vzdump/jobs/vzdump-$id.json"
	done
}

guests() {
	local vmid
	for vmid in {101..120}; do
		disk_add "$vmid" scsi0 scsi 1M
		conf_add "$vmid" "name: guest$vmid"
	done
	for vmid in {109..114}; do
		disk_fill "$(disk_path "$vmid" scsi0)" 1M
	done
	conf_add 117 "lock: migrate"
}

scheduler() {
	"$BUILD/bin/vzdump-scheduler" "$@"
}

# mail <file> <number>: that mail, unpacked, is in $MAIL
mail() {
	MAIL=$VZ_TMP/mail-$2
	python3 - "$1" "$2" > "$VZ_TMP/raw" <<- 'END'
		import json, sys
		line = open(sys.argv[1]).read().splitlines()[int(sys.argv[2])]
		sys.stdout.buffer.write(json.loads(line)["content"].encode("latin-1"))
	END
	python3 "$VZ_LIB/mail_parts.py" < "$VZ_TMP/raw" > "$MAIL"
}

# rows: "vmid status" of the table in the text part of $MAIL
rows() {
	sed -nE 's/^(1[0-9]{2}) +guest\1 +([a-z]+) .*/\1 \2/p' "$MAIL"
}

# says <text>
says() {
	grep -qF -- "$1" "$MAIL" || fail "not in the mail: $1
$(< "$MAIL")"
}

@test "three jobs, twenty guests, a full storage, a failing guest, a dead endpoint: all is told, to all, once" {
	small_fs "$STORE/small" 4M
	printf 'dir: small\n\tpath %s\n\tcontent backup\n\n' "$STORE/small" >> "$PVE/storage.cfg"
	receiver smtp_receiver.py "$BOX/smtp"
	receiver http_receiver.py "$BOX/http"
	recording_sendmail
	notifications
	guests
	jobs
	export SSL_CERT_FILE=$BOX/ca.pem
	scheduler --once --force
	# the minutes only rescue
	local i
	for ((i = 0; i < 1500; i++)); do
		scheduler --list --output-format json > "$VZ_TMP/list"
		[[ $(jq '[.[] | select(.running)] | length' "$VZ_TMP/list") != 0 ]] || break
		sleep 0.2
	done
	((i < 1500)) || fail "jobs run on: $(< "$VZ_TMP/list")"

	# the jobs' results: what went wrong first, and not the dead endpoint
	[[ $(jq -r '[.[] | .id] | join(" ")' "$VZ_TMP/list") = "db rest web" ]]
	[[ $(jq -r '.[0].result' "$VZ_TMP/list") = "Backup of VM 112 failed - "*"No space left on device"* ]]
	[[ $(jq -r '.[1].result' "$VZ_TMP/list") = "Backup of VM 117 failed - VM is locked (migrate)"* ]]
	[[ $(jq -r '.[2].result' "$VZ_TMP/list") = OK ]]

	# web: one mail to the boss, by sendmail, and nothing to anybody else
	[[ $(< "$BOX/sent") = "-B 8BITMIME -f root -- boss@example.org" ]]
	MAIL=$VZ_TMP/mail-web
	python3 "$VZ_LIB/mail_parts.py" < "$BOX/mail" > "$MAIL"
	says "backup successful"
	[[ $(rows | cut -d' ' -f2 | sort | uniq -c | xargs) = "8 ok" ]]

	# the two others: a mail each, with every guest in it
	local n job seen=
	for n in 0 1; do
		[[ $(jq -r '"\(.tls) \(.user) \(.to | join(" "))"' "$BOX/smtp/mails" | sed -n "$((n + 1))p") = \
			"true vzdump admin@example.org night@example.org" ]]
		mail "$BOX/smtp/mails" "$n"
		says "backup failed"
		if grep -q "^117 " "$MAIL"; then
			job=rest
			[[ $(rows | xargs) = "115 ok 116 ok 117 err 118 ok 119 ok 120 ok" ]]
			says "117: "
			says "VM is locked (migrate)"
		else
			job=db
			[[ $(rows | xargs) = "109 ok 110 ok 111 ok 112 err 113 err 114 err" ]]
			says "No space left on device"
		fi
		seen+=" $job"
	done
	[[ $seen = " db rest" || $seen = " rest db" ]]

	# the pager had both, and nothing of the job that went well
	[[ $(jq -r .path "$BOX/http/requests" | sort | xargs) = "/page/db /page/rest" ]]
	[[ $(jq -r '.body | fromjson | .severity' "$BOX/http/requests" | sort -u) = error ]]

	# who is down is in the log of both runs, without the token; web never asked for it
	for job in db rest; do
		grep -q "^ERROR: .*'down'" "$VZDUMP_ROOT/var/log/vzdump/job-$job.log" ||
			fail "$job: $(cat "$VZDUMP_ROOT/var/log/vzdump/job-$job.log")"
	done

	# nothing half done stays
	[[ -z $(find "$STORE/small" "$STORE/backup" -name '*.dat' -o -name '*.tmp*') ]]
	[[ $(find "$STORE/small" "$STORE/backup" -name '*.vma*' | wc -l) = 16 ]]
}
