#!/usr/bin/env bats
bats_require_minimum_version 1.5.0
# Whoever should hear of a backup hears of it: vzdump, notifications.cfg, and real servers that take mails and
# requests.

load ../lib/qemu
load ../lib/vzdump

PASSWORD="pä ss wörd"
TOKEN=AbCdEf.123456

setup() {
	vz_setup
	PVE=$VZDUMP_ROOT/etc/pve
	mkdir -p "$PVE/priv" "$VZ_TMP"/{certificates,bin}
	echo pve1.example.com > "$VZDUMP_ROOT/etc/hostname"
	: > "$PVE/notifications.cfg"
	: > "$PVE/priv/notifications.cfg"
	conf_add 101 "name: web"
	"$VZ_LIB/make-certificates" "$VZ_TMP/certificates"
	export SSL_CERT_FILE=$VZ_TMP/certificates/ca.pem
	sendmail_records
	unset RECEIVERS
}

teardown() {
	# shellcheck disable=SC2086
	[[ ! ${RECEIVERS:-} ]] || kill $RECEIVERS 2> /dev/null || true
	backup_drop
	vz_teardown
}

# receive smtp|http: starts that receiver; $VZ_TMP/<which> has what it gets
receive() {
	mkdir "$VZ_TMP/$1"
	/usr/bin/python3 "$VZ_LIB/$1_receiver.py" "$VZ_TMP/$1" "$VZ_TMP/certificates" \
		> "$VZ_TMP/$1/log" 2>&1 3>&- < /dev/null &
	RECEIVERS+=" $!"
	until [[ -e $VZ_TMP/$1/ports ]]; do
		kill -0 "$!" || { cat "$VZ_TMP/$1/log"; return 1; }
		sleep 0.05
	done
}

# port smtp|http <name>
port() {
	awk -v name="$2" '$1 == name { print $2 }' "$VZ_TMP/$1/ports"
}

# sendmail_records: a sendmail that writes each mail to $VZ_TMP/sendmail, and its arguments beside it
sendmail_records() {
	cat > "$VZ_TMP/bin/sendmail" <<- END
		#!/bin/sh
		echo "\$*" >> $VZ_TMP/sendmail-args
		cat > $VZ_TMP/sendmail
	END
	chmod +x "$VZ_TMP/bin/sendmail"
	PATH=$VZ_TMP/bin:$PATH
}

