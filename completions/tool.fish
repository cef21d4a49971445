# fish completion for @TOOL@, which finds the candidates itself: see cli/complete.h.

function __@TOOL@_complete
	set -l words (commandline -opc)
	set -l word (commandline -ct | string unescape)
	set -l tool $words[1]
	set -e words[1]
	test -n "$word"; or set word ''
	$tool --complete-words (count $words) -- $words $word 2>/dev/null
end

complete -c @TOOL@ -f -a '(__@TOOL@_complete)'
