# shellcheck shell=bash
# bash completion for @TOOL@, which knows by itself what fits: see cli/complete.h.
# COMP_LINE is used, not COMP_WORDS, as bash parts words at ":" and "=".

_@TOOL@_complete() {
	local text description
	compopt -o nosort 2> /dev/null
	COMPREPLY=()
	while IFS=$'\t' read -r text description; do
		# 63: the list of candidates is shown, so that more may stand there than the word
		if [[ $COMP_TYPE == 63 && $description ]]; then
			printf -v text '%-24s (%s)' "$text" "$description"
			text=${text:0:${COLUMNS:-80}-2}
		elif [[ $text == *[=/:,] ]]; then
			compopt -o nospace 2> /dev/null
		fi
		COMPREPLY+=("$text")
	done < <("${1/#~\//$HOME/}" --complete-bash "${COMP_LINE:0:COMP_POINT}" 2> /dev/null)
	[[ $COMP_TYPE != 63 || ${#COMPREPLY[@]} -gt 1 ]] || COMPREPLY=("${COMPREPLY[0]%% *}")
}
complete -F _@TOOL@_complete @TOOL@