# section public|private <header> <line>...: of notifications.cfg
section() {
	local file=$PVE/notifications.cfg
	[[ $1 = public ]] || file=$PVE/priv/notifications.cfg
	printf '%s\n' "$2" >> "$file"
	[[ $# -lt 3 ]] || printf '\t%s\n' "${@:3}" >> "$file"
	echo >> "$file"
}

# smtp_target <name> <mode> <server of the receiver> [password]
smtp_target() {
	local login=()
	[[ ! ${4:-} ]] || login=("username vzdump")
	section public "smtp: $1" "server localhost" "mode $2" "port $(port smtp "$3")" \
		"from-address from@example.com" "mailto $1@example.com" "${login[@]}"
	section private "smtp: $1" ${4:+"password $4"}
}

# gotify_target <name> <token> [path]
gotify_target() {
	section public "gotify: $1" "server http://localhost:$(port http http)${3:-}"
	section private "gotify: $1" "token $2"
}

# named <name> <value>: as header and secret of a webhook have them
named() {
	echo "name=$1,value=$(printf %s "$2" | base64 -w 0)"
}

# targets <name>...: all of them hear of everything
targets() {
	section public "matcher: default-matcher" "${@/#/target }"
}

# mails: a line for each mail to a server: which, TLS, user, recipients
mails() {
	[[ ! -e $VZ_TMP/smtp/mails ]] || jq -r '"\(.server) \(.tls) \(.user) \(.to | join(","))"' "$VZ_TMP/smtp/mails" | sort
}

# mail_to <server>: what the last mail that it got says, as mail_parts.py has it
mail_to() {
	jq -rj --arg server "$1" 'select(.server == $server).content' "$VZ_TMP/smtp/mails" | iconv -f utf8 -t latin1 |
		python3 "$VZ_LIB/mail_parts.py"
}

# request <path> <filter>: of the last request with it
request() {
	jq -rs --arg path "$1" "map(select(.path == \$path)) | last | $2" "$VZ_TMP/http/requests"
}

# header <path> <name>
header() {
	request "$1" ".headers[] | select(.[0] | ascii_downcase == \"$2\") | .[1]"
}

@test "all kinds of targets hear of a backup" {
	local text mode
	receive smtp
	receive http
	section public "sendmail: local" "mailto admin@example.com" "from-address from@example.com"
	smtp_target clear insecure plain
	smtp_target upgraded starttls starttls "$PASSWORD"
	smtp_target inside tls tls "$PASSWORD"
	gotify_target phone "$TOKEN"
	targets local clear upgraded inside phone
	vzdump_ok 101
	[[ $(mails) = "plain false null clear@example.com
starttls true vzdump upgraded@example.com
tls true vzdump inside@example.com" ]]
	for mode in plain starttls tls; do
		text=$(mail_to "$mode")
		grep -qE '^Subject: vzdump backup status \(.*\): backup successful$' <<< "$text"
		grep -qE '^101 +web +ok ' <<< "$text"
		grep -qF '101: ' <<< "$text"
		grep -qF -- '-- text/html' <<< "$text"
	done
	[[ $(< "$VZ_TMP/sendmail-args") = "-B 8BITMIME -f from@example.com -- admin@example.com" ]]
	diff <(python3 "$VZ_LIB/mail_parts.py" < "$VZ_TMP/sendmail" | sed -n '/^-- text.plain/,/^-- text.html/p') \
		<(mail_to plain | sed -n '/^-- text.plain/,/^-- text.html/p')
	[[ $(request /message '.body | fromjson | "\(.title) \(.priority)"') = "vzdump backup status ("*"): backup successful 1" ]]
	[[ $(request /message '.body | fromjson | .message') = '```'*"101 "*"web "*'```' ]]
	has_line "^INFO: notified target 'inside'$"
}

@test "a webhook gets what its templates make of the run" {
	local url body at="/hook/a%2Fb%20c?host=pve1"
	receive http
	body='{"t":"{{ escape title }}","m":{{ json message }},"s":"{{ severity }}","f":{{ json fields }}}'
	url="http://localhost:$(port http http)/hook/{{ url-encode secrets.key }}?host={{ fields.hostname }}"
	section public "webhook: hook" "url $url" "method put" "header $(named X-Key '{{ secrets.key }}')" \
		"header $(named Content-Type application/json)" \
		"body $(printf %s "$body" | base64 -w 0)"
	section private "webhook: hook" "secret $(named key 'a/b c')"
	targets hook
	vzdump_ok 101 --job-id nightly
	[[ $(request "$at" .method) = PUT ]]
	[[ $(header "$at" x-key) = "a/b c" ]]
	[[ $(header "$at" content-type) = application/json ]]
	[[ $(request "$at" '.body | fromjson | "\(.s) \(.f.type) \(.f.hostname) \(.f["job-id"])"') = \
		"info vzdump pve1 nightly" ]]
	[[ $(request "$at" '.body | fromjson | .t') = "vzdump backup status ("*"): backup successful" ]]
	[[ $(request "$at" '.body | fromjson | .m') = *"101 "*"web "*"Total running time: "* ]]
}

@test "matchers send failures to one, successes to another, and a job to a third" {
	receive smtp
	receive http
	smtp_target failures starttls starttls "$PASSWORD"
	smtp_target successes tls tls "$PASSWORD"
	gotify_target nightly "$TOKEN"
	section public "matcher: of-failures" "match-severity error" "target failures" "target nightly"
	section public "matcher: of-successes" "match-severity info" "match-field exact:hostname=pve1" "target successes"
	section public "matcher: of-nightly" "match-field regex:job-id=^night" "target nightly"
	section public "matcher: default-matcher" "disable true"
	conf_add 102 "name: db" "scsi0: local:102/vm-102-disk-0.raw,size=4M"
	vzdump 101 102
	[[ $status = 255 ]]
	[[ $(mails) = "starttls true vzdump failures@example.com" ]]
	grep -qE '^Subject: .*: backup failed' <<< "$(mail_to starttls)"
	grep -qE '^101 +web +ok ' <<< "$(mail_to starttls)"
	grep -qE '^102 +db +err ' <<< "$(mail_to starttls)"
	[[ $(request /message '.body | fromjson | .priority') = 9 && $(wc -l < "$VZ_TMP/http/requests") = 1 ]]
	rm "$VZ_TMP/smtp/mails" "$VZ_TMP/http/requests"
	vzdump_ok 101
	[[ $(mails) = "tls true vzdump successes@example.com" && ! -e $VZ_TMP/http/requests ]]
	vzdump_ok 101 --job-id nightly
	[[ $(request /message '.body | fromjson | .priority') = 1 ]]
}

@test "a target that fails is an error in the log, changes nothing else, and no secret is told" {
	receive smtp
	receive http
	smtp_target good tls tls "$PASSWORD"
	smtp_target password starttls starttls "wr0ng-s3cret"
	smtp_target expired tls tls-expired "s3cret-expired"
	smtp_target gone insecure hangup "s3cret-gone"
	smtp_target unknown insecure plain
	gotify_target token wr0ng-s3cret
	gotify_target silent s3cret-silent /hang
	section public "webhook: parrot" "url http://localhost:$(port http http)/parrot/{{ secrets.key }}" "method post"
	section private "webhook: parrot" "secret $(named key s3cret-parrot)"
	section public "webhook: elsewhere" "url http://localhost:$(port http http)/307/{{ secrets.key }}" "method get"
	section private "webhook: elsewhere" "secret $(named key s3cret-elsewhere)"
	targets good password expired gone unknown token silent parrot elsewhere nobody
	vzdump_ok 101
	has_line "^INFO: notified target 'good'$"
	has_line "^ERROR: cannot notify target 'password': smtp://localhost:[0-9]+ refuses username and password: 535 5.7.8$"
	has_line "^ERROR: cannot notify target 'expired': smtps://localhost:[0-9]+: its certificate is not accepted: .*expired"
	has_line "^ERROR: cannot notify target 'gone': smtp://localhost:"
	has_line "^ERROR: cannot notify target 'unknown': .*: unknown@example.com \(\"550 5.1.1 nobody of that name\"\)"
	has_line "^ERROR: cannot notify target 'token': http://localhost:[0-9]+ answers with HTTP 401: .*valid access token"
	has_line "^ERROR: cannot notify target 'silent': http://localhost:[0-9]+: not done within 10 s"
	has_line "^ERROR: cannot notify target 'parrot': http://localhost:[0-9]+ answers with HTTP 500: \(its text is not shown"
	has_line "^ERROR: cannot notify target 'elsewhere': http://localhost:[0-9]+ redirects to another place \(HTTP 307\)"
	has_line "^ERROR: cannot notify target 'nobody': there is no such target"
	[[ $(mails) = "tls true vzdump good@example.com" ]]
	has_no_line 's3cret|ss w'
	run ! grep -rE 's3cret|ss w' "$VZDUMP_ROOT/var" "$VZDUMP_ROOT/run" "$STORE"
	nothing_left 101
}

@test "a notifications.cfg that cannot be read is an error in the log, and the backup is saved" {
	section public "smtp: relay" "server localhost" "colour red"
	vzdump_ok 101
	has_line "^ERROR: cannot notify anybody: .*notifications.cfg.*colour"
	[[ -s $ARCHIVE && ! -e $VZ_TMP/sendmail ]]
}

@test "what notifications.cfg makes us warn of changes neither the report nor the exit status" {
	section public "sendmail: local" "mailto a@example.com" "mailto-user nobody@pve"
	targets local
	run --separate-stderr "$VZDUMP" 101 --storage backup --strict 1 --output-format json
	[[ $status = 0 && $stderr = *"WARN: notification target 'local': user 'nobody@pve' has no mail address"* ]]
	[[ $stderr != *"Task finished with"* ]]
	[[ $(jq -c '[.warnings, .totals.warnings]' <<< "$output") = "[[],0]" ]]
}

@test "gotify and webhooks go by the proxy of datacenter.cfg, and never by that of the environment" {
	receive http
	gotify_target phone "$TOKEN"
	targets phone
	export http_proxy=http://127.0.0.1:1
	vzdump_ok 101
	has_line "^INFO: notified target 'phone'$"
	[[ $(jq -r .server "$VZ_TMP/http/requests") = http ]]
	rm "$VZ_TMP/http/requests"
	echo "http_proxy: http://pat:pr0xy%20p%40ss@localhost:$(port http proxy-auth)/" > "$PVE/datacenter.cfg"
	vzdump_ok 101
	has_line "^INFO: notified target 'phone'$"
	[[ $(jq -r '"\(.server) \(.path)"' "$VZ_TMP/http/requests") = "proxy-auth http://localhost:"*/message ]]
	echo "http_proxy: http://pat:wr0ng@localhost:$(port http proxy-auth)/" > "$PVE/datacenter.cfg"
	vzdump_ok 101
	has_line "^ERROR: cannot notify target 'phone': .*407"
	has_no_line "wr0ng"
}

@test "an administrator's templates take the place of ours" {
	local text templates=$PVE/notification-templates/default
	receive smtp
	smtp_target relay insecure plain
	targets relay
	mkdir -p "$templates"
	echo "{{ hostname }}: {{ status-text }} <{{ human-bytes 1536 }}>" > "$templates/vzdump-subject.txt.hbs"
	printf '{{#each guest-table.data}}\n{{ this.vmid }}={{ this.status }}\n{{/each}}\n' \
		> "$templates/vzdump-body.txt.hbs"
	vzdump_ok 101
	text=$(mail_to plain)
	grep -qFx "Subject: pve1: backup successful <1.5 KiB>" <<< "$text"
	[[ $(sed -n '/^-- text.plain/,/^-- text.html/p' <<< "$text" | sed -n 2p) = "101=ok" ]]
}

@test "--mailto is one mail by sendmail, always or after failures, and no target hears of it" {
	receive smtp
	smtp_target relay insecure plain
	targets relay
	vzdump_ok 101 --mailto "a@example.com,b@example.com"
	[[ $(< "$VZ_TMP/sendmail-args") = *"-- a@example.com b@example.com" ]]
	python3 "$VZ_LIB/mail_parts.py" < "$VZ_TMP/sendmail" | grep -qE '^Subject: .*: backup successful$'
	rm "$VZ_TMP/sendmail-args"
	vzdump_ok 101 --mailto a@example.com --mailnotification failure
	[[ ! -e $VZ_TMP/sendmail-args ]]
	vzdump 999 --mailto a@example.com --mailnotification failure
	[[ $status = 255 && $(< "$VZ_TMP/sendmail-args") = *"-- a@example.com" ]]
	[[ -z $(mails) ]]
	vzdump_ok 101 --mailto a@example.com --notification-mode notification-system
	[[ $(mails) = "plain false null relay@example.com" && $(wc -l < "$VZ_TMP/sendmail-args") = 1 ]]
}

@test "a job that is interrupted still notifies" {
	receive smtp
	smtp_target relay tls tls "$PASSWORD"
	targets relay
	disk_add 123 scsi0 throttle 64M
	disk_fill "$(disk_path 123 scsi0)" 64M
	qemu_start 123 running
	backup_begin 123
	kill -TERM "$BACKUP"
	backup_drop
	status=0
	wait "$BACKUP" || status=$?
	output=$(< "$VZ_TMP/log")
	[[ $status != 0 ]]
	has_line "notified target 'relay'"
	grep -qE '^Subject: .*: backup failed' <<< "$(mail_to tls)"
	grep -qE '^123 +.* +err ' <<< "$(mail_to tls)"
}
