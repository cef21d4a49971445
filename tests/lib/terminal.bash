# shellcheck shell=bash
# Commands on a terminal, by script(1) of util-linux.

# on_terminal <columns> <command>...: runs it on a terminal of that width.  Sets status, and lines that it
# printed: kept in $VZ_TMP/lines, lines in place in $VZ_TMP/in-place, each as it was before it was replaced.
on_terminal() {
	local columns=$1 command
	shift
	printf -v command '%q ' "$@"
	TERM=xterm run script -qec "stty cols $columns rows 24; $command" "$VZ_TMP/typescript" < /dev/null
	python3 - "$VZ_TMP" <<- 'END'
		import re, sys
		tmp = sys.argv[1]
		text = open(tmp + "/typescript", newline="").read()
		text = re.sub(r"\A[^\n]*\n|\n*Script done[^\n]*\n?\Z", "", text)
		screen, replaced = [], []
		# what comes behind each way back over some lines
		for up, part in re.findall(r"(?:\033\[(\d+)A\033\[J)?([^\033]*)", text):
		    if up:
		        replaced += screen[len(screen) - int(up):]
		        del screen[len(screen) - int(up):]
		    screen += part.replace("\r\n", "\n").splitlines()
		open(tmp + "/lines", "w").write("".join(l + "\n" for l in screen))
		open(tmp + "/in-place", "w").write("".join(l + "\n" for l in replaced))
	END
}

# widest <file>: letters of its longest line
widest() {
	awk '{ if (length($0) > n) n = length($0) } END { print n + 0 }' "$1"
}
